package git_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/babelon/babelon/cli/internal/git"
)

func TestA_linked_work_tree_has_its_index_elsewhere(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, ".git"), []byte("gitdir: ../main/.git/worktrees/linked\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, gitDir, ok := git.WorkTree(root)
	if want := filepath.Join(filepath.Dir(root), "main/.git/worktrees/linked"); !ok || got != root || gitDir != want {
		t.Errorf("got %s, %s, %t", got, gitDir, ok)
	}
}

// repository makes one with a .gitignore, and returns how to run git in it.
func repository(t *testing.T, ignore string) (dir string, run func(args ...string)) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git makes the repository for this test")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	dir = t.TempDir()
	run = func(args ...string) {
		t.Helper()
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil { //nolint:gosec // this test's own arguments
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	run("init", "--quiet")
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(ignore), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, run
}

func TestA_file_is_ignored_when_git_says_so_and_without_git_when_its_name_is_listed(t *testing.T) {
	for content, test := range map[string]struct{ byGit, byName bool }{ // is it ignored already?
		"":                               {false, false},
		"secret":                         {true, true},
		"/secret\n":                      {true, true},
		"secret\n!secret\n":              {false, false},
		"!secret\nsecret\n":              {true, true},
		"sec*\n":                         {true, false},
		"secret/\n":                      {false, false},
		"secret\n!sec*\n":                {false, true},
		"# secret":                       {false, false},
		"node_modules\r\n/secret":        {true, true},
		"secret\n!/secret\n# no newline": {false, false},
	} {
		for _, withGit := range []bool{true, false} {
			t.Run(content, func(t *testing.T) {
				dir, run := repository(t, content)
				want := test.byGit
				if !withGit {
					t.Setenv("PATH", "")
					want = test.byName
				}
				changed, err := git.Ignore(filepath.Join(dir, "secret"))
				if err != nil || (changed == "") != want {
					t.Errorf("with git %t: changed %q, %v", withGit, changed, err)
				}
				if withGit {
					run("check-ignore", "--quiet", "secret")
				}
			})
		}
	}
}

func TestA_tracked_file_is_noticed_in_every_version_of_the_index(t *testing.T) {
	for _, version := range []string{"2", "3", "4"} {
		dir, run := repository(t, "")
		for _, name := range []string{"secret", "secret.example"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		run("add", "secret.example")
		run("update-index", "--index-version", version)
		if git.Tracked(filepath.Join(dir, "secret")) {
			t.Errorf("version %s: before git add", version)
		}
		run("add", "secret")
		if !git.Tracked(filepath.Join(dir, "secret")) {
			t.Errorf("version %s: after git add", version)
		}
	}
}
