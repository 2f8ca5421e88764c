package git_test

import (
	"os"
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
