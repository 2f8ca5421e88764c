package tests

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/babelon/babelon/tests/stack"
)

// connect opens a connection to the project's database that ends with the test.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close(context.Background()) })
	return db
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

func asAuthenticator(url string) string {
	return strings.Replace(url, "//postgres:", "//authenticator:", 1)
}

// installed returns a database of that version of PostgreSQL with the migration applied, as the role postgres. Of 15 it
// is on the containers, where there are any, and else on Debian's of this machine.
func installed(t *testing.T, version int) string {
	t.Helper()
	server := project
	if docker == nil || version != 15 {
		if version == 15 {
			need(t, "/usr/lib/postgresql/15/lib/plpgsql_check.so", "postgresql-15 postgresql-15-plpgsql-check")
		}
		var err error
		if server, err = stack.StartPostgres(t.Context(), version); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	url, err := server.NewDatabase(t.Context(), "installed")
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, url)
	return url
}

func wantSQLState(t testing.TB, what string, err error, state string) {
	t.Helper()
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != state {
		t.Errorf("%s: got %v, want SQLSTATE %s", what, err, state)
	}
}

// waitForLock returns once some session waits for a lock.
func waitForLock(t *testing.T) {
	t.Helper()
	db := connect(t, project.SuperuserDatabaseURL)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for waiting := false; !waiting; {
		if err := db.QueryRow(ctx, "select exists (select from pg_locks where not granted)").Scan(&waiting); err != nil {
			t.Fatalf("nobody waits for a lock: %v", err)
		}
	}
}

// setHook installs PostgREST's pre-request hook, and returns once PostgREST goes by it.
func setHook(t *testing.T, function string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, project.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(ctx)
	set := "alter role authenticator reset pgrst.db_pre_request"
	if function != "" {
		set = "alter role authenticator set pgrst.db_pre_request = '" + function + "'"
	}
	if _, err := db.Exec(ctx, set+"; notify pgrst, 'reload config'"); err != nil {
		t.Fatal(err)
	}
	half := caller{"X-Client-Id": "bbl_cid_0123456789abcdef"}
	for installed := function == ""; installed != (function != ""); {
		installed = half.get(t, "announcements").status == 401
		if ctx.Err() != nil {
			t.Fatal("PostgREST did not reload its configuration")
		}
	}
}
