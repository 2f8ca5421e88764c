package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// What supabase/tests cannot see of who may do what: PostgREST's part in it. The actors are those of
// supabase/tests/policies.test.sql, with real pairs and real sessions, through the gateway.

// The words of the table below: a status, and the code in the body. A number is 200 with so many rows: read, or changed, which
// who changes rows asks back, since PostgREST says 204 as well where no row was.
var words = map[string]struct {
	status int
	code   string
}{
	"ok": {200, ""}, "new": {201, ""},
	"-":    {401, "42501"}, // not granted, or refused by a policy: PostgREST's answer to whoever sends no JWT
	"no":   {403, "42501"}, // the same, to a person or the service role
	"ro":   {405, "25006"},
	"gone": {401, "BBL_TOKEN_REVOKED"},
	"auth": {401, "BBL_UNAUTHENTICATED"},
	"role": {403, "BBL_FORBIDDEN"},
	"404":  {404, "BBL_NOT_FOUND"},
	"406":  {406, "PGRST106"}, // the schema is not exposed
	"null": {400, "23502"},
}

// A and B are organizations, and TOKEN is one of A's.
const httpMatrix = `
                                                            | anon | outs view memb admn ownr | vtok mtok atok gone btok | serv
POST babelon rpc/whoami {}                                  | auth | ok   ok   ok   ok   ok   | ok   ok   ok   gone ok   | ok
POST babelon rpc/list_api_tokens {"organization_id":"A"}    | auth | 404  5    5    5    5    | 5    5    5    gone 404  | 5
POST babelon rpc/generate_api_token {"name":"x","organization_id":"A"} | auth | 404 role role ok ok | role role ok gone 404 | ok
POST babelon rpc/revoke_api_token {"client_id":"TOKEN"}     | auth | 404  role role ok   ok   | role role ok   gone 404  | ok
GET babelon members?organization_id=in.(A,B)                | -    | 1    4    4    4    4    | 4    4    4    gone 1    | 5
POST babelon members {"organization_id":"A"}                | -    | no   no   no   no   no   | -    -    -    gone -    | no
DELETE babelon organizations?id=eq.A                        | -    | no   no   no   no   no   | -    -    -    gone -    | no
GET babelon_private api_tokens                              | 406  | 406  406  406  406  406  | 406  406  406  406  406  | 406
GET public deployments?tenant_id=in.(A,B)                   | -    | 2    1    1    1    1    | 1    1    1    gone 2    | 3
POST public deployments {"service":"x","tenant_id":"A"}     | -    | no   no   new  new  new  | ro   new  new  gone -    | new
POST public deployments {"service":"x"}                     | -    | no   no   no   no   no   | ro   new  new  gone new  | null
PATCH public deployments?tenant_id=eq.A {"service":"x"}     | -    | no   no   no   no   no   | ro   -    -    gone -    | 9
DELETE public deployments?tenant_id=eq.A                    | -    | no   no   no   no   no   | ro   -    -    gone -    | 9
`

func TestEvery_actor_is_answered_as_written_down(t *testing.T) {
	mine := newOrganization(t)
	theirs, foreign := anotherOrganization(t)
	revoked, victim := generate(t, mine, "admin"), generate(t, mine, "member")
	revoke(t, revoked)
	actors := []caller{
		anonymous, person("outsider"), person("viewer"), person("member"), person("admin"), person("owner"),
		generate(t, mine, "viewer").caller(), generate(t, mine, "member").caller(), generate(t, mine, "admin").caller(),
		revoked.caller(), foreign.caller(), service(),
	}
	names := strings.Fields("anon outs view memb admn ownr vtok mtok atok gone btok serv")
	for _, tenant := range []string{mine, theirs, theirs} {
		service().send(t, "POST", "deployments", "public", args{"service": "x", "tenant_id": tenant}).want(t, 201, "")
	}
	fill := strings.NewReplacer(`"A"`, `"`+mine+`"`, "TOKEN", victim.ClientID, "eq.A", "eq."+mine, "(A,B)", "("+mine+","+theirs+")")

	for line := range strings.Lines(httpMatrix) {
		request, cells, _ := strings.Cut(line, "|")
		part, cell := strings.Fields(request), strings.Fields(strings.ReplaceAll(cells, "|", ""))
		if len(part) == 0 {
			continue // the heading
		}
		var body any
		if len(part) == 4 {
			body = json.RawMessage(fill.Replace(part[3]))
		}
		for i, actor := range actors {
			t.Run(names[i]+" "+strings.TrimSpace(request), func(t *testing.T) {
				if part[0] == "PATCH" || part[0] == "DELETE" { // not POST: to ask its row back would be refused where only reading it is
					actor = actor.with("Prefer", "return=representation")
				}
				got := actor.send(t, part[0], fill.Replace(part[2]), part[1], body)
				if rows, err := strconv.Atoi(cell[i]); err == nil && rows < 100 {
					var found []json.RawMessage
					got.into(t, &found)
					if len(found) != rows {
						t.Errorf("got %d rows, want %d: %s", len(found), rows, got.body)
					}
					return
				}
				expected, known := words[cell[i]]
				if !known {
					t.Fatalf("no such word: %s", cell[i])
				}
				got.want(t, expected.status, expected.code)
				if kind := got.header.Get("Content-Type"); expected.code != "" && !strings.HasPrefix(kind, "application/json") {
					t.Errorf("the error is of type %q", kind)
				}
				challenge := got.header.Get("WWW-Authenticate")
				if ours := challenge == `Babelon realm="api"`; ours != (expected.status == 401 && strings.HasPrefix(expected.code, "BBL_")) {
					t.Errorf("the answer has WWW-Authenticate: %q", challenge)
				}
			})
		}
	}
}

