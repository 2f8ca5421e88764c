package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/babelon/babelon/tests/stack"
)

// A project is moved as Supabase documents it: `supabase db dump` of roles, schema and data, psql into a new project;
// and then what docs/scale.md adds for Babelon.
func TestA_project_that_is_moved_from_PostgreSQL_15_to_a_later_one_keeps_its_pairs_and_its_rules(t *testing.T) {
	onContainers(t)
	organization := newOrganization(t)
	pairs := map[string]pair{}
	for _, role := range []string{"viewer", "member", "admin"} {
		pairs[role] = generate(t, organization, role)
		pairs[role].caller().get(t, "deployments").want(t, 200, "")
	}
	pairs["member"].caller().send(t, http.MethodPost, "deployments", "public", args{"service": "moved"}).want(t, 201, "")
	revoked := generate(t, organization, "admin")
	revoke(t, revoked)
	before := list(t, organization)
	rules := catalog(t, project.DatabaseURL)

	for _, version := range []int{17, 18} {
		t.Run(fmt.Sprint("PostgreSQL ", version), func(t *testing.T) {
			target, err := stack.StartWith(t.Context(), stack.Options{Provider: stack.Embedded{Version: version}, Bare: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { target.Stop() })
			// A dump comments on schema public, which is its database's owner's to do.
			apply(t, target.SuperuserDatabaseURL, "alter database postgres owner to postgres")
			move(t, project.DatabaseURL, target.DatabaseURL)
			apply(t, target.DatabaseURL, "grant babelon_token to authenticator; grant anon to babelon_token")
			apply(t, target.DatabaseURL, "select babelon_private.enable_usage_journal()")
			apply(t, target.DatabaseURL, "notify pgrst, 'reload config'; notify pgrst, 'reload schema'")

			there := func(c caller, method, path, schema string, body any) answer {
				t.Helper()
				if c["apikey"] == "" {
					c = c.with("apikey", target.PublishableKey)
				}
				return c.sendTo(t, target.URL+"/rest/v1", method, path, schema, body)
			}
			half := caller{"X-Client-Id": revoked.ClientID}
			eventually(t, "PostgREST goes by the restored hook and schema", func() bool {
				return there(half, http.MethodGet, "deployments", "public", nil).code() == "BBL_INVALID_TOKEN" &&
					there(half, http.MethodPost, "rpc/whoami", "babelon", args{}).code() == "BBL_INVALID_TOKEN"
			})

			for role, pair := range pairs {
				var me struct {
					Kind, Role     string
					OrganizationID string `json:"organization_id"`
				}
				there(pair.caller(), http.MethodPost, "rpc/whoami", "babelon", args{}).into(t, &me)
				if me.Kind != "token" || me.Role != role || me.OrganizationID != organization {
					t.Errorf("the %s's token is %+v", role, me)
				}
				var rows []struct{ Service string }
				there(pair.caller(), http.MethodGet, "deployments", "public", nil).into(t, &rows)
				if len(rows) != 1 || rows[0].Service != "moved" {
					t.Errorf("the %s's token sees %v", role, rows)
				}
				wrong := pair
				wrong.APIToken = replaceLast(pair.APIToken)
				there(wrong.caller(), http.MethodGet, "deployments", "public", nil).want(t, 401, "BBL_INVALID_TOKEN")
			}
			there(pairs["viewer"].caller(), http.MethodGet, "announcements", "public", nil).want(t, 200, "") // which anon alone is granted
			there(pairs["viewer"].caller(), http.MethodPost, "deployments", "public", args{"service": "x"}).want(t, 405, "25006")
			there(revoked.caller(), http.MethodGet, "deployments", "public", nil).want(t, 401, "BBL_TOKEN_REVOKED")
			_, err = connect(t, target.DatabaseURL).Exec(t.Context(), "update babelon_private.api_tokens set revoked_at = null where client_id = $1", revoked.ClientID)
			wantSQLState(t, "taking a revocation back", err, "23001")

			var after []token
			there(caller{"apikey": target.SecretKey}, http.MethodPost, "rpc/list_api_tokens", "babelon", args{"organization_id": organization}).into(t, &after)
			for _, row := range after {
				more := int64(2)
				switch row.ClientID {
				case pairs["viewer"].ClientID:
					more = 4
				case revoked.ClientID:
					more = 0
				}
				if row.Uses != before[row.ClientID].Uses+more {
					t.Errorf("%s had %d uses, %d since, and is listed with %d", row.Role, before[row.ClientID].Uses, more, row.Uses)
				}
			}
			if len(after) != len(before) {
				t.Errorf("of %d tokens %d are there", len(before), len(after))
			}
			wantGrants(t, target.DatabaseURL)
			moved := catalog(t, target.DatabaseURL)
			for _, rule := range append(difference(rules, moved), difference(moved, rules)...) {
				t.Errorf("only on one side: %s", rule)
			}
		})
	}
}

// move dumps a project and restores it into a new one. The Supabase CLI runs these scripts in a container of its own, or
// prints them.
func move(t *testing.T, from, to string) {
	t.Helper()
	var script strings.Builder
	script.WriteString("set -e\ncd \"$(mktemp -d)\"\n")
	for file, arguments := range map[string][]string{
		"roles.sql": {"--role-only"}, "schema.sql": nil, "data.sql": {"--data-only", "--use-copy"},
	} {
		printed := npmTool(t, "@supabase/cli-linux-x64/bin/supabase",
			append([]string{"db", "dump", "--dry-run", "--workdir", t.TempDir(), "--remote=" + from}, arguments...)...)
		_, dump, found := strings.Cut(printed, "#!")
		if !found {
			t.Fatalf("no script in %s", printed)
		}
		fmt.Fprintf(&script, "(\n#!%s\n) > %s\n", dump, file)
	}
	fmt.Fprintf(&script, `psql --quiet --single-transaction --variable ON_ERROR_STOP=1 --file roles.sql --file schema.sql \
		--command 'set session_replication_role = replica' --file data.sql --dbname '%s'`, to)
	if out, err := docker.Shell(t.Context(), script.String()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// catalog returns what holds the rules beside the grants: policies, functions, views, constraints and triggers.
func catalog(t *testing.T, url string) []string {
	t.Helper()
	rows, _ := connect(t, url).Query(t.Context(), `
		with ours as (select oid from pg_namespace where nspname in ('babelon', 'babelon_private', 'public'))
		select format('policy %s.%s on %s: %s %s using %s check %s', schemaname, policyname, tablename, cmd, roles, qual, with_check)
		  from pg_policies where schemaname in ('babelon', 'babelon_private', 'public')
		union all
		select format('table or view %s: %s %s, security %s', oid::regclass, relkind, reloptions, relrowsecurity)
		  from pg_class where relnamespace in (select oid from ours) and relkind in ('r', 'v')
		union all
		select format('function %s: %s %s %s %s', oid::regprocedure, prosecdef, provolatile, proconfig, pg_get_functiondef(oid))
		  from pg_proc where pronamespace in (select oid from ours) and prokind = 'f'
		union all
		select format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
		  from pg_constraint where connamespace in (select oid from ours) and contype <> 'n'
		union all
		select format('trigger %s', pg_get_triggerdef(oid))
		  from pg_trigger where tgrelid::regclass::text like 'babelon%' and not tgisinternal`)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
