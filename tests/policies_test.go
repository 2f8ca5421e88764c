package tests

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// The tests of supabase/tests, as `supabase test db` runs them in an operator's project, on every version of
// PostgreSQL that there is one of here: npm has 17 and 18, and Debian 15. On containers that alone, with Debian's own pgTAP.
func TestEvery_actor_can_do_what_is_written_down_and_nothing_else(t *testing.T) {
	for _, tool := range []string{"pg_prove", "psql"} {
		need(t, tool, "libtap-parser-sourcehandler-pgtap-perl postgresql-client")
	}
	versions, extension := []int{15, 17, 18}, pgTAP(t)
	if docker != nil {
		versions, extension = []int{15}, "create extension pgtap"
	}
	for _, version := range versions {
		t.Run("PostgreSQL "+strconv.Itoa(version), func(t *testing.T) {
			t.Parallel()
			url := installed(t, version)
			wantGrants(t, url)
			prove(t, url, extension, "../supabase/tests")
		})
	}
}

// prove runs the tests of a folder on a database, with pgTAP by the statements in extension.
func prove(t *testing.T, url, extension, folder string) {
	t.Helper()
	apply(t, asSuperuser(url), "create schema extensions; grant usage on schema extensions to public; set search_path = extensions; "+extension)
	config := connect(t, url).Config()
	command := exec.CommandContext(t.Context(), "pg_prove", "--ext", ".sql", "--recurse", folder)
	command.Env = append(os.Environ(), "PGHOST="+config.Host, "PGPORT="+strconv.Itoa(int(config.Port)),
		"PGUSER="+config.User, "PGPASSWORD="+config.Password, "PGDATABASE="+config.Database)
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// pgTAP returns its definition in SQL. PGlite, which Supabase Lite depends on, comes with it.
func pgTAP(t *testing.T) string {
	t.Helper()
	file, err := os.Open("stack/node_modules/@electric-sql/pglite/dist/pgtap.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(plain); ; {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			t.Fatal("PGlite comes without pgTAP")
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(entry.Name, "/pgtap.sql") {
			sql, err := io.ReadAll(archive)
			if err != nil {
				t.Fatal(err)
			}
			return string(sql)
		}
	}
}
