package tests

import (
	"bufio"
	"bytes"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The Settings page, in a real browser where that matters and by plain HTTP where somebody forges requests.

var secretPattern = regexp.MustCompile(`bbl_tok_[0-9a-f]{32}`)

// A settingsServer is a running `babelon settings`.
type settingsServer struct {
	address string // as printed
	origin  string
	root    string        // what the address of every page begins with
	output  func() string // all of it so far
	end     func() error  // as Ctrl-C does, and waits
}

// serveSettings starts it with a home folder and more arguments.
func serveSettings(t *testing.T, home string, arguments ...string) *settingsServer {
	t.Helper()
	return serveSettingsOf(t, project.URL, home, arguments...)
}

func serveSettingsOf(t *testing.T, projectURL, home string, arguments ...string) *settingsServer {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"settings", "--no-browser"}, arguments...)...)
	cmd.Dir = home
	cmd.Env = environment(home, projectURL)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var output bytes.Buffer
	keep := func(line []byte) {
		mu.Lock()
		defer mu.Unlock()
		output.Write(line)
	}
	cmd.Stderr = writer(keep)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	keep([]byte(first))
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		rest, _ := io.ReadAll(lines)
		keep(rest)
	}()
	var once sync.Once
	var ended error
	s := &settingsServer{
		address: strings.TrimSpace(first),
		output:  func() string { mu.Lock(); defer mu.Unlock(); return output.String() },
		end: func() error {
			once.Do(func() {
				_ = cmd.Process.Signal(os.Interrupt)
				<-drained
				ended = cmd.Wait()
			})
			return ended
		},
	}
	t.Cleanup(func() { _ = s.end() })
	u, parseErr := url.Parse(s.address)
	if err != nil || parseErr != nil || u.Host == "" {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		t.Fatalf("babelon settings printed %q (%v)\n%s", first, err, s.output())
	}
	s.origin = u.Scheme + "://" + u.Host
	s.root, _, _ = strings.Cut(s.address, "/open?")
	return s
}

type writer func([]byte)

func (w writer) Write(text []byte) (int, error) { w(text); return len(text), nil }

func environment(home, projectURL string) []string {
	return []string{
		"PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + home,
		"BABELON_SUPABASE_URL=" + projectURL, "BABELON_PUBLISHABLE_KEY=" + project.PublishableKey,
	}
}

// logIn signs somebody in on the command line of a home folder.
func logIn(t *testing.T, home, who string) {
	t.Helper()
	cmd := exec.Command(binary, "login", people[who].Email, "--password-stdin")
	cmd.Dir = home
	cmd.Env = environment(home, project.URL)
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// signIn signs somebody in to the page of an organization, with their password.
func (w *window) signIn(s *settingsServer, who, organization string) {
	w.t.Helper()
	w.enterPassword(s, who, organization)
	w.until("location.pathname.endsWith('/api-access') && document.readyState == 'complete'")
}

func (w *window) enterPassword(s *settingsServer, who, organization string) {
	w.t.Helper()
	w.open(s.root + "/sign-in?organization=" + organization)
	w.enter("#email", people[who].Email)
	w.enter("#password", password)
	w.click("#sign-in form:last-of-type button")
}

func (s *settingsServer) tokens(organization string) string {
	return s.root + "/organizations/" + organization + "/api-access"
}

// generate generates a token in the window's page and returns it, with its dialog still open.
func (w *window) generate(name string) pair {
	w.t.Helper()
	w.click("#generate")
	w.until("document.activeElement.id == 'name'")
	w.enter("#name", name)
	w.click("dialog button.primary")
	return w.made()
}

// made returns the pair that the dialog shows.
func (w *window) made() pair {
	w.t.Helper()
	w.until("document.getElementById('made-secret')")
	return pair{
		ClientID: look[string](w, "document.getElementById('made-id').textContent"),
		APIToken: look[string](w, "document.getElementById('made-secret').textContent"),
	}
}

func (w *window) closeDialog() {
	w.t.Helper()
	w.click("dialog [data-close]")
	w.until("!dialog.open")
}

func (w *window) signOut() {
	w.t.Helper()
	w.click(".person button")
	w.until("location.pathname.endsWith('/sign-in')")
}

// runIn runs a command that must succeed, with babelon in its path, and returns what it printed.
func runIn(t *testing.T, dir, name string, arguments ...string) string {
	t.Helper()
	cmd := exec.Command(name, arguments...)
	cmd.Dir = dir
	cmd.Env = environment(dir, project.URL)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, secretPattern.ReplaceAll(out, []byte("SECRET")))
	}
	return string(out)
}

// plausible makes an organization as one might find it.
func plausible(t *testing.T) string {
	organization := newOrganization(t)
	db := connect(t, project.SuperuserDatabaseURL)
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	const day = 24 * time.Hour
	for _, token := range []struct {
		name, role    string
		created, used time.Duration
		revoked       bool
	}{
		{"CI/CD Pipeline", "member", 212 * day, 40 * time.Second, false},
		{"Terraform", "admin", 190 * day, 3 * time.Hour, false},
		{"Grafana dashboards", "viewer", 96 * day, 7 * time.Minute, false},
		{"Old staging deploy", "member", 402 * day, 20 * day, true},
		{"Invoice export (nightly)", "viewer", 61 * day, 16 * time.Hour, false},
		{"Ada’s laptop", "member", 9 * day, 2 * day, false},
		{"Support bot", "viewer", 2 * time.Hour, 0, false},
		{"Zapier trial", "viewer", 130 * day, 0, true},
	} {
		made := generate(t, organization, token.role)
		if _, err := db.Exec(t.Context(), "update babelon_private.api_tokens set name = $2, created_at = $3, revoked_at = $4 where client_id = $1",
			made.ClientID, token.name, ago(token.created), map[bool]any{true: ago(8 * day)}[token.revoked]); err != nil {
			t.Fatal(err)
		}
		if token.used > 0 {
			if _, err := db.Exec(t.Context(), `insert into babelon_private.api_token_uses (token_id, last_used_at, uses)
				select id, $2, 1204 from babelon_private.api_tokens where client_id = $1`, made.ClientID, ago(token.used)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return organization
}
