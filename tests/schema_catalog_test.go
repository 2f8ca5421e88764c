package tests

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

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
			`create policy breach on babelon_private.own_organizations to anon using (id = any (array(select babelon.tenant_ids())))`},
		"a policy compares with the caller's organizations, asked for once a query": {
			`select policyname from pg_policies where schemaname ` + ours + ` and concat(qual, with_check) !~ '^(\(\w+ = ANY \(ARRAY\( SELECT babelon\.tenant_ids\([^()]*\) AS tenant_ids\)\)\))+$'`,
			`create policy breach on babelon_private.own_organizations for select to anon using (id in (select babelon.tenant_ids()))`},
		"a foreign key has an index and says what deletes do": {
			`select conname from pg_constraint c where contype = 'f' and connamespace::regnamespace::text ` + ours + ` and (confdeltype = 'a' or not exists (select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]))`,
			`create table babelon_private.b (id uuid constraint breach references babelon_private.own_organizations on delete cascade)`},
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
