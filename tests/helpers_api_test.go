package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// caller is somebody who sends requests: these headers, beside the project's publishable key.
type caller map[string]string

// pair is what generate_api_token returns.
type pair struct {
	ClientID       string `json:"client_id"`
	APIToken       string `json:"api_token"`
	Name           string `json:"name"`
	Role           string `json:"role"`
	OrganizationID string `json:"organization_id"`
}

// token is a row of list_api_tokens.
type token struct {
	ClientID      string     `json:"client_id"`
	Name          string     `json:"name"`
	Role          string     `json:"role"`
	CreatedByRole *string    `json:"created_by_role"`
	LastUsedAt    *time.Time `json:"last_used_at"`
	Uses          int64      `json:"uses"`
	Denials       int64      `json:"denials"`
	LastDeniedAt  *time.Time `json:"last_denied_at"`
	UsageAsOf     *time.Time `json:"usage_as_of"`
	MissingBefore *time.Time `json:"usage_missing_before"`
	RevokedAt     *time.Time `json:"revoked_at"`
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

var anonymous = caller{}

// connections keeps enough of them for the tests that send many requests at once.
var connections = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func (p pair) caller() caller { return caller{"X-Client-Id": p.ClientID, "X-Api-Token": p.APIToken} }

func person(name string) caller {
	return caller{"Authorization": "Bearer " + people[name].AccessToken}
}

func service() caller { return caller{"apikey": project.SecretKey} }

// with returns the caller with one header more, or another value for it.
func (c caller) with(name, value string) caller {
	more := caller{name: value}
	for k, v := range c {
		if k != name {
			more[k] = v
		}
	}
	return more
}

// send makes one request of the schema ("public" or "babelon") and reads the whole answer.
func (c caller) send(t testing.TB, method, path, schema string, body any) answer {
	t.Helper()
	return c.sendTo(t, project.URL+"/rest/v1", method, path, schema, body)
}

// sendTo does it with another API than the project's.
func (c caller) sendTo(t testing.TB, api, method, path, schema string, body any) answer {
	t.Helper()
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequest(method, api+"/"+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("apikey", project.PublishableKey)
	request.Header.Set("Accept-Profile", schema)
	request.Header.Set("Content-Profile", schema)
	request.Header.Set("Content-Type", "application/json")
	for name, value := range c {
		request.Header.Set(name, value)
	}
	response, err := connections.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, content}
}

// args are the arguments of an RPC.
type args map[string]any

func (c caller) rpc(t testing.TB, function string, arguments args) answer {
	t.Helper()
	return c.send(t, http.MethodPost, "rpc/"+function, "babelon", arguments)
}

func (c caller) get(t testing.TB, path string) answer {
	t.Helper()
	return c.send(t, http.MethodGet, path, "public", nil)
}

// code is the BBL_ or SQLSTATE code of an error, "" of anything else.
func (a answer) code() string {
	var body struct{ Code string }
	json.Unmarshal(a.body, &body)
	return body.Code
}

// want fails the test unless the answer has the status and the code.
func (a answer) want(t testing.TB, status int, code string) answer {
	t.Helper()
	if a.status != status || a.code() != code {
		t.Errorf("got %d %s, want %d %s: %s", a.status, a.code(), status, code, a.body)
	}
	return a
}

// into decodes a successful answer.
func (a answer) into(t testing.TB, target any) {
	t.Helper()
	if a.status/100 != 2 {
		t.Fatalf("got %d: %s", a.status, a.body)
	}
	if err := json.Unmarshal(a.body, target); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

// newOrganization makes an organization with an owner, an admin, a member and a viewer; returns its id.
func newOrganization(t testing.TB) string {
	t.Helper()
	var made struct{ ID string }
	person("owner").rpc(t, "create_organization", args{"name": "Acme"}).into(t, &made)
	for _, role := range []string{"admin", "member", "viewer"} {
		person("owner").rpc(t, "set_member", args{"email": people[role].Email, "role": role, "organization_id": made.ID}).want(t, 200, "")
	}
	return made.ID
}

// generate makes a token pair of the role as the organization's owner.
func generate(t testing.TB, organization, role string) pair {
	t.Helper()
	var made pair
	person("owner").rpc(t, "generate_api_token", args{"name": "a " + role, "role": role, "organization_id": organization}).into(t, &made)
	return made
}

// list returns the organization's tokens by client ID, as its owner sees them.
func list(t testing.TB, organization string) map[string]token {
	t.Helper()
	settle(t)
	var rows []token
	person("owner").rpc(t, "list_api_tokens", args{"organization_id": organization}).into(t, &rows)
	byID := map[string]token{}
	for _, row := range rows {
		byID[row.ClientID] = row
	}
	return byID
}

// settle lets the next list or collection find every use that there has been. From PostgreSQL 17 on it does so by itself, at
// any moment. Before that it finds what the log has been flushed up to: by any commit of a change, or after some seconds.
func settle(t testing.TB) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), project.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	_, err = db.Exec(t.Context(), `do $$ begin
		if current_setting('server_version_num')::int < 170000 then
			perform pg_logical_emit_message(true, 'tests', 'a change to commit');
		end if;
	end $$`)
	if err != nil {
		t.Fatal(err)
	}
}

func revoke(t testing.TB, p pair) {
	t.Helper()
	person("owner").rpc(t, "revoke_api_token", args{"client_id": p.ClientID}).want(t, 200, "")
}

// replaceLast returns the text with its last character replaced, by another of the same alphabet.
func replaceLast(text string) string {
	last := "0"
	if strings.HasSuffix(text, last) {
		last = "1"
	}
	return fmt.Sprint(text[:len(text)-1], last)
}

// newPerson signs somebody up whom no other test knows.
func newPerson(t *testing.T) (name string) {
	t.Helper()
	name = fmt.Sprintf("newcomer-%d", time.Now().UnixNano())
	user, err := project.SignUp(t.Context(), name+"@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	people[name] = user
	return name
}

// eventually waits until a condition holds, for at most as long as pg_cron may take with a minute's job.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for tick := time.Tick(100 * time.Millisecond); !holds(); <-tick {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}
