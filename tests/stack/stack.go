// Package stack starts a Supabase project from real parts, on free loopback ports and in a folder of its
// own: PostgreSQL, PostgREST, an Auth server, and a gateway in front of them. It needs Node and npm, but
// neither Docker nor root. Package containers runs PostgreSQL and PostgREST in containers instead.
//
// The order matters: PostgreSQL, Supabase's roles, Auth (which makes its tables), what Auth lacks or does differently,
// the migrations (as the role postgres, which is no superuser, as on hosted Supabase), the usage journal, PostgREST
// (which reads its settings from the database), and the gateway.
package stack

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"
)

// A Stack is a running Supabase project.
type Stack struct {
	URL            string // of the gateway; clients call it the project's URL
	PublishableKey string // the apikey of clients: the role anon
	SecretKey      string // the apikey of backends: the role service_role
	JWTSecret      string // signs people's sessions (HS256)
	PostgRESTURL   string // behind the gateway

	DatabaseURL          string // as postgres, which runs the migrations
	SuperuserDatabaseURL string // as supabase_admin

	Dir      string // holds every configuration and log, and the parts' other files on this machine
	Password string // of each database role that can log in

	provider Provider
	npm      packages
	port     int            // of PostgreSQL
	authURL  string         // behind the gateway
	running  []func() error // how to stop each part, in the order of starting
}

// A Provider runs PostgreSQL and PostgREST, as processes or in containers.
type Provider interface {
	// StartPostgres starts an empty server with the superuser supabase_admin. Returns its port on loopback.
	StartPostgres(context.Context, *Stack) (port int, err error)
	// StartPostgREST starts an API of that server, with at most this many connections to it. Returns its URL.
	StartPostgREST(ctx context.Context, s *Stack, connections int) (url string, err error)
	// FilesWith returns these parts' files and logs outside the stack's folder that contain a text.
	FilesWith(ctx context.Context, text string) ([]string, error)
}

// Start returns a stack that is ready for requests, with supabase/migrations applied. After an error nothing is left
// running.
func Start(ctx context.Context) (*Stack, error) { return StartWith(ctx, Options{}) }

// Options change what Start would start.
type Options struct {
	Provider Provider // nil: Embedded
	Bare     bool     // a new Supabase project, without Babelon
}

// StartWith is Start with options.
func StartWith(ctx context.Context, options Options) (*Stack, error) {
	if options.Provider == nil {
		options.Provider = Embedded{}
	}
	npm, err := install(ctx)
	if err != nil {
		return nil, err
	}
	return again(func() (*Stack, error) { return start(ctx, npm, options) })
}

// again retries when another program takes a free port before its server listens on it.
func again(start func() (*Stack, error)) (*Stack, error) {
	for try := 1; ; try++ {
		s, err := start()
		if err == nil || try == 3 || !errors.Is(err, errPortTaken) {
			return s, err
		}
	}
}

// newStack returns a stack before any of its parts run.
func newStack(npm packages, provider Provider) (*Stack, error) {
	dir, err := os.MkdirTemp("", "babelon-stack-")
	if err != nil {
		return nil, err
	}
	sweep, err := AtExit(removeSoon, dir)
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	return &Stack{
		Dir:            dir,
		running:        []func() error{sweep},
		PublishableKey: "sb_publishable_" + random(16),
		SecretKey:      "sb_secret_" + random(16),
		JWTSecret:      random(32),
		Password:       random(16),
		provider:       provider,
		npm:            npm,
	}, nil
}

func start(ctx context.Context, npm packages, options Options) (_ *Stack, err error) {
	s, err := newStack(npm, options.Provider)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()

	if err := s.startPostgres(ctx); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if s.authURL, err = s.startAuth(ctx); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	if !options.Bare {
		if err := s.installBabelon(ctx); err != nil {
			return nil, err
		}
	}
	if s.URL, s.PostgRESTURL, err = s.startAPI(ctx, 20); err != nil {
		return nil, err
	}
	return s, nil
}

// startAPI starts PostgREST, with at most this many connections to the database, and a gateway in front of it. Returns the
// URLs of both.
func (s *Stack) startAPI(ctx context.Context, connections int) (url, postgREST string, err error) {
	if postgREST, err = s.provider.StartPostgREST(ctx, s, connections); err != nil {
		return "", "", fmt.Errorf("postgrest: %w", err)
	}
	if url, err = s.startGateway(postgREST); err != nil {
		return "", "", fmt.Errorf("gateway: %w", err)
	}
	return url, postgREST, nil
}

