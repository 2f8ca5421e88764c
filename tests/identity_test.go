package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Who a request is, where its JWT says something that Auth never does. (A `sub` that is no string PostgREST itself refuses.)

// The functions and views of the API, each asked in a way that a person in no organization may.
var everything = []struct {
	method, schema, path string
	body                 any
}{
	{"POST", "babelon", "rpc/whoami", args{}},
	{"POST", "babelon", "rpc/create_organization", args{"name": "x"}},
	{"POST", "babelon", "rpc/rename_organization", args{"name": "x"}},
	{"POST", "babelon", "rpc/delete_organization", args{"organization_id": "00000000-0000-4000-8000-000000000000"}},
	{"POST", "babelon", "rpc/set_member", args{"email": "nobody@example.com", "role": "viewer"}},
	{"POST", "babelon", "rpc/remove_member", args{"email": "nobody@example.com"}},
	{"POST", "babelon", "rpc/generate_api_token", args{"name": "x"}},
	{"POST", "babelon", "rpc/list_api_tokens", args{}},
	{"POST", "babelon", "rpc/revoke_api_token", args{"client_id": "bbl_cid_0123456789abcdef"}},
	{"GET", "babelon", "rpc/whoami", nil},
	{"GET", "babelon", "rpc/list_api_tokens", nil},
	{"GET", "babelon", "rpc/tenant_id", nil},
	{"GET", "babelon", "rpc/tenant_ids", nil},
	{"GET", "babelon", "organizations", nil},
	{"GET", "babelon", "members", nil},
	{"GET", "public", "deployments", nil},
	{"POST", "public", "deployments", args{"service": "x"}},
	{"GET", "public", "rpc/request_headers", nil},
	{"POST", "public", "rpc/request_headers", args{}},
	{"GET", "public", "announcements", nil},
}

func anHour(claims jwt.MapClaims) jwt.MapClaims {
	claims["exp"] = time.Now().Add(time.Hour).Unix()
	return claims
}

func TestA_pair_beside_a_JWT_that_names_a_person_is_refused_whatever_its_role(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "admin")
	for name, claims := range map[string]jwt.MapClaims{
		"no role":            {"sub": people["owner"].ID},
		"role anon":          {"sub": people["owner"].ID, "role": "anon"},
		"role authenticated": {"sub": people["owner"].ID, "role": "authenticated"},
		"role service_role":  {"sub": people["owner"].ID, "role": "service_role"},
		"no person":          {"role": "authenticated"},
		"the service":        {"role": "service_role"},
		"no UUID":            {"sub": "nobody"},
		"no UUID, role anon": {"sub": "nobody", "role": "anon"},
		"nothing, role anon": {"sub": "", "role": "anon"},
	} {
		t.Run(name, func(t *testing.T) {
			both := bearing(t, anHour(claims)).with("X-Client-Id", token.ClientID).with("X-Api-Token", token.APIToken)
			for _, request := range everything {
				both.send(t, request.method, request.path, request.schema, request.body).want(t, 400, "BBL_AMBIGUOUS_CREDENTIALS")
			}
		})
	}
	if tokens := list(t, organization); len(tokens) != 1 || tokens[token.ClientID].RevokedAt != nil {
		t.Errorf("the tokens are %v", tokens)
	}
}

func TestWhat_a_token_or_the_service_does_is_no_persons(t *testing.T) {
	organization := newOrganization(t)
	admin := generate(t, organization, "admin")
	// As old API keys are, with the claims of somebody beside: no pair is there, so that is the service.
	posing := bearing(t, anHour(jwt.MapClaims{"role": "service_role", "sub": people["owner"].ID}))
	for name, who := range map[string]caller{
		"a token": admin.caller(), "the service": service(), "the service, with a person's sub": posing,
		"a token beside a JWT of nobody": admin.caller().with("Authorization", bearing(t, anHour(jwt.MapClaims{"role": "anon"}))["Authorization"]),
	} {
		var made pair
		who.rpc(t, "generate_api_token", args{"name": name, "organization_id": organization}).into(t, &made)
		who.rpc(t, "revoke_api_token", args{"client_id": made.ClientID}).want(t, 200, "")
		var trail bool
		err := connect(t, project.DatabaseURL).QueryRow(t.Context(),
			"select created_by is null and revoked_by is null from babelon_private.api_tokens where client_id = $1 and revoked_at is not null", made.ClientID).Scan(&trail)
		if err != nil || !trail {
			t.Errorf("what %s did is recorded as a person's (%v)", name, err)
		}
	}
}

func TestA_JWT_whose_person_is_no_UUID_is_nobodys(t *testing.T) {
	for name, sub := range map[string]any{
		"a name": "nobody", "empty": "", "in braces": "{" + people["owner"].ID + "}",
		"with a line more": people["owner"].ID + "\n", "without hyphens": strings.ReplaceAll(people["owner"].ID, "-", ""), "missing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			nobody := bearing(t, anHour(jwt.MapClaims{"role": "authenticated", "sub": sub}))
			for _, request := range everything {
				got := nobody.send(t, request.method, request.path, request.schema, request.body)
				switch {
				case request.schema == "babelon" && strings.HasPrefix(request.path, "rpc/") && !strings.Contains(request.path, "tenant_id"):
					got.want(t, 401, "BBL_UNAUTHENTICATED")
				case got.status == 200 && request.schema == "babelon": // it is in no organization
					if body := string(got.body); body != "[]" && body != "null" {
						t.Errorf("%s: got %s", request.path, body)
					}
				case got.code() == "22P02" || got.status >= 500:
					t.Errorf("%s %s: got %d %s", request.method, request.path, got.status, got.body)
				}
			}
		})
	}
}

