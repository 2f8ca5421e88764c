package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// need skips the test where a program is missing, and fails it in CI.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	say := t.Skipf
	if os.Getenv("CI") != "" {
		say = t.Fatalf
	}
	say("%s is missing; apt-get install %s", program, program)
}

func TestInit_that_is_killed_shows_git_no_secret_and_works_again(t *testing.T) {
	need(t, "git")
	need(t, "strace")
	p := newProject(t)
	start := func(dir, name string, arguments ...string) (output string, killed bool) {
		like := babelon(t, dir, p)
		cmd := exec.CommandContext(t.Context(), name, arguments...)
		cmd.Dir, cmd.Env = dir, slices.Concat(like.Env, []string{"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull,
			"BABELON_CLIENT_ID=" + clientID, "BABELON_API_TOKEN=" + token})
		out, err := cmd.CombinedOutput()
		switch exitCode(err) {
		case 0:
		case -1:
			killed = true
		default:
			t.Fatalf("%s %q: %v\n%s", name, arguments, err, out)
		}
		return string(out), killed
	}
	for _, force := range []bool{false, true} {
		arguments := []string{"init", "--url", p.URL}
		if force {
			arguments = append(arguments, "--force")
		}
		for _, call := range []string{"openat", "mkdirat", "write", "fsync", "close", "linkat", "renameat", "unlinkat"} {
			kills := 0
			for at, killed := 1, true; killed; at++ {
				dir := t.TempDir()
				start(dir, "git", "init", "--quiet")
				if force { // this ignores the one file, and nothing below it that has the same name
					if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("/.babelon.toml\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				_, killed = start(dir, "strace", append([]string{"-f", "-qq", "-o", os.DevNull,
					"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, at), "babelon"}, arguments...)...)
				if killed {
					kills++
				}
				seen, _ := start(dir, "git", "status", "--porcelain", "--untracked-files=all", "-z")
				for entry := range strings.SplitSeq(seen, "\x00") {
					if entry == "" {
						continue
					}
					content, err := os.ReadFile(filepath.Join(dir, entry[len("?? "):]))
					if err != nil || strings.Contains(string(content), "bbl_tok_") {
						t.Errorf("killed at %s %d: git shows %s, %v", call, at, entry, err)
					}
				}
				path := filepath.Join(dir, ".babelon.toml")
				if _, err := os.Stat(path); err != nil { // it was killed before the file was in place
					start(dir, "babelon", "init", "--url", p.URL)
				}
				if content, err := os.ReadFile(path); err != nil || !strings.Contains(string(content), token) {
					t.Errorf("killed at %s %d: %q, %v", call, at, content, err)
				}
				start(dir, "babelon", "init", "--url", p.URL, "--force")
				if left, err := filepath.Glob(filepath.Join(dir, ".babelon.toml.*")); err != nil || len(left) > 0 {
					t.Errorf("killed at %s %d: left behind: %q, %v", call, at, left, err)
				}
			}
			if kills == 0 && (call == "linkat") != force && (call == "renameat") == force {
				t.Errorf("init was never killed at %s", call)
			}
		}
	}
}