// anotherOrganization makes one of the outsider's. Returns its id, and an admin's pair.
func anotherOrganization(t *testing.T) (id string, admin pair) {
	t.Helper()
	var made struct{ ID string }
	person("outsider").rpc(t, "create_organization", args{"name": "Others"}).into(t, &made)
	person("outsider").rpc(t, "generate_api_token", args{"name": "x", "role": "admin", "organization_id": made.ID}).into(t, &admin)
	return made.ID, admin
}

// What of a request decides who it is, where it says several things.
func TestA_request_that_says_two_things_is_refused_or_the_last_of_a_header_counts(t *testing.T) {
	mine := newOrganization(t)
	theirs, foreign := anotherOrganization(t)
	token := generate(t, mine, "admin")
	wrong := replaceLast(token.APIToken)
	signed := func(claims jwt.MapClaims, secret string) string {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + text
	}
	session := person("owner")["Authorization"]
	expired := signed(jwt.MapClaims{"role": "authenticated", "sub": people["owner"].ID, "exp": 1}, project.JWTSecret)
	forged := signed(jwt.MapClaims{"role": "service_role"}, "another secret, which is long enough")

	for _, c := range []struct {
		name   string
		header http.Header
		query  string
		status int
		code   string
	}{
		{"the pair", http.Header{}, "", 200, ""},
		{"the key again as Bearer, as client libraries send it", http.Header{"Authorization": {"Bearer " + project.PublishableKey}}, "", 200, ""},
		{"a session", http.Header{"Authorization": {session}}, "", 400, "BBL_AMBIGUOUS_CREDENTIALS"},
		{"the secret key", http.Header{"Apikey": {project.SecretKey}}, "", 400, "BBL_AMBIGUOUS_CREDENTIALS"},
		{"the secret key in the query", http.Header{"Apikey": nil}, "apikey=" + project.SecretKey, 400, "BBL_AMBIGUOUS_CREDENTIALS"},
		{"an expired session", http.Header{"Authorization": {expired}}, "", 401, "PGRST301"},
		{"a forged session", http.Header{"Authorization": {forged}}, "", 401, "PGRST301"},
		{"no key", http.Header{"Apikey": nil}, "", 401, ""},
		{"its organization", http.Header{"X-Tenant-Id": {mine}}, "", 200, ""},
		{"its organization in capitals", http.Header{"X-Tenant-Id": {strings.ToUpper(mine)}}, "", 200, ""},
		{"another organization", http.Header{"X-Tenant-Id": {theirs}}, "", 403, "BBL_TENANT_MISMATCH"},
		{"two organizations, its own first", http.Header{"X-Tenant-Id": {mine, theirs}}, "", 403, "BBL_TENANT_MISMATCH"},
		{"two organizations, its own last", http.Header{"X-Tenant-Id": {theirs, mine}}, "", 200, ""},
		{"two in one header", http.Header{"X-Tenant-Id": {mine + ", " + theirs}}, "", 403, "BBL_TENANT_MISMATCH"},
		{"two secrets, the right one first", http.Header{"X-Api-Token": {token.APIToken, wrong}}, "", 401, "BBL_INVALID_TOKEN"},
		{"two secrets, the right one last", http.Header{"X-Api-Token": {wrong, token.APIToken}}, "", 200, ""},
		{"another token's ID first", http.Header{"X-Client-Id": {foreign.ClientID, token.ClientID}}, "", 200, ""},
		{"another token's ID last", http.Header{"X-Client-Id": {token.ClientID, foreign.ClientID}}, "", 401, "BBL_INVALID_TOKEN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, project.URL+"/rest/v1/rpc/request_headers?"+c.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header = http.Header{"Apikey": {project.PublishableKey}, "X-Client-Id": {token.ClientID}, "X-Api-Token": {token.APIToken}}
			maps.Copy(request.Header, c.header)
			response, err := connections.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			answer{response.StatusCode, response.Header, body}.want(t, c.status, c.code)
			if bytes.Contains(body, []byte(token.APIToken)) {
				t.Error("the answer has the secret")
			}
			if c.status == 200 && !bytes.Contains(body, []byte(token.ClientID)) {
				t.Errorf("the answer is not the headers, where the secret would be: %s", body)
			}
		})
	}
}

