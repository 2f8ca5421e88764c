package tests

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

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