func TestA_JWT_of_the_role_babelon_token_is_refused_everywhere(t *testing.T) {
	token := generate(t, newOrganization(t), "admin")
	for name, headers := range map[string]caller{
		"no pair": {}, "half a pair": {"X-Client-Id": token.ClientID}, "the other half": {"X-Api-Token": token.APIToken},
		"a wrong pair": {"X-Client-Id": token.ClientID, "X-Api-Token": replaceLast(token.APIToken)}, "the right pair": token.caller(),
	} {
		for person, claims := range map[string]jwt.MapClaims{
			"": {"role": "babelon_token"}, ", with a person": {"role": "babelon_token", "sub": people["owner"].ID},
		} {
			t.Run(name+person, func(t *testing.T) {
				posing := headers.with("Authorization", bearing(t, anHour(claims))["Authorization"])
				for _, request := range everything {
					got := posing.send(t, request.method, request.path, request.schema, request.body).want(t, http.StatusUnauthorized, "BBL_UNAUTHENTICATED")
					if strings.Contains(string(got.body), token.APIToken) {
						t.Error("the secret is in the answer")
					}
				}
			})
		}
	}
	for _, role := range []string{"postgres", "supabase_admin", "authenticator", "babelon", "none", "anon; set role postgres", ""} {
		got := bearing(t, anHour(jwt.MapClaims{"role": role})).rpc(t, "list_api_tokens", args{})
		if got.status/100 != 4 {
			t.Errorf("a JWT of the role %q is answered %d %s", role, got.status, got.body)
		}
	}
}

// Whoever gets a statement of their own to run, through a function of an operator's, can make temporary objects.
func TestTemporary_objects_of_the_callers_shadow_nothing(t *testing.T) {
	organization := newOrganization(t)
	victim := generate(t, organization, "admin")
	db := connect(t, project.SuperuserDatabaseURL)
	for name, become := range map[string]string{
		"a person": fmt.Sprintf(`select set_config('request.jwt.claims', '{"role": "authenticated", "sub": "%s"}', true), set_config('role', 'authenticated', true)`, people["outsider"].ID),
		"nobody":   `select set_config('role', 'anon', true)`,
	} {
		tx, err := db.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		for _, statement := range []string{
			become,
			"create temp table memberships (organization_id uuid, user_id uuid, role babelon.member_role)",
			fmt.Sprintf("insert into memberships values ('%s', '%s', 'owner')", organization, people["outsider"].ID),
			"create temp table organizations as select * from memberships",
			"create temp table api_token_states as select * from memberships",
			"create temp table users as select user_id as id from memberships",
			"create function pg_temp.current_setting(text) returns text language sql as $$ select 'service_role' $$",
			"create function pg_temp.current_setting(text, boolean) returns text language sql as $$ select 'service_role' $$",
			"create function pg_temp.sha256(bytea) returns bytea language sql as $$ select null::bytea $$",
			"create function pg_temp.strpos(text, text) returns int language sql as $$ select 0 $$",
			"create function pg_temp.always(babelon.member_role, babelon.member_role) returns boolean language sql as $$ select true $$",
			"create operator pg_temp.>= (function = pg_temp.always, leftarg = babelon.member_role, rightarg = babelon.member_role)",
			"create function pg_temp.same(uuid, uuid) returns boolean language sql as $$ select true $$",
			"create operator pg_temp.= (function = pg_temp.same, leftarg = uuid, rightarg = uuid)",
			"create type pg_temp.member_role as enum ('owner', 'viewer')",
			"set local search_path = pg_temp, babelon, babelon_private, public",
			"savepoint ready",
		} {
			if _, err := tx.Exec(t.Context(), statement); err != nil {
				t.Fatalf("%s: %s: %v", name, statement, err)
			}
		}
		for _, attempt := range []string{
			fmt.Sprintf("select babelon.list_api_tokens('%s')", organization),
			fmt.Sprintf("select babelon.generate_api_token('x', '%s')", organization),
			fmt.Sprintf("select babelon.revoke_api_token('%s')", victim.ClientID),
			fmt.Sprintf("select babelon.delete_organization('%s')", organization),
			fmt.Sprintf("select babelon.set_member(user_id => '%s', role => 'owner', organization_id => '%s')", people["outsider"].ID, organization),
		} {
			_, err := tx.Exec(t.Context(), attempt)
			if code := refusal(err); code != "BBL_NOT_FOUND" && code != "BBL_UNAUTHENTICATED" {
				t.Errorf("%s, %s: got %v", name, attempt, err)
			}
			if _, err := tx.Exec(t.Context(), "rollback to ready"); err != nil {
				t.Fatal(err)
			}
		}
		var seen int
		err = tx.QueryRow(t.Context(), "select count(*) from babelon.tenant_ids() as id where id = $1::text::uuid", organization).Scan(&seen)
		if err != nil || seen != 0 {
			t.Errorf("%s: sees %d of another organization (%v)", name, seen, err)
		}
		tx.Rollback(t.Context())
	}
}
