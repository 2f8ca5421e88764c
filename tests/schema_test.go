package tests

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/babelon/babelon/tests/stack"
)

func TestThe_migration_installs_with_supabase_db_push_and_leaves_the_schema_that_sql_describes(t *testing.T) {
	pushed, err := project.NewDatabase(t.Context(), "pushed")
	if err != nil {
		t.Fatal(err)
	}
	operator := t.TempDir() // the CLI keeps files of its own in the project's folder
	if err := os.CopyFS(filepath.Join(operator, "supabase"), os.DirFS("../supabase")); err != nil {
		t.Fatal(err)
	}
	push := func() string {
		return npmTool(t, "@supabase/cli-linux-x64/bin/supabase", "db", "push", "--yes", "--workdir", operator, "--remote="+pushed)
	}
	if out := push(); !strings.Contains(out, "Applying migration") {
		t.Errorf("the first push applied nothing:\n%s", out)
	}
	if out := push(); !strings.Contains(out, "up to date") {
		t.Errorf("the second push was not idle:\n%s", out)
	}

	applied, err := project.NewDatabase(t.Context(), "applied")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../sql/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in sql/: %v", err)
	}
	tx, err := connect(t, applied).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		sql, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), string(sql)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}

	diff := func() string {
		return npmTool(t, ".bin/pgdelta", "diff", "--source", applied, "--desired", pushed)
	}
	// What the CLI keeps of its own in every database.
	if _, err := connect(t, pushed).Exec(t.Context(), "drop schema supabase_migrations cascade"); err != nil {
		t.Fatal(err)
	}
	const none = "No differences found."
	if out := diff(); !strings.Contains(out, none) {
		t.Errorf("sql/ and supabase/migrations/ disagree; run `make migration`:\n%s", out)
	}

	// The comparison notices what a review would miss.
	_, err = connect(t, pushed).Exec(t.Context(), `
		grant execute on function babelon_private.random_hex to anon;
		grant select (secret_hash) on babelon_private.api_tokens to authenticated;
		alter view babelon.members set (security_invoker = false);
		comment on function babelon.has_role is 'changed';
		alter function babelon.whoami security definer`)
	if err != nil {
		t.Fatal(err)
	}
	noticed := diff()
	if strings.Contains(noticed, none) {
		t.Errorf("the comparison says so whatever there is:\n%s", noticed)
	}
	for _, change := range []string{"random_hex(integer)).anon", "api_tokens).authenticated.secret_hash", "view:babelon.members", "has_role", "whoami"} {
		if !strings.Contains(noticed, change) {
			t.Errorf("unnoticed: %s in\n%s", change, noticed)
		}
	}
}

func TestSquawk_finds_nothing_in_the_migration(t *testing.T) {
	files, err := filepath.Glob("../supabase/migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migration: %v", err)
	}
	npmTool(t, "@squawk-cli/linux-x64/bin/squawk", append([]string{"--config", "../.squawk.toml"}, files...)...)
}

// plpgsql_check, by `supabase db lint`. Of Debian's PostgreSQL, which has that extension.
func TestThe_functions_type_check(t *testing.T) {
	url := installed(t, 15)
	apply(t, asSuperuser(url), "create extension plpgsql_check")
	apply(t, url, `create function babelon_private.planted() returns int language plpgsql as $$ begin return (select nothing from babelon.members); end $$`)

	var found []string
	for _, f := range supabase[struct {
		Function string
		Issues   []struct{ Message string }
	}](t, url, "lint", "--schema=babelon,babelon_private", "--level=warning") {
		for _, issue := range f.Issues {
			found = append(found, f.Function+": "+issue.Message)
		}
	}
	want(t, found, map[string]string{
		`babelon_private.planted: column "nothing" does not exist`:                                                                 "planted above",
		`babelon_private.enable_usage_journal: schema "cron" does not exist`:                                                       "runs only where pg_cron is installed",
		`babelon_private.disable_usage_journal: relation "cron.job" does not exist`:                                                "runs only where pg_cron is installed",
		`babelon_private.flush_usage_journal: function pg_logical_emit_message(boolean, unknown, unknown, boolean) does not exist`: "runs only on PostgreSQL 17 and later",
		`babelon_private.verify_request: never read variable "setting"`:                                                            "assigned and not performed, to start no query",
		`babelon_private.verify_request: never read variable "recorded"`:                                                           "assigned and not performed, to start no query",
	})
}

