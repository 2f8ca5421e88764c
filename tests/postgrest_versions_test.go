package tests

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/babelon/babelon/tests/stack"
)

// A postgREST is what one of its versions sends to the database before a request's own query. docs/operations.md says from
// which source this is. The settings are in the version's order; those of the called function are its last.
type postgREST struct {
	version          string
	functionSettings func(map[string]string) map[string]string
}

var postgRESTs = []postgREST{
	{"12.0.2", func(all map[string]string) map[string]string {
		if timeout, set := all["statement_timeout"]; set {
			return map[string]string{"statement_timeout": timeout}
		}
		return nil
	}},
	{"14.9", func(all map[string]string) map[string]string { return all }},
	{"16.2", func(all map[string]string) map[string]string { return all }},
}

type request struct {
	readOnly         bool
	claims           map[string]string // with the role
	roleSettings     map[string]string
	headers          map[string]string
	functionSettings map[string]string
	query            string
}

// send runs a request as PostgREST's own role, and returns the one value of its query. It commits, unless something fails.
func (p postgREST) send(t *testing.T, db *pgx.Conn, r request) (value string, err error) {
	t.Helper()
	ctx := t.Context()
	mode := "READ WRITE"
	if r.readOnly {
		mode = "READ ONLY"
	}
	if _, err := db.Exec(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED "+mode); err != nil {
		t.Fatal(err)
	}
	defer func() {
		end := "COMMIT"
		if err != nil {
			end = "ROLLBACK"
		}
		if _, problem := db.Exec(ctx, end); problem != nil {
			t.Fatal(problem)
		}
	}()

	var calls []string
	var parameters []any
	set := func(name, value string) {
		parameters = append(parameters, value)
		calls = append(calls, "set_config('"+name+"', $"+strconv.Itoa(len(parameters))+", true)")
	}
	encoded := func(object map[string]string) string {
		content, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	set("search_path", `"public", "extensions"`)
	for name, value := range r.roleSettings {
		set(name, value)
	}
	set("role", r.claims["role"])
	set("request.jwt.claims", encoded(r.claims))
	set("request.method", map[bool]string{true: "GET", false: "POST"}[r.readOnly])
	set("request.path", "/rpc/anything")
	set("request.headers", encoded(r.headers))
	set("request.cookies", "{}")
	for name, value := range p.functionSettings(r.functionSettings) {
		set(name, value)
	}
	for _, statement := range []struct {
		sql        string
		parameters []any
	}{
		{"select " + strings.Join(calls, ", "), parameters},
		{`select "babelon_private"."authenticate_request"()`, nil},
	} {
		if _, err := db.Exec(ctx, statement.sql, statement.parameters...); err != nil {
			return "", err
		}
	}
	return value, db.QueryRow(ctx, "select ("+r.query+")::text").Scan(&value)
}

func TestThe_hook_works_after_what_each_version_of_PostgREST_sends_before_it(t *testing.T) {
	startsOwnServers(t)
	for _, version := range []int{15, 17, 18} {
		url := installed(t, version)
		apply(t, asSuperuser(url), "insert into auth.users (id, email, email_confirmed_at) values ('00000000-0000-4000-8000-000000000001', 'ada@example.com', now())")
		apply(t, url, "alter role babelon_token set statement_timeout = '1s'")
		for _, p := range postgRESTs {
			t.Run(p.version+" on PostgreSQL "+strconv.Itoa(version), func(t *testing.T) {
				db := connect(t, asAuthenticator(url))
				ada := map[string]string{"role": "authenticated", "sub": "00000000-0000-4000-8000-000000000001"}
				anon := map[string]string{"role": "anon"}
				yields := func(r request, want string) {
					t.Helper()
					if got, err := p.send(t, db, r); err != nil || got != want {
						t.Errorf("%s: got %q (%v), want %q", r.query, got, err, want)
					}
				}
				refuses := func(r request, code string) {
					t.Helper()
					_, err := p.send(t, db, r)
					if got := refusal(err); got != code {
						t.Errorf("%s: got %v, want %s", r.query, err, code)
					}
				}
				value := func(r request) string {
					t.Helper()
					got, err := p.send(t, db, r)
					if err != nil {
						t.Fatal(err)
					}
					return got
				}

				organization := value(request{claims: ada, query: "select id from babelon.create_organization('Acme')"})
				generated := func(role string) map[string]string {
					t.Helper()
					client, secret, _ := strings.Cut(value(request{claims: ada,
						query: "select client_id || ' ' || api_token from babelon.generate_api_token('x', '" + organization + "', '" + role + "')"}), " ")
					return map[string]string{"host": "x", "x-client-id": client, "x-api-token": secret}
				}
				member, viewer := generated("member"), generated("viewer")
				wrong := map[string]string{"x-client-id": member["x-client-id"], "x-api-token": viewer["x-api-token"]}

				for _, readOnly := range []bool{true, false} {
					yields(request{readOnly: readOnly, claims: anon, query: "select current_user"}, "anon")
					yields(request{readOnly: readOnly, claims: ada, query: "select current_user"}, "authenticated")
					yields(request{readOnly: readOnly, claims: anon, headers: member, query: "select current_user"}, "babelon_token")
					yields(request{readOnly: readOnly, claims: anon, headers: member, query: "select babelon.tenant_id()"}, organization)
					yields(request{readOnly: readOnly, claims: anon, headers: member, query: "select current_setting('request.headers') ~ 'bbl_tok_'"}, "false")
					yields(request{readOnly: readOnly, claims: anon, headers: viewer, query: "select current_setting('transaction_read_only')"}, "on")
					refuses(request{readOnly: readOnly, claims: anon, headers: wrong, query: "select 1"}, "BBL_INVALID_TOKEN")
					refuses(request{readOnly: readOnly, claims: ada, headers: member, query: "select 1"}, "BBL_AMBIGUOUS_CREDENTIALS")
					yields(request{readOnly: readOnly, query: "select current_user || coalesce(current_setting('babelon.token_id', true), '')", claims: anon}, "anon")
				}
				yields(request{claims: anon, headers: member, query: "select current_setting('transaction_read_only')"}, "off")

				// The timeout is that of anon, or of the called function; never that of babelon_token.
				slow := map[string]string{"statement_timeout": "3s"}
				timeout := request{claims: anon, headers: member, roleSettings: slow, query: "select current_setting('statement_timeout')"}
				yields(timeout, "3s")
				timeout.functionSettings = map[string]string{"statement_timeout": "60s"}
				yields(timeout, "1min")
			})
		}
	}
}

// The headers are a parameter in every version, and PostgreSQL logs those of a statement that it logs.
func TestWith_log_parameter_max_length_0_the_secret_is_in_no_log(t *testing.T) {
	startsOwnServers(t)
	server, err := stack.StartPostgres(t.Context(), 17)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	url, err := server.NewDatabase(t.Context(), "project")
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, url)
	apply(t, asSuperuser(url), "alter role authenticator set log_min_duration_statement = 0")
	for setting, logged := range map[string]bool{"-1": true, "0": false} {
		apply(t, asSuperuser(url), "alter role authenticator set log_parameter_max_length = "+setting)
		for _, p := range postgRESTs {
			db := connect(t, asAuthenticator(url))
			secret := "bbl_tok_" + strings.ReplaceAll(strings.ReplaceAll(p.version, ".", ""), "-", "") + strings.Repeat("0", 20) + strings.Trim(setting, "-")
			_, err := p.send(t, db, request{claims: map[string]string{"role": "anon"}, query: "select 1",
				headers: map[string]string{"x-client-id": "bbl_cid_0123456789abcdef", "x-api-token": secret}})
			if got := refusal(err); got != "BBL_INVALID_TOKEN" {
				t.Errorf("got %v", err)
			}
			files, err := stack.FilesWith(server.Dir, secret)
			if err != nil || (len(files) > 0) != logged {
				t.Errorf("PostgREST %s, log_parameter_max_length = %s: the secret is in %q (%v)", p.version, setting, files, err)
			}
		}
	}
}
