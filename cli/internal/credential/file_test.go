package credential_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/babelon/babelon/cli/internal/credential"
)

func TestCreating_a_file_never_replaces_one(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := credential.CreateFile(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := credential.CreateFile(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	// Of many at once, one succeeds.
	racing := filepath.Join(filepath.Dir(path), "racing")
	created := make(chan error)
	for range 8 {
		go func() { created <- credential.CreateFile(racing, []byte("first")) }()
	}
	succeeded := 0
	for range 8 {
		if err := <-created; err == nil {
			succeeded++
		}
	}
	if data, _ := os.ReadFile(racing); succeeded != 1 || string(data) != "first" {
		t.Errorf("%d created it, and it holds %q", succeeded, data)
	}
	if data, _ := os.ReadFile(path); string(data) != "first" {
		t.Errorf("the file holds %q", data)
	}
}

func TestReplacing_a_file_leaves_nothing_else_behind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, content := range []string{"first", "second"} {
		if err := credential.ReplaceFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if data, _ := os.ReadFile(path); string(data) != "second" {
		t.Errorf("the file holds %q", data)
	}
	// A directory in the way makes the last step, the rename, fail.
	blocked := filepath.Join(filepath.Dir(path), "directory")
	if err := os.MkdirAll(filepath.Join(blocked, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := credential.ReplaceFile(blocked, []byte("third")); err == nil {
		t.Error("a directory was replaced")
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}
