package tests

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestPromise07_a_file_with_four_keys_or_two_environment_variables_do_the_same(t *testing.T) {
	testscript.Run(t, scripts("testdata/promise07"))
}

func TestThe_command_line_does_its_job_on_a_real_project(t *testing.T) {
	testscript.Run(t, scripts("testdata/script"))
}

// scripts runs the real babelon in an empty home. Beside the usual commands they have
//
//	exits CODE COMMAND [ARGUMENT...]   runs a command that must end with the exit code
//	keep VARIABLE FILE PREFIX          sets a variable to the rest of the line that begins with the prefix
func scripts(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("URL", project.URL)
			env.Setenv("KEY", project.PublishableKey)
			env.Setenv("PASSWORD", password)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "keep": keep},
	}
}

func exits(ts *testscript.TestScript, negated bool, arguments []string) {
	if negated || len(arguments) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(arguments[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(arguments[1], arguments[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func keep(ts *testscript.TestScript, negated bool, arguments []string) {
	if negated || len(arguments) != 3 {
		ts.Fatalf("usage: keep VARIABLE FILE PREFIX")
	}
	for line := range strings.Lines(ts.ReadFile(arguments[1])) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), arguments[2]); ok {
			ts.Setenv(arguments[0], value)
			return
		}
	}
	ts.Fatalf("no line of %s begins with %q", arguments[1], arguments[2])
}