// PostgREST keeps its connections, and PgBouncer those of several PostgRESTs. Here there is one, and every kind of request
// follows every other on it.
func TestNo_identity_survives_into_the_next_request_of_a_connection(t *testing.T) {
	url, err := project.OnOneConnection(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mine := newOrganization(t)
	_, foreign := anotherOrganization(t)
	admin, viewer, revoked := generate(t, mine, "admin"), generate(t, mine, "viewer"), generate(t, mine, "member")
	revoke(t, revoked)

	const who = "rpc/request_identity"
	requests := []struct {
		name         string
		caller       caller
		method, path string
		body         any
		expected     string
	}{
		{"nobody", anonymous, "POST", who, args{}, "anon off"},
		{"a person", person("owner"), "POST", who, args{}, "authenticated off"},
		{"another person", person("outsider"), "POST", who, args{}, "authenticated off"},
		{"an admin's pair", admin.caller(), "POST", who, args{}, "babelon_token off"},
		{"an admin's pair reading", admin.caller(), "GET", who, nil, "babelon_token on"},
		{"a viewer's pair", viewer.caller(), "POST", who, args{}, "babelon_token on"},
		{"another organization's pair", foreign.caller(), "POST", who, args{}, "babelon_token off"},
		{"an admin's pair writing", admin.caller(), "POST", "deployments", args{"service": "x"}, "201 "},
		{"a viewer's pair writing", viewer.caller(), "POST", "deployments", args{"service": "x"}, "405 25006"},
		{"an admin's pair failing", admin.caller(), "POST", "rpc/conflict", args{}, "409 23505"},
		{"a wrong secret", caller{"X-Client-Id": admin.ClientID, "X-Api-Token": replaceLast(admin.APIToken)}, "POST", who, args{}, "401 BBL_INVALID_TOKEN"},
		{"a revoked pair", revoked.caller(), "POST", who, args{}, "401 BBL_TOKEN_REVOKED"},
		{"a pair with a wrong assertion", foreign.caller().with("X-Tenant-Id", mine), "POST", who, args{}, "403 BBL_TENANT_MISMATCH"},
		{"a pair beside a session", admin.caller().with("Authorization", person("owner")["Authorization"]), "POST", who, args{}, "400 BBL_AMBIGUOUS_CREDENTIALS"},
	}
	connections := map[any]bool{}
	// ask makes the request, and returns what came of it in short and, of one that says who it is, everything else.
	ask := func(i int) (short, rest string) {
		r := requests[i]
		got := r.caller.sendTo(t, url+"/rest/v1", r.method, r.path, "public", r.body)
		if r.path != who || got.status != 200 {
			return fmt.Sprintf("%d %s", got.status, got.code()), ""
		}
		var me map[string]any
		got.into(t, &me)
		connections[me["connection"]] = true
		return fmt.Sprintf("%s %s", me["role"], me["read_only"]), fmt.Sprint(me["person"], me["organizations"], me["client_id"], me["settings"])
	}
	rests := map[int]string{}
	for i, before := range requests {
		for j, r := range requests {
			ask(i)
			short, rest := ask(j)
			if _, known := rests[j]; !known {
				rests[j] = rest
			}
			if short != r.expected || rest != rests[j] {
				t.Errorf("%s, after %s: %s %s; before that %s %s", r.name, before.name, short, rest, r.expected, rests[j])
			}
		}
	}
	if nobody := fmt.Sprint(nil, []any{}, nil, ""); rests[0] != nobody || strings.Contains(rests[1], "bbl_") || !strings.Contains(rests[3], admin.ClientID) || !strings.Contains(rests[6], foreign.ClientID) {
		t.Errorf("they are %v", rests)
	}
	if len(connections) != 1 {
		t.Errorf("the requests came on %d connections", len(connections))
	}
}
