package tests

import (
	"path/filepath"
	"testing"
)

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
		`babelon_private.verify_request: never read variable "recorded"`:                                                           "assigned and not performed, to start no query",
		`babelon_private.verify_request: never read variable "setting"`:                                                            "assigned and not performed, to start no query",
		`babelon_private.authenticate_request: never read variable "setting"`:                                                      "assigned and not performed, to start no query",
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
		"security_definer_view: View `babelon.planted` is defined with the SECURITY DEFINER property":             "planted above",
		"rls_enabled_no_policy: Table `babelon_private.api_tokens` has RLS enabled, but no policies exist":        granted,
		"rls_enabled_no_policy: Table `babelon_private.api_token_uses` has RLS enabled, but no policies exist":    granted,
		"rls_enabled_no_policy: Table `babelon_private.own_organizations` has RLS enabled, but no policies exist": granted,
		"rls_enabled_no_policy: Table `babelon_private.own_memberships` has RLS enabled, but no policies exist":   granted,
		"rls_enabled_no_policy: Table `babelon_private.usage_journal` has RLS enabled, but no policies exist":     granted,
	})
}
