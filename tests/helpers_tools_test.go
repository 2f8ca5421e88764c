package tests

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// need skips the test where a program, or the file of that path, is missing; and fails it in CI.
func need(t *testing.T, program, packages string) {
	t.Helper()
	if _, err := os.Stat(program); err == nil {
		return
	}
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	say := t.Skipf
	if os.Getenv("CI") != "" {
		say = t.Fatalf
	}
	say("%s is missing; apt-get install %s", program, packages)
}

// onContainers skips a test of what only the containers have: npm's PostgreSQL has no pg_basebackup for a standby, no
// pg_dump and no pg_cron.
func onContainers(t *testing.T) {
	t.Helper()
	if docker == nil {
		t.Skip("make test-containers runs it")
	}
}

// startsOwnServers skips a test on containers when it starts servers of its own: the containers add nothing to it.
func startsOwnServers(t *testing.T) {
	t.Helper()
	if docker != nil {
		t.Skip("it starts servers of its own, not containers: make test runs it")
	}
}

// npmTool runs a tool that the stack's package.json pins, and returns what it printed.
func npmTool(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "stack/node_modules/"+name, arguments...)
	command.Env = append(os.Environ(), "DO_NOT_TRACK=1", "HOME="+t.TempDir())
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, arguments, err, out)
	}
	return string(out)
}

// supabase returns the findings of a `supabase db` command.
func supabase[finding any](t *testing.T, url, command string, flags ...string) []finding {
	t.Helper()
	operator := t.TempDir()
	if err := os.CopyFS(filepath.Join(operator, "supabase"), os.DirFS("../supabase")); err != nil {
		t.Fatal(err)
	}
	out := npmTool(t, "@supabase/cli-linux-x64/bin/supabase", append([]string{"db", command, "--workdir", operator, "--remote=" + url}, flags...)...)
	_, list, _ := strings.Cut(out, "[\n") // it says what it does first
	var found []finding
	if err := json.NewDecoder(strings.NewReader("[" + list)).Decode(&found); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return found
}

// want fails the test unless what was found is exactly what there is a reason for.
func want(t *testing.T, found []string, reasons map[string]string) {
	t.Helper()
	expected := slices.Collect(maps.Keys(reasons))
	if more := difference(found, expected); len(more) > 0 {
		t.Errorf("found:\n%s", strings.Join(more, "\n"))
	}
	if less := difference(expected, found); len(less) > 0 {
		t.Errorf("not found:\n%s", strings.Join(less, "\n"))
	}
}

func difference(a, b []string) []string {
	in := map[string]bool{}
	for _, line := range b {
		in[line] = true
	}
	var only []string
	for _, line := range a {
		if !in[line] {
			only = append(only, line)
		}
	}
	return only
}
