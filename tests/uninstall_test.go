package tests

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/babelon/babelon/tests/stack"
)

// written returns the SQL of a document's code blocks that stand below a heading, up to the next one.
func written(t *testing.T, document, heading string) []string {
	t.Helper()
	content, err := os.ReadFile("../" + document)
	if err != nil {
		t.Fatal(err)
	}
	_, below, found := strings.Cut("\n"+string(content), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", document, heading)
	}
	level := strings.Repeat("#", strings.Index(heading, " "))
	below, _, _ = strings.Cut(below, "\n"+level+" ")
	var blocks []string
	for _, block := range strings.Split(below, "```sql\n")[1:] {
		sql, _, _ := strings.Cut(block, "```")
		blocks = append(blocks, sql)
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no SQL below %q", document, heading)
	}
	return blocks
}

// takeOut does what docs/uninstall.md says.
func takeOut(t *testing.T, url string) {
	t.Helper()
	for _, sql := range written(t, "docs/uninstall.md", "# Take it out") {
		apply(t, url, sql)
	}
}

func TestTaking_it_out_leaves_an_operators_own_hook_and_nothing_of_ours(t *testing.T) {
	startsOwnServers(t)
	s, err := stack.StartWith(t.Context(), stack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	const hook = `create or replace function public.their_hook() returns void language plpgsql as $$ begin
		perform set_config('response.headers', '[{"X-Theirs":"yes"}]', true);
		%s
	end $$;`
	chained := strings.Replace(hook, "%s", "perform babelon_private.authenticate_request();", 1)
	apply(t, s.DatabaseURL, chained+`
		alter role authenticator set pgrst.db_pre_request = 'public.their_hook';
		create table public.builds (tenant_id uuid default babelon.tenant_id() references babelon_private.own_organizations (id));
		alter table public.builds enable row level security;
		create policy builds_all on public.builds to babelon_token using (true);
		grant select on public.builds to anon, babelon_token;
		insert into public.builds values (null);
		notify pgrst, 'reload schema'; notify pgrst, 'reload config'`)
	read := func(headers caller) answer {
		return headers.with("apikey", s.PublishableKey).sendTo(t, s.URL+"/rest/v1", http.MethodGet, "builds", "public", nil)
	}
	eventually(t, "PostgREST calls the operator's hook", func() bool { return read(anonymous).header.Get("X-Theirs") == "yes" })
	read(caller{"X-Client-Id": "bbl_cid_0123456789abcdef"}).want(t, 401, "BBL_INVALID_TOKEN")

	steps := written(t, "docs/uninstall.md", "# Take it out")
	apply(t, s.DatabaseURL, steps[0])
	_, err = connect(t, s.DatabaseURL).Exec(t.Context(), steps[1], pgx.QueryExecModeSimpleProtocol)
	if err == nil || !strings.Contains(err.Error(), "their_hook") {
		t.Errorf("taking it out from under a hook that calls it: %v", err)
	}
	read(anonymous).want(t, 200, "")
	apply(t, s.DatabaseURL, strings.Replace(hook, "%s", "", 1))
	takeOut(t, s.DatabaseURL)

	for range 20 {
		if got := read(anonymous).want(t, 200, ""); got.header.Get("X-Theirs") != "yes" {
			t.Error("the operator's hook is gone")
		}
	}
	var left int
	err = connect(t, s.DatabaseURL).QueryRow(t.Context(), `select (select count(*) from pg_namespace where nspname like 'babelon%')
		+ (select count(*) from pg_roles where rolname = 'babelon_token') + (select count(*) from pg_replication_slots)
		+ (select count(*) from pg_publication) + (select count(*) from pg_policies where schemaname = 'public')`).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d things of ours are left (%v)", left, err)
	}
	migrate(t, s.DatabaseURL) // and in again
}