// Splinter, by `supabase db advisors`. What it says of exposed schemas it says of those in supabase/config.toml.
func TestThe_advisors_of_Supabase_have_no_advice(t *testing.T) {
	url, err := project.NewDatabase(t.Context(), "advised")
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, url)
	apply(t, url, `create view babelon.planted as select client_id from babelon_private.api_tokens; grant select on babelon.planted to anon`)

	var found []string
	for _, f := range supabase[struct{ Name, Detail string }](t, url, "advisors", "--level=info") {
		if f.Name != "unused_index" { // a new database has used none
			found = append(found, f.Name+": "+f.Detail)
		}
	}
	const granted = "granted to nobody: definer functions alone read and write it"
	want(t, found, map[string]string{
		"security_definer_view: View `babelon.planted` is defined with the SECURITY DEFINER property":          "planted above",
		"rls_enabled_no_policy: Table `babelon_private.api_tokens` has RLS enabled, but no policies exist":     granted,
		"rls_enabled_no_policy: Table `babelon_private.api_token_uses` has RLS enabled, but no policies exist": granted,
		"rls_enabled_no_policy: Table `babelon_private.usage_journal` has RLS enabled, but no policies exist":  granted,
	})
}

// supabase returns the findings of a `supabase db` command.
func supabase[finding any](t *testing.T, url, command string, flags ...string) []finding {
	t.Helper()
	operator := t.TempDir()
	if err := os.CopyFS(filepath.Join(operator, "supabase"), os.DirFS("../supabase")); err != nil {
		t.Fatal(err)
	}
	out := npmTool(t, "@supabase/cli-linux-x64/bin/supabase", append([]string{"db", command, "--workdir", operator, "--remote=" + url}, flags...)...)
	_, list, _ := strings.Cut(out, "[\n") // it says what it does first
	var found []finding
	if err := json.NewDecoder(strings.NewReader("[" + list)).Decode(&found); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return found
}

// want fails the test unless what was found is exactly what there is a reason for.
func want(t *testing.T, found []string, reasons map[string]string) {
	t.Helper()
	expected := slices.Collect(maps.Keys(reasons))
	if more := difference(found, expected); len(more) > 0 {
		t.Errorf("found:\n%s", strings.Join(more, "\n"))
	}
	if less := difference(expected, found); len(less) > 0 {
		t.Errorf("not found:\n%s", strings.Join(less, "\n"))
	}
}

// npmTool runs a tool that the stack's package.json pins, and returns what it printed.
func npmTool(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "stack/node_modules/"+name, arguments...)
	command.Env = append(os.Environ(), "DO_NOT_TRACK=1", "HOME="+t.TempDir())
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, arguments, err, out)
	}
	return string(out)
}

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

func difference(a, b []string) []string {
	in := map[string]bool{}
	for _, line := range b {
		in[line] = true
	}
	var only []string
	for _, line := range a {
		if !in[line] {
			only = append(only, line)
		}
	}
	return only
}

