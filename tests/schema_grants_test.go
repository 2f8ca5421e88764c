package tests

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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
		"create role babelon_token login",
		"alter role babelon_token nologin createdb",
		"alter role babelon_token nocreatedb; grant authenticated to babelon_token",
		"revoke authenticated from babelon_token; grant anon to babelon_token with admin option",
	} {
		apply(t, url, more)
		_, err := connect(t, url).Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		wantSQLState(t, more, err, "P0001")
		wantHint(t, err, "alter role babelon_token rename to former_babelon_token")
	}
	apply(t, url, "alter role babelon_token rename to former_babelon_token") // as the hint says
	migrate(t, url)
}

func wantHint(t *testing.T, err error, hint string) {
	t.Helper()
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || !strings.Contains(pgErr.Hint, hint) {
		t.Errorf("got %v with the hint %q, want %q", err, pgErr.Hint, hint)
	}
}

// A role of the name that somebody else made and that may do nothing: it is used, once its maker has granted it.
func TestA_harmless_role_of_the_tokens_name_is_used_once_who_may_has_granted_it(t *testing.T) {
	startsOwnServers(t)
	sql, err := migration()
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []int{15, 17} {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			if version == 15 {
				need(t, "/usr/lib/postgresql/15/bin/postgres", "postgresql-15")
			}
			server, err := stack.StartPostgres(t.Context(), version)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Stop() })
			url, err := server.NewDatabase(t.Context(), "project")
			if err != nil {
				t.Fatal(err)
			}
			apply(t, asSuperuser(url), "create role babelon_token nologin noinherit")
			if version >= 16 { // before, CREATEROLE is enough
				_, err = connect(t, url).Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
				wantSQLState(t, "installing beside a superuser's role", err, "42501")
				wantHint(t, err, "Let a superuser run: grant babelon_token to authenticator.")
				apply(t, asSuperuser(url), "grant babelon_token to authenticator")
			}
			migrate(t, url)
			var inherits bool
			if err := connect(t, url).QueryRow(t.Context(), "select pg_has_role('babelon_token', 'anon', 'usage')").Scan(&inherits); err != nil || !inherits {
				t.Errorf("it does not inherit anon (%v)", err)
			}
		})
	}
}

func TestWho_cannot_install_is_told_who_can_and_leaves_nothing(t *testing.T) {
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
	apply(t, asSuperuser(url), "create role somebody login createrole password '"+server.Password+"'; grant all on schema auth, public to somebody; grant all on all tables in schema auth to somebody")
	as := func(role string) string { return strings.Replace(url, "//postgres:", "//"+role+":", 1) }
	for _, more := range []string{
		"grant create on database project to somebody",
		"alter role somebody bypassrls replication",
		"grant anon to somebody with admin option",
	} {
		_, err := connect(t, as("somebody")).Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		wantSQLState(t, "before "+more, err, "42501")
		wantHint(t, err, "Run the migration as postgres.")
		apply(t, asSuperuser(url), more)
	}
	_, err = connect(t, as("somebody")).Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	wantSQLState(t, "without the right to set the hook", err, "42501")
	wantHint(t, err, "Run the migration as postgres.")

	// Another role than postgres that has what it takes: install, take out as the page says, and install as postgres.
	apply(t, asSuperuser(url), `grant authenticator to somebody with admin option; grant set on parameter "pgrst.db_pre_request" to somebody`)
	migrate(t, as("somebody"))
	takeOut(t, as("somebody"))
	migrate(t, url)
	takeOut(t, url)
	migrate(t, as("somebody"))
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
