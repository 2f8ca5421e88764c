package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		comment on function babelon.tenant_ids is 'changed';
		alter function babelon.whoami security definer`)
	if err != nil {
		t.Fatal(err)
	}
	noticed := diff()
	if strings.Contains(noticed, none) {
		t.Errorf("the comparison says so whatever there is:\n%s", noticed)
	}
	for _, change := range []string{"random_hex(integer)).anon", "api_tokens).authenticated.secret_hash", "view:babelon.members", "tenant_ids", "whoami"} {
		if !strings.Contains(noticed, change) {
			t.Errorf("unnoticed: %s in\n%s", change, noticed)
		}
	}
}