// OnOneConnection starts a second API that serves all requests on one database connection. Returns its gateway's URL.
func (s *Stack) OnOneConnection(ctx context.Context) (string, error) {
	url, _, err := s.startAPI(ctx, 1)
	return url, err
}

// installBabelon does what an operator does.
func (s *Stack) installBabelon(ctx context.Context) error {
	if err := s.ApplySQL(ctx, "supabase/migrations/*.sql"); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	// A migration cannot do this step of the install.
	if err := execute(ctx, s.DatabaseURL, "select babelon_private.enable_usage_journal()"); err != nil {
		return fmt.Errorf("usage journal: %w", err)
	}
	return nil
}

// CollectUsage folds the usage journal into the counters. A hosted project's pg_cron calls it every minute.
func (s *Stack) CollectUsage(ctx context.Context) error {
	return execute(ctx, s.DatabaseURL, "select babelon_private.collect_usage()")
}

// OnStop makes Stop call a function. The last one given is called first.
func (s *Stack) OnStop(stop func() error) { s.running = append(s.running, stop) }

// Stop ends every part and removes the stack's folder. A second call does nothing.
func (s *Stack) Stop() error {
	var errs []error
	for _, stop := range slices.Backward(s.running) {
		errs = append(errs, stop())
	}
	s.running = nil
	return errors.Join(errs...)
}

// Environ returns the addresses and keys that a shell needs, as KEY=value.
func (s *Stack) Environ() []string {
	return []string{
		"SUPABASE_URL=" + s.URL,
		"SUPABASE_PUBLISHABLE_KEY=" + s.PublishableKey,
		"SUPABASE_SECRET_KEY=" + s.SecretKey,
		"JWT_SECRET=" + s.JWTSecret,
		"DATABASE_URL=" + s.DatabaseURL,
		"SUPERUSER_DATABASE_URL=" + s.SuperuserDatabaseURL,
		"BABELON_SUPABASE_URL=" + s.URL,
		"BABELON_PUBLISHABLE_KEY=" + s.PublishableKey,
	}
}

// ApplySQL runs the files that match a pattern, relative to the repository, as the role postgres: each in
// one transaction, in name order, as `supabase db push` does.
func (s *Stack) ApplySQL(ctx context.Context, pattern string) error {
	files, err := filepath.Glob(filepath.Join(Root(), pattern))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no file matches %s", pattern)
	}
	for _, file := range files {
		sql, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := execute(ctx, s.DatabaseURL, string(sql)); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

// FilesWith returns every file that a part of the stack has written and that contains a text: tables, logs, configurations.
func (s *Stack) FilesWith(ctx context.Context, text string) ([]string, error) {
	elsewhere, err := s.provider.FilesWith(ctx, text)
	if err != nil {
		return nil, err
	}
	here, err := FilesWith(s.Dir, text)
	return append(elsewhere, here...), err
}

// FilesWith returns the files under a folder that contain a text. It fails when it cannot read one, unless the file has
// disappeared meanwhile, as files do while a program works.
func FilesWith(dir, text string) (found []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		var content []byte
		if err == nil && entry.Type().IsRegular() {
			content, err = os.ReadFile(path)
		}
		if bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
		if path != dir && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return found, err
}

// execute runs statements in one transaction: PostgreSQL makes one of all statements in a simple query.
func execute(ctx context.Context, url, sql string) error {
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close(ctx)
	_, err = db.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// Root is the repository's folder: the nearest one upward from the working directory with a go.mod.
func Root() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// apiKeyJWT is the JWT that the gateway sends on in place of an API key: it names a role and no person. It is the same at
// every call, since older projects use it as the API key itself.
func (s *Stack) apiKeyJWT(role string) (string, error) {
	claims := jwt.MapClaims{"iss": "supabase", "role": role, "exp": time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix()}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(s.JWTSecret))
}

func random(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// freePort returns a loopback port that no program listens on at the moment.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// poll calls ready until it returns nil. It gives up when ctx ends, the process ends, or 30 seconds pass.
func poll(ctx context.Context, p *process, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return p.failed(errors.New("it ended while starting"))
		case <-ctx.Done():
			if stopped := context.Cause(ctx); errors.Is(stopped, context.Canceled) {
				return stopped
			}
			return p.failed(fmt.Errorf("it did not become ready: %w", err))
		case <-ticker.C:
		}
	}
}

// lastLines returns the end of a log, for an error message.
func lastLines(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