func TestThe_catalog_keeps_the_rules_of_every_table_view_and_function(t *testing.T) {
	const ours = "in ('babelon', 'babelon_private')"
	for rule, is := range map[string]struct{ query, breach string }{ // the breach is what the query must find, when it is there
		"a table has row-level security": {
			`select oid::regclass::text from pg_class where relkind in ('r', 'p') and not relrowsecurity and relnamespace::regnamespace::text ` + ours,
			`create table babelon_private.breach ()`},
		"an exposed view runs as its caller": {
			`select oid::regclass::text from pg_class where relkind = 'v' and relnamespace = 'babelon'::regnamespace and not coalesce(reloptions::text[] @> '{security_invoker=true}', false)`,
			`create view babelon.breach as select`},
		"a function that is parsed when it runs sets its search_path to the catalog": {
			`select oid::regprocedure::text from pg_proc where pronamespace::regnamespace::text ` + ours + ` and prosqlbody is null and not coalesce(proconfig @> '{"search_path=pg_catalog, pg_temp"}', false)`,
			`create function babelon_private.breach() returns int language sql as 'select 1'`},
		"an exposed function runs as its caller": {
			`select oid::regprocedure::text from pg_proc where pronamespace = 'babelon'::regnamespace and prosecdef`,
			`create function babelon.breach() returns int security definer return 1`},
		"an exposed function has a comment": {
			`select oid::regprocedure::text from pg_proc where pronamespace = 'babelon'::regnamespace and obj_description(oid, 'pg_proc') is null`,
			`create function babelon.breach() returns int return 1`},
		"an exposed view has a comment": {
			`select oid::regclass::text from pg_class where relnamespace = 'babelon'::regnamespace and relkind = 'v' and obj_description(oid, 'pg_class') is null`,
			`create view babelon.breach as select`},
		"an exposed type has a comment": { // of its own: not an array's, nor a view's row
			`select oid::regtype::text from pg_type where typnamespace = 'babelon'::regnamespace and typelem = 0 and typrelid not in (select oid from pg_class where relkind = 'v') and obj_description(oid, 'pg_type') is null`,
			`create domain babelon.breach as text`},
		"a policy names its roles and its command": {
			`select policyname from pg_policies where schemaname ` + ours + ` and (roles @> '{public}' or cmd = 'ALL')`,
			`create policy breach on babelon_private.organizations to anon using (id in (select babelon.tenant_ids()))`},
		"a policy compares with the caller's organizations, asked for once a query": {
			`select policyname from pg_policies where schemaname ` + ours + ` and concat(qual, with_check) !~ '^(\(\w+ IN \( SELECT babelon\.tenant_ids\([^()]*\) AS tenant_ids\)\))+$'`,
			`create policy breach on babelon_private.organizations for select to anon using (babelon.has_role(id, 'viewer'))`},
		"a foreign key has an index and says what deletes do": {
			`select conname from pg_constraint c where contype = 'f' and connamespace::regnamespace::text ` + ours + ` and (confdeltype = 'a' or not exists (select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]))`,
			`create table babelon_private.b (id uuid constraint breach references babelon_private.organizations on delete cascade)`},
		"no table is in the exposed schema": {
			`select oid::regclass::text from pg_class where relnamespace = 'babelon'::regnamespace and relkind in ('r', 'p', 'f', 'm')`,
			`create table babelon.breach ()`},
		"everything belongs to postgres, no superuser": {
			`select name from (
			   select oid::regclass::text as name, relowner as owner from pg_class where relnamespace::regnamespace::text ` + ours + `
			   union all select oid::regprocedure::text, proowner from pg_proc where pronamespace::regnamespace::text ` + ours + `
			   union all select oid::regtype::text, typowner from pg_type where typnamespace::regnamespace::text ` + ours + `
			   union all select nspname, nspowner from pg_namespace where nspname ` + ours + `
			   union all select pubname, pubowner from pg_publication
			 ) o join pg_roles r on r.oid = owner where rolname <> 'postgres' or rolsuper`,
			`create domain babelon.breach as text; alter domain babelon.breach owner to supabase_admin`},
	} {
		t.Run(rule, func(t *testing.T) {
			tx, err := connect(t, project.SuperuserDatabaseURL).Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(context.Background())
			against := func() []string {
				t.Helper()
				rows, _ := tx.Query(t.Context(), is.query)
				found, err := pgx.CollectRows(rows, pgx.RowTo[string])
				if err != nil {
					t.Fatal(err)
				}
				return found
			}
			if found := against(); len(found) > 0 {
				t.Errorf("not so: %s", strings.Join(found, ", "))
			}
			if _, err := tx.Exec(t.Context(), is.breach); err != nil {
				t.Fatal(err)
			}
			if found := strings.Join(against(), ", "); !strings.Contains(found, "breach") {
				t.Errorf("a breach goes unseen: found %q", found)
			}
		})
	}
}

func TestThe_install_never_overwrites_another_pre_request_hook(t *testing.T) {
	ctx := t.Context()
	url, err := project.NewDatabase(ctx, "hooked")
	if err != nil {
		t.Fatal(err)
	}
	var warnings []string
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { warnings = append(warnings, n.Message+" "+n.Hint) }
	db, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())

	// Only this database's setting, so that the project under test keeps its hook.
	tx, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "alter role authenticator in database hooked set pgrst.db_pre_request = 'public.theirs'"); err != nil {
		t.Fatal(err)
	}
	sql, err := migration()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
	said := strings.Join(warnings, "\n")
	if !strings.Contains(said, "public.theirs") || !strings.Contains(said, "authenticate_request") {
		t.Errorf("the install did not say how to chain the hook: %q", said)
	}
	var setting string
	err = tx.QueryRow(ctx, "select setconfig::text from pg_db_role_setting where setdatabase = (select oid from pg_database where datname = 'hooked')").Scan(&setting)
	if err != nil || !strings.Contains(setting, "public.theirs") {
		t.Errorf("the hook is now %s (%v)", setting, err)
	}
}

func migration() (string, error) {
	files, err := filepath.Glob("../supabase/migrations/*.sql")
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for _, file := range files {
		sql, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		all.Write(sql)
	}
	return all.String(), nil
}

// migrate applies the migration as `supabase db push` does.
func migrate(t *testing.T, url string) {
	t.Helper()
	sql, err := migration()
	if err != nil {
		t.Fatal(err)
	}
	apply(t, url, sql)
}

// apply runs statements in one transaction, which several statements in one simple query are.
func apply(t *testing.T, url, sql string) {
	t.Helper()
	if _, err := connect(t, url).Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

func asSuperuser(url string) string {
	return strings.Replace(url, "//postgres:", "//supabase_admin:", 1)
}
