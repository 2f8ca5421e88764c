package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/babelon/babelon/cli/internal/config"
)

func TestA_file_that_git_tracks_is_warned_about(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git makes the work tree for this test")
	}
	root := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", root}, args...)...) //nolint:gosec // this test's own arguments
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	git("init", "--quiet")
	dir := filepath.Join(root, "service")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, config.FileName)
	write(t, path, url+pair)
	write(t, path+".example", url) // its name begins with the other's
	git("add", "service/"+config.FileName+".example")

	warnings := func() []string {
		c, err := config.Load(config.Source{File: path, Getenv: func(string) string { return "" }})
		if err != nil {
			t.Fatal(err)
		}
		return c.Warnings
	}
	if got := warnings(); len(got) > 0 {
		t.Errorf("before git add: %q", got)
	}
	git("add", "service/"+config.FileName)
	if got := warnings(); len(got) != 1 || !strings.Contains(got[0], "git rm --cached") {
		t.Errorf("after git add: %q", got)
	}
}
