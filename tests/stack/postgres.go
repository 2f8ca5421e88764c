package stack

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// StartPostgres returns a stack that runs only PostgreSQL, in one of Embedded's versions. Make databases with NewDatabase.
func StartPostgres(ctx context.Context, version int) (*Stack, error) {
	npm, err := install(ctx)
	if err != nil {
		return nil, err
	}
	return again(func() (*Stack, error) {
		s, err := newStack(npm, Embedded{version})
		if err != nil {
			return nil, err
		}
		if err := s.startPostgres(ctx); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
		return s, nil
	})
}

// InitdbArguments are for an initdb whose superuser is supabase_admin, with the password in a file.
func InitdbArguments(passwordFile string) []string {
	return []string{
		"--username=supabase_admin", "--pwfile=" + passwordFile, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
	}
}

// ServerArguments are PostgreSQL's settings on hosted projects, with these libraries preloaded.
func ServerArguments(libraries string) []string {
	return []string{
		"-c", "wal_level=logical",
		"-c", "max_connections=200",
		"-c", "shared_buffers=512MB",
		"-c", "shared_preload_libraries=" + libraries,
	}
}

// startPostgres makes an empty database server with Supabase's roles.
func (s *Stack) startPostgres(ctx context.Context) error {
	port, err := s.provider.StartPostgres(ctx, s)
	if err != nil {
		return err
	}
	s.port = port
	s.DatabaseURL = s.databaseURL("postgres", "postgres", port)
	s.SuperuserDatabaseURL = s.databaseURL("supabase_admin", "postgres", port)
	return execute(ctx, s.SuperuserDatabaseURL, strings.ReplaceAll(rolesSQL, ":'password'", "'"+s.Password+"'")+defaultsSQL)
}

//go:embed roles.sql
var rolesSQL string

//go:embed defaults.sql
var defaultsSQL string

//go:embed auth.sql
var authSQL string

// AuthenticatorDatabaseURL is how PostgREST connects.
func (s *Stack) AuthenticatorDatabaseURL() string {
	return s.databaseURL("authenticator", "postgres", s.port)
}

func (s *Stack) databaseURL(user, database string, port int) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", user, s.Password, port, database)
}

// NewDatabase makes another database on the stack's server, like a new Supabase project's and without Babelon. It replaces
// one of the same name. Returns its URL as the role postgres.
func (s *Stack) NewDatabase(ctx context.Context, name string) (string, error) {
	quoted := pgx.Identifier{name}.Sanitize()
	for _, statement := range []string{"drop database if exists " + quoted + " with (force)", "create database " + quoted} {
		if err := execute(ctx, s.SuperuserDatabaseURL, statement); err != nil {
			return "", err
		}
	}
	return s.databaseURL("postgres", name, s.port), execute(ctx, s.databaseURL("supabase_admin", name, s.port), defaultsSQL+authSQL)
}
