// Package containers runs the stack's PostgreSQL and PostgREST in Docker containers, for what npm does not have: Debian's
// PostgreSQL 15 with pg_cron, pgTAP and plpgsql_check, PgBouncer in transaction mode between PostgREST and it, and a
// streaming standby with a PostgREST of its own.
package containers

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
	"golang.org/x/sync/errgroup"

	"github.com/babelon/babelon/tests/stack"
)

// A Provider is a stack.Provider, of one stack. Its exported fields are set once that has started.
type Provider struct {
	StandbyURL         string // of the standby's PostgREST
	StandbyDatabaseURL string // as supabase_admin

	docker
}

// StartPostgres is the stack.Provider's. It starts the standby and PgBouncer too: now, because a base backup moves to the
// next 16 MB of log, which is all that a list goes forward, and the tests want to find the log short.
func (p *Provider) StartPostgres(ctx context.Context, s *stack.Stack) (int, error) {
	if err := p.prepare(ctx, s); err != nil {
		return 0, err
	}
	port, err := p.startServer(ctx, s, "postgres", "initdb "+quoted(stack.InitdbArguments("/etc/password"))+`
		echo 'host all,replication all all scram-sha-256' >> $PGDATA/pg_hba.conf`)
	if err != nil {
		return 0, err
	}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return p.startPgBouncer(ctx, s) })
	both.Go(func() error { return p.startStandby(ctx, s) })
	return port, both.Wait()
}

// startServer starts a PostgreSQL server in a folder that a shell command makes. Returns its port on loopback.
func (p *Provider) startServer(ctx context.Context, s *stack.Stack, name, makeFolder string) (int, error) {
	settings := append(stack.ServerArguments("pg_stat_statements,pg_cron"), "-c", "listen_addresses=*",
		"-c", "cron.use_background_workers=on", // which need no password
		"-c", "wal_keep_size=2GB") // for the standby, in place of a slot, of which the tests expect none but Babelon's
	return p.run(ctx, name, 5432,
		testcontainers.WithCmd("sh", "-euc", makeFolder+"\nexec postgres "+quoted(settings)),
		testcontainers.WithFiles(file("/etc/password", s.Password)),
		testcontainers.WithWaitStrategy(wait.ForLog("database system is ready to accept (read-only )?connections").AsRegexp()))
}

func (p *Provider) startStandby(ctx context.Context, s *stack.Stack) error {
	port, err := p.startServer(ctx, s, "standby", `PGPASSWORD=$(cat /etc/password) pg_basebackup --host=postgres \
		--username=supabase_admin --pgdata=$PGDATA --write-recovery-conf --checkpoint=fast --no-sync`)
	p.StandbyDatabaseURL = fmt.Sprintf("postgres://supabase_admin:%s@127.0.0.1:%d/postgres?sslmode=disable", s.Password, port)
	return err
}

func (p *Provider) startPgBouncer(ctx context.Context, s *stack.Stack) error {
	users := fmt.Sprintf("%q %q\n", "authenticator", s.Password)
	_, err := p.run(ctx, "pgbouncer", 6432,
		testcontainers.WithCmd("pgbouncer", "/etc/pgbouncer.ini"),
		testcontainers.WithFiles(file("/etc/users", users), file("/etc/pgbouncer.ini", `
[databases]
postgres = host=postgres
one = host=postgres dbname=postgres pool_size=1
[pgbouncer]
listen_addr = *
listen_port = 6432
unix_socket_dir =
auth_type = scram-sha-256
auth_file = /etc/users
pool_mode = transaction
`)),
		testcontainers.WithWaitStrategy(wait.ForLog("process up")))
	return err
}

// StartPostgREST is the stack.Provider's. With more than one connection it is the stack's own, and starts the standby's too.
func (p *Provider) StartPostgREST(ctx context.Context, s *stack.Stack, connections int) (url string, err error) {
	if connections == 1 { // then PgBouncer has one to the server, too
		return p.startPostgREST(ctx, s, "postgrest-one", "pgbouncer:6432/one", 1)
	}
	if err := p.Replay(ctx, s); err != nil { // of the roles, before the standby's PostgREST signs in as one
		return "", err
	}
	var both errgroup.Group
	both.Go(func() (err error) {
		url, err = p.startPostgREST(ctx, s, "postgrest", "pgbouncer:6432/postgres", connections)
		return err
	})
	both.Go(func() (err error) {
		p.StandbyURL, err = p.startPostgREST(ctx, s, "standby-postgrest", "standby:5432/postgres", connections)
		return err
	})
	if err := both.Wait(); err != nil {
		return "", err
	}
	return url, p.passOnReloads(ctx, s)
}

func (p *Provider) startPostgREST(ctx context.Context, s *stack.Stack, name, database string, connections int) (string, error) {
	config := s.PostgRESTConfig("postgres://authenticator:"+s.Password+"@"+database, connections, "0.0.0.0", 3000, 3001)
	// Behind PgBouncer each transaction may have another server connection: what one has prepared is unknown to the next,
	// and nobody listens. On a standby nobody can.
	config += "db-prepared-statements = false\ndb-channel-enabled = false\n"
	port, err := p.run(ctx, name, 3000,
		testcontainers.WithCmd("postgrest", "/etc/postgrest.conf"),
		testcontainers.WithFiles(file("/etc/postgrest.conf", config),
			testcontainers.ContainerFile{HostFilePath: s.PostgREST(), ContainerFilePath: "/usr/bin/postgrest", FileMode: 0o755}),
		testcontainers.WithWaitStrategy(wait.ForLog("Schema cache loaded")))
	return fmt.Sprintf("http://127.0.0.1:%d", port), err
}

// passOnReloads listens in place of both PostgRESTs, and passes what it hears on as the signals that mean the same.
func (p *Provider) passOnReloads(ctx context.Context, s *stack.Stack) error {
	db, err := pgx.Connect(ctx, s.DatabaseURL)
	if err != nil {
		return err
	}
	if _, err := db.Exec(ctx, "listen pgrst"); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer db.Close(context.Background())
		for {
			heard, err := db.WaitForNotification(ctx)
			if err != nil {
				return
			}
			signal := map[string]string{"reload config": "USR2"}[heard.Payload]
			_ = p.signal(ctx, "postgrest", cmp.Or(signal, "USR1"))
			_ = p.Replay(ctx, s)
			_ = p.signal(ctx, "standby-postgrest", cmp.Or(signal, "USR1"))
		}
	}()
	s.OnStop(func() error { cancel(); <-ended; return nil })
	return nil
}

// Replay waits until the standby has replayed what the primary has committed by now.
func (p *Provider) Replay(ctx context.Context, s *stack.Stack) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	primary, err := pgx.Connect(ctx, s.SuperuserDatabaseURL)
	if err != nil {
		return err
	}
	defer primary.Close(ctx)
	standby, err := pgx.Connect(ctx, p.StandbyDatabaseURL)
	if err != nil {
		return err
	}
	defer standby.Close(ctx)
	var committed string
	if err := primary.QueryRow(ctx, "select pg_current_wal_flush_lsn()::text").Scan(&committed); err != nil {
		return err
	}
	for replayed := false; !replayed; {
		err := standby.QueryRow(ctx, "select pg_last_wal_replay_lsn() >= $1::text::pg_lsn from pg_sleep(0.01)", committed).Scan(&replayed)
		if err != nil {
			return fmt.Errorf("waiting for the standby to replay %s: %w", committed, err)
		}
	}
	return nil
}

// quoted makes arguments a part of a shell command. None of ours has a quote in it.
func quoted(arguments []string) string { return "'" + strings.Join(arguments, "' '") + "'" }
