package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// startAuth starts Supabase Lite, whose Auth is GoTrue's, on the stack's database. Returns its URL.
func (s *Stack) startAuth(ctx context.Context) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	home := filepath.Join(s.Dir, "auth")
	if err := os.MkdirAll(filepath.Join(home, "supabase"), 0o700); err != nil {
		return "", err
	}
	config := fmt.Sprintf(`
[api]
port = %d
[db]
driver = "postgres"
url = %q
[auth]
enabled = true
jwt_secret = %q
site_url = "http://127.0.0.1:3000"
[auth.email]
enable_signup = true
enable_confirmations = false
`, port, s.SuperuserDatabaseURL, s.JWTSecret)
	if err := os.WriteFile(filepath.Join(home, "supabase", "config.toml"), []byte(config), 0o600); err != nil {
		return "", err
	}
	command := exec.Command("node", s.npm.path(".bin", "lite"), "start", "--no-admin")
	command.Dir = home
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LITE_TELEMETRY=0"}
	command.SysProcAttr = attributes(syscall.SIGKILL, 0)
	server, err := s.launch("auth", command)
	if err != nil {
		return "", err
	}
	s.OnStop(server.end(syscall.SIGKILL))

	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	if err := poll(ctx, server, answers(url+"/auth/v1/health")); err != nil {
		return "", err
	}
	return url, execute(ctx, s.SuperuserDatabaseURL, authSQL)
}

// answers returns a readiness check: a GET succeeds.
func answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode/100 != 2 {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}

// A User is a person who has signed up and is signed in for an hour.
type User struct {
	ID          string
	Email       string
	AccessToken string
}

// SignUp makes a person with a confirmed email.
func (s *Stack) SignUp(ctx context.Context, email, password string) (User, error) {
	body, err := json.Marshal(map[string]string{"email": email, "password": password})
	if err != nil {
		return User{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/auth/v1/signup", bytes.NewReader(body))
	if err != nil {
		return User{}, err
	}
	request.Header.Set("apikey", s.PublishableKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return User{}, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return User{}, err
	}
	var session struct {
		AccessToken string `json:"access_token"`
		User        struct{ ID string }
	}
	if err := json.Unmarshal(answer, &session); err != nil || session.AccessToken == "" {
		return User{}, fmt.Errorf("signing up: %s: %s", response.Status, strings.TrimSpace(string(answer)))
	}
	return User{ID: session.User.ID, Email: email, AccessToken: session.AccessToken}, nil
}
