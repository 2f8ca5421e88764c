package cli_test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/babelon/babelon/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"babelon": func() { os.Exit(cli.Main()) }})
}

// The scripts are in testdata/script. $SERVER there is the URL of a fake project, $REDIRECT that of a server
// that sends everybody to $SERVER, and `exits CODE COMMAND…` runs a command that must end with the exit code.
func TestThe_command_line_does_what_its_scripts_say(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			project := newProject(env.T().(testing.TB))
			redirect := serve(env.T().(testing.TB), http.RedirectHandler(project.URL, http.StatusTemporaryRedirect))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("SERVER", project.URL)
			env.Setenv("PORT", project.URL[strings.LastIndex(project.URL, ":")+1:])
			env.Setenv("REDIRECT", redirect.URL)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

func exits(ts *testscript.TestScript, negated bool, arguments []string) {
	if negated || len(arguments) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(arguments[0])
	ts.Check(err)
	if got := exitCode(ts.Exec(arguments[1], arguments[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// exitCode returns the exit code of a command that ended with err, or -1 if it did not run.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// babelon returns a command that runs babelon in an empty directory, which is its home too, against the
// project. Nothing of this process's environment but PATH reaches it.
func babelon(t *testing.T, home string, p *project, arguments ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "babelon", arguments...)
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "BABELON_SUPABASE_URL=" + p.URL}
	return cmd
}

// signIn signs somebody in, whose session has expired at once when the project says so.
func signIn(t *testing.T, home string, p *project) {
	t.Helper()
	login := babelon(t, home, p, "login", "ada@example.com", "--password-stdin")
	login.Stdin = strings.NewReader(password + "\n")
	if out, err := login.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
