package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// A terminal is what a person sees who runs a command.
type terminal struct {
	*os.File
	t   *testing.T
	cmd *exec.Cmd

	seen    bytes.Buffer
	changed chan []byte // what appears, until the command has ended
}

func run(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	f, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	term := &terminal{File: f, t: t, cmd: cmd, changed: make(chan []byte)}
	go func() {
		defer close(term.changed)
		for {
			chunk := make([]byte, 1024)
			n, err := f.Read(chunk)
			if n > 0 {
				term.changed <- chunk[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	return term
}

// sees waits until text is on the screen.
func (term *terminal) sees(text string) {
	term.t.Helper()
	deadline := time.After(20 * time.Second)
	for !strings.Contains(term.seen.String(), text) {
		select {
		case chunk, ok := <-term.changed:
			if !ok {
				term.t.Fatalf("the command ended without %q:\n%s", text, &term.seen)
			}
			term.seen.Write(chunk)
		case <-deadline:
			term.t.Fatalf("no %q on the terminal:\n%s", text, &term.seen)
		}
	}
}

func (term *terminal) types(keys string) {
	term.t.Helper()
	if _, err := io.WriteString(term, keys); err != nil {
		term.t.Fatal(err)
	}
}

// ends waits for the command and returns its exit code and all that was seen.
func (term *terminal) ends() (code int, screen string) {
	for chunk := range term.changed {
		term.seen.Write(chunk)
	}
	return exitCode(term.cmd.Wait()), term.seen.String()
}

func TestA_password_is_typed_without_echo(t *testing.T) {
	p := newProject(t)
	term := run(t, babelon(t, t.TempDir(), p, "login", "ada@example.com"))
	term.sees("Password of ada@example.com:")
	term.types(password + "\n")
	code, screen := term.ends()
	if code != 0 || !strings.Contains(screen, "signed in to "+p.URL+" as ada@example.com") {
		t.Errorf("exit code %d:\n%s", code, screen)
	}
	if strings.Contains(screen, "correct") {
		t.Errorf("the password is on the screen:\n%s", screen)
	}
}

func TestAn_interrupt_at_a_password_gives_the_terminal_back_as_it_was(t *testing.T) {
	home := t.TempDir()
	cmd := babelon(t, home, newProject(t))
	// The shell asks the terminal afterwards; it ignores the interrupt that the terminal sends to both.
	shell := exec.CommandContext(t.Context(), "sh", "-c", `trap : INT; babelon login ada@example.com; echo "code $?"; stty -a`)
	shell.Dir, shell.Env = cmd.Dir, cmd.Env
	term := run(t, shell)
	term.sees("Password of")
	term.types("half\x03")
	code, screen := term.ends()
	if code != 0 || !strings.Contains(screen, "code 130") || !strings.Contains(screen, "error: interrupted") {
		t.Errorf("exit code %d:\n%s", code, screen)
	}
	if !strings.Contains(screen, " echo ") || strings.Contains(screen, "half") {
		t.Errorf("echo is left off, or was on:\n%s", screen)
	}
}

func TestRevoking_asks_on_a_terminal_and_names_the_token(t *testing.T) {
	for answer, revoked := range map[string]bool{"y": true, "yes": true, "n": false, "": false, "maybe": false} {
		t.Run("answered "+answer, func(t *testing.T) {
			home, p := t.TempDir(), newProject(t)
			signIn(t, home, p)
			term := run(t, babelon(t, home, p, "token", "revoke", clientID))
			term.sees("Pipeline 🚀 (" + clientID + ")? It stops at once and for good. [y/N]")
			term.types(answer + "\n")
			code, screen := term.ends()
			p.locked(func() {
				if p.revoked != revoked || (code == 0) != revoked {
					t.Errorf("revoked is %t, exit code %d:\n%s", p.revoked, code, screen)
				}
			})
			if strings.Contains(screen, "\x1b") {
				t.Errorf("the name moves the cursor:\n%q", screen)
			}
		})
	}
}

func TestDeleting_an_organization_asks_for_its_name(t *testing.T) {
	for answer, deleted := range map[string]bool{"Acme": true, "acme": false, "yes": false, "": false} {
		t.Run("answered "+answer, func(t *testing.T) {
			home, p := t.TempDir(), newProject(t)
			signIn(t, home, p)
			term := run(t, babelon(t, home, p, "organization", "delete", acme))
			term.sees("Delete Acme (" + acme + ")? Its members lose access and its tokens stop, at once and for good. Type its name:")
			term.types(answer + "\n")
			code, screen := term.ends()
			p.locked(func() {
				if slices.Contains(p.deleted, acme) != deleted || (code == 0) != deleted {
					t.Errorf("deleted %q, exit code %d:\n%s", p.deleted, code, screen)
				}
			})
		})
	}
}

func TestAn_organizations_ID_costs_no_look_up(t *testing.T) {
	home, p := t.TempDir(), newProject(t)
	signIn(t, home, p)
	for _, test := range []struct {
		lookups   int
		arguments []string
	}{
		{0, []string{"token", "list", "--organization", acme}},
		{0, []string{"organization", "delete", acme, "--yes"}},
		{1, []string{"token", "list", "--organization", "Acme"}},
	} {
		p.locked(func() { p.lookups = 0 })
		if out, err := babelon(t, home, p, test.arguments...).CombinedOutput(); err != nil {
			t.Errorf("%q: %v\n%s", test.arguments, err, out)
		}
		p.locked(func() {
			if p.lookups != test.lookups {
				t.Errorf("%q: %d look-ups", test.arguments, p.lookups)
			}
		})
	}
}

func TestA_table_is_for_people_on_a_terminal(t *testing.T) {
	home, p := t.TempDir(), newProject(t)
	signIn(t, home, p)
	code, screen := run(t, babelon(t, home, p, "token", "list")).ends()
	if code != 0 || !strings.Contains(screen, "NAME") || !strings.Contains(screen, "never") || !strings.Contains(screen, "its maker is no longer a member") {
		t.Errorf("exit code %d:\n%s", code, screen)
	}
	_, screen = run(t, babelon(t, home, p, "token", "generate", "ci")).ends()
	if !strings.Contains(screen, token) || strings.Contains(screen, "BABELON_API_TOKEN=") {
		t.Errorf("generate shows\n%s", screen)
	}
}

func TestInit_asks_for_what_no_flag_gives_until_each_answer_is_good(t *testing.T) {
	home := t.TempDir()
	cmd := babelon(t, home, newProject(t), "init")
	cmd.Env = append(cmd.Env, "BABELON_SUPABASE_URL=")
	term := run(t, cmd)
	for _, question := range []struct{ sees, types string }{
		{"Supabase URL", ""},
		{"supabase_url should look like https://", "http://example.com"},
		{"supabase_url uses http://", "https://abcdefghijklmnopqrst.supabase.co"},
		{"Publishable key", "sb_secret_Misplaced"},
		{"publishable_key holds a secret key", "sb_publishable_1"},
		{"Organization ID", "acme"},
		{"tenant_id should be the organization's UUID", ""},
		{"Client ID", token},
		{"client_id holds an API token", clientID},
		{"API token (not shown)", clientID},
		{"api_token holds a client ID", token},
	} {
		term.sees(question.sees)
		term.types(question.types + "\n")
	}
	code, screen := term.ends()
	content, err := os.ReadFile(filepath.Join(home, ".babelon.toml"))
	if code != 0 || err != nil || !strings.Contains(string(content), `api_token       = "`+token+`"`) {
		t.Errorf("exit code %d, %v:\n%s\n%s", code, err, screen, content)
	}
	// The terminal shows what is typed at a prompt; where that was a secret it is wiped off at once.
	for _, secret := range []string{token, "sb_secret_Misplaced"} {
		before, after, typed := strings.Cut(screen, secret)
		if !typed || !strings.HasPrefix(after, "\r\n\x1b[") || !strings.Contains(after[:len("\r\n\x1b[2A\r\x1b[J")], "A\r\x1b[J") || strings.Contains(before+after, secret) {
			t.Errorf("the screen keeps %s:\n%q", secret, screen)
		}
	}
}

func TestInit_takes_what_the_environment_has(t *testing.T) {
	home := t.TempDir()
	cmd := babelon(t, home, newProject(t), "init")
	cmd.Env = append(cmd.Env, "BABELON_CLIENT_ID="+clientID, "BABELON_API_TOKEN="+token, "BABELON_TENANT_ID="+acme)
	term := run(t, cmd)
	term.sees("client_id is from BABELON_CLIENT_ID")
	term.sees("Publishable key")
	term.types("sb_publishable_1\n")
	code, screen := term.ends()
	content, err := os.ReadFile(filepath.Join(home, ".babelon.toml"))
	for _, want := range []string{"sb_publishable_1", clientID, token, acme} {
		if !strings.Contains(string(content), want) {
			t.Errorf("no %s in\n%s%v", want, content, err)
		}
	}
	if code != 0 || strings.Contains(screen, "Supabase URL") || strings.Contains(screen, token) {
		t.Errorf("exit code %d:\n%s", code, screen)
	}
}

func TestAn_empty_password_is_refused_at_once(t *testing.T) {
	term := run(t, babelon(t, t.TempDir(), newProject(t), "login", "ada@example.com"))
	term.sees("Password of")
	term.types("\n")
	if code, screen := term.ends(); code != 2 || !strings.Contains(screen, "error: the password is empty") {
		t.Errorf("exit code %d:\n%s", code, screen)
	}
}

func TestA_person_who_waits_is_told_what_for_and_can_end_it(t *testing.T) {
	home, p := t.TempDir(), newProject(t)
	signIn(t, home, p)
	term := run(t, babelon(t, home, p, "rpc", "hang"))
	term.sees("waiting for " + strings.TrimPrefix(p.URL, "http://") + " to answer")
	term.types("\x03")
	if code, screen := term.ends(); code != 130 || !strings.Contains(screen, "error: interrupted") {
		t.Errorf("exit code %d:\n%s", code, screen)
	}
}

func TestAn_interrupt_ends_a_wait_for_standard_input(t *testing.T) {
	home, p := t.TempDir(), newProject(t)
	config := fmt.Sprintf("supabase_url = %q\nclient_id = %q\napi_token = %q\n", p.URL, clientID, token)
	if err := os.WriteFile(filepath.Join(home, ".babelon.toml"), []byte(config), 0o644); err != nil { //nolint:gosec // the warning says when it waits
		t.Fatal(err)
	}
	cmd := babelon(t, home, p, "login", "ada@example.com", "--password-stdin")
	stdin, silence, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer silence.Close()
	cmd.Stdin = stdin
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	interrupted(t, cmd, stderr)
}

func TestAn_interrupt_ends_a_wait_for_whoever_reads_the_answer(t *testing.T) {
	home, p := t.TempDir(), newProject(t)
	signIn(t, home, p)
	cmd := babelon(t, home, p, "rpc", "echo", "--data", `{"a": "`+strings.Repeat("x", 100<<10)+`"}`)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	interrupted(t, cmd, stdout)
}

// interrupted starts a command and interrupts it when a first byte has come from it.
func interrupted(t *testing.T, cmd *exec.Cmd, from io.Reader) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if state, err := cmd.Process.Wait(); err != nil || state.ExitCode() != 130 {
		t.Errorf("%v, %v", state, err)
	}
}

func TestAn_interrupt_ends_a_call_with_exit_code_130(t *testing.T) {
	home, p := t.TempDir(), newProject(t)
	signIn(t, home, p)
	cmd := babelon(t, home, p, "rpc", "hang")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-p.hanging
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(cmd.Wait()); code != 130 || !strings.HasSuffix(stderr.String(), "error: interrupted\n") {
		t.Errorf("exit code %d:\n%s", code, &stderr)
	}
}

func TestProcesses_that_refresh_a_session_together_use_its_token_once(t *testing.T) {
	home, p := t.TempDir(), newProject(t)
	p.locked(func() { p.sessionSeconds = 0 })
	signIn(t, home, p)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if out, err := babelon(t, home, p, "token", "list").CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	all.Wait()
	p.locked(func() {
		if p.refreshes != 1 {
			t.Errorf("%d refreshes", p.refreshes)
		}
	})
}

func TestA_session_that_has_ended_is_a_failure_to_authenticate_also_beside_a_pair(t *testing.T) {
	home, p := t.TempDir(), newProject(t)
	p.locked(func() { p.sessionSeconds = 0 })
	signIn(t, home, p)
	p.locked(func() { p.refreshes = 5 }) // somebody else has used the refresh token
	cmd := babelon(t, home, p, "token", "list")
	cmd.Env = append(cmd.Env, "BABELON_CLIENT_ID="+clientID, "BABELON_API_TOKEN="+token)
	out, err := cmd.CombinedOutput()
	if want := "error: the session has ended\nhint: Run `babelon login`.\n"; exitCode(err) != 4 || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestA_lost_pair_is_said_and_how_to_revoke_it(t *testing.T) {
	home, p := t.TempDir(), newProject(t)
	signIn(t, home, p)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]*os.File{"a closed pipe": writer}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil {
		outputs["a full disk"] = full
	}
	for name, output := range outputs {
		cmd := babelon(t, home, p, "token", "generate", "ci")
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = output, &stderr
		code := exitCode(cmd.Run())
		want := fmt.Sprintf("hint: Run `babelon token revoke %s`, and generate another.\n", clientID)
		if code != 1 || !strings.HasSuffix(stderr.String(), want) || strings.Contains(stderr.String(), token) {
			t.Errorf("%s: exit code %d:\n%s", name, code, &stderr)
		}
		_ = output.Close()
	}
}
