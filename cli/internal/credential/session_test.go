package credential_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/babelon/babelon/cli/internal/credential"
)

const project = "https://abcdefghijklmnopqrst.supabase.co"

// sessions returns a place for sessions, as Lock makes it.
func sessions(t *testing.T) credential.Sessions {
	t.Helper()
	s := credential.Sessions{Dir: filepath.Join(t.TempDir(), "babelon", "sessions")}
	unlock, err := s.Lock(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	return s
}

func TestA_session_is_kept_per_URL_until_it_is_deleted(t *testing.T) {
	s := sessions(t)
	want := credential.Session{
		Email:        "ada@example.com",
		AccessToken:  credential.NewSecret("access"),
		RefreshToken: credential.NewSecret("refresh"),
		ExpiresAt:    time.Date(2026, 11, 24, 18, 12, 14, 0, time.UTC),
	}
	if err := s.Save(project, want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load(project)
	if err != nil {
		t.Fatal(err)
	}
	if got.Email != want.Email || got.AccessToken.Reveal() != "access" || got.RefreshToken.Reveal() != "refresh" || !got.ExpiresAt.Equal(want.ExpiresAt) {
		t.Errorf("got %+v back", got)
	}
	if _, err := s.Load("https://other.supabase.co"); !errors.Is(err, credential.ErrNoSession) {
		t.Errorf("another URL has a session too: %v", err)
	}
	for range 2 { // the second time there is nothing left to delete
		if err := s.Delete(project); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Load(project); !errors.Is(err, credential.ErrNoSession) {
		t.Errorf("the session outlives its deletion: %v", err)
	}
}

func TestA_session_is_readable_by_its_owner_alone(t *testing.T) {
	s := sessions(t)
	if err := s.Save(project, credential.Session{AccessToken: credential.NewSecret("access")}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(s.Dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	for path, want := range map[string]fs.FileMode{s.Dir: 0o700, files[0]: 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
	}
}

func TestA_damaged_session_is_an_error(t *testing.T) {
	s := sessions(t)
	if err := s.Save(project, credential.Session{AccessToken: credential.NewSecret("access")}); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(s.Dir, "*.json"))
	if err := os.WriteFile(files[0], []byte(`{"access_`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(project); err == nil || errors.Is(err, credential.ErrNoSession) {
		t.Errorf("got %v", err)
	}
}

func TestA_locked_session_is_waited_for_until_interrupted(t *testing.T) {
	s := sessions(t)
	// Whoever gives up may still be opening the lock's file while the test's directory is being removed.
	t.Cleanup(func() {
		for err := os.RemoveAll(s.Dir); err != nil; {
			err = os.RemoveAll(s.Dir)
		}
	})
	unlock, err := s.Lock(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Lock(impatient, project); !errors.Is(err, context.Canceled) {
		t.Fatalf("a second lock: %v", err)
	}
	second := make(chan error)
	go func() {
		unlock, err := s.Lock(t.Context(), project)
		if err == nil {
			unlock()
		}
		second <- err
	}()
	unlock()
	if err := <-second; err != nil {
		t.Errorf("after unlocking: %v", err)
	}
}

func TestCreating_a_file_never_replaces_one(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := credential.CreateFile(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := credential.CreateFile(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
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
