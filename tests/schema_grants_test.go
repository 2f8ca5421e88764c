package tests

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/babelon/babelon/tests/stack"
)

// The whole surface, as a reviewer reads it. A grant, table or function that is not in the list fails, as
// does a line in the list that is no longer so.
func TestThe_catalog_grants_exactly_what_is_written_down(t *testing.T) {
	wantGrants(t, project.DatabaseURL)
}

func TestWhat_an_operator_grants_on_everything_opens_nothing_of_ours(t *testing.T) {
	url, err := project.NewDatabase(t.Context(), "generous")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"schemas", "tables", "sequences", "functions"} {
		apply(t, url, "alter default privileges grant all on "+kind+" to public, anon, authenticated, service_role, babelon_token")
	}
	migrate(t, url)
	wantGrants(t, url)
}

func TestA_role_of_the_tokens_name_that_may_do_more_is_refused(t *testing.T) {
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
	sql, err := migration()
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{
		"create role babelon_token noinherit login",
		"alter role babelon_token nologin inherit",
		"alter role babelon_token noinherit createdb",
		"alter role babelon_token nocreatedb; grant anon to babelon_token",
	} {
		apply(t, url, more)
		_, err := connect(t, url).Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		wantSQLState(t, more, err, "P0001")
	}
	apply(t, url, "revoke anon from babelon_token")
	migrate(t, url)
}

func wantGrants(t *testing.T, url string) {
	t.Helper()
	want, err := os.ReadFile("testdata/grants.txt")
	if err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for line := range strings.Lines(string(want)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			wanted = append(wanted, line)
		}
	}
	rows, _ := connect(t, url).Query(t.Context(), `
		with grants as (
		  select 'schema ' || nspname as object, nspacl as acl, nspowner as owner
		    from pg_namespace where nspname in ('babelon', 'babelon_private')
		  union all
		  select 'function ' || oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)), proowner
		    from pg_proc where pronamespace::regnamespace::text in ('babelon', 'babelon_private')
		  union all
		  select case relkind when 'v' then 'view ' when 'S' then 'sequence ' else 'table ' end || oid::regclass::text,
		         coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)), relowner
		    from pg_class where relnamespace::regnamespace::text in ('babelon', 'babelon_private') and relkind in ('r', 'v', 'm', 'p', 'f', 'S')
		  union all
		  select 'column ' || attrelid::regclass::text || '.' || attname, attacl, relowner
		    from pg_attribute join pg_class on pg_class.oid = attrelid
		   where relnamespace::regnamespace::text in ('babelon', 'babelon_private') and attacl is not null
		)
		select object || ': ' || coalesce(string_agg(
		         case grantee when 0 then 'PUBLIC' else grantee::regrole::text end || ' ' || lower(privilege_type),
		         ', ' order by case grantee when 0 then 'PUBLIC' else grantee::regrole::text end, privilege_type)
		         filter (where grantee <> owner), 'nobody')
		  from grants left join lateral aclexplode(acl) on true
		 group by object
		 order by object collate "C"`)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	missing, extra := difference(wanted, got), difference(got, wanted)
	if len(missing)+len(extra) > 0 {
		t.Errorf("written down but not so:\n%s\nso but not written down:\n%s", strings.Join(missing, "\n"), strings.Join(extra, "\n"))
	}
}
