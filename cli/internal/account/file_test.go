package account_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/babelon/babelon/cli/internal/account"
	"github.com/babelon/babelon/cli/internal/credential"
)

const project = "https://abcdefghijklmnopqrst.supabase.co"

// file returns a place for a session, as Lock makes it.
func file(t *testing.T) account.File {
	t.Helper()
	s := account.File{Dir: filepath.Join(t.TempDir(), "babelon", "sessions"), URL: project}
	unlock, err := s.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	return s
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil { //nolint:gosec // a path in the test's own directory
		t.Fatal(err)
	}
}

func TestA_session_is_kept_per_URL_until_it_is_deleted(t *testing.T) {
	s := file(t)
	want := credential.Session{
		Email:        "ada@example.com",
		AccessToken:  credential.NewSecret("access"),
		RefreshToken: credential.NewSecret("refresh"),
		ExpiresAt:    time.Date(2026, 11, 24, 18, 12, 14, 0, time.UTC),
	}
	if err := s.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if got.Email != want.Email || got.AccessToken.Reveal() != "access" || got.RefreshToken.Reveal() != "refresh" || !got.ExpiresAt.Equal(want.ExpiresAt) {
		t.Errorf("got %+v back", got)
	}
	if _, err := (account.File{Dir: s.Dir, URL: "https://other.supabase.co"}).Load(); !errors.Is(err, credential.ErrNoSession) {
		t.Errorf("another URL has a session too: %v", err)
	}
	for range 2 { // the second time there is nothing left to delete
		if err := s.Delete(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Load(); !errors.Is(err, credential.ErrNoSession) {
		t.Errorf("the session outlives its deletion: %v", err)
	}
}

func TestA_session_is_readable_by_its_owner_alone(t *testing.T) {
	s := file(t)
	if err := s.Save(credential.Session{AccessToken: credential.NewSecret("access")}); err != nil {
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
	s := file(t)
	if err := s.Save(credential.Session{AccessToken: credential.NewSecret("access")}); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(s.Dir, "*.json"))
	write(t, files[0], `{"access_`)
	if _, err := s.Load(); err == nil || errors.Is(err, credential.ErrNoSession) {
		t.Errorf("got %v", err)
	}
}

func TestA_session_goes_to_no_other_address_than_its_own(t *testing.T) {
	s := file(t)
	if err := s.Save(credential.Session{AccessToken: credential.NewSecret("access")}); err != nil {
		t.Fatal(err)
	}
	mine, _ := filepath.Glob(filepath.Join(s.Dir, "*.json"))
	content, err := os.ReadFile(mine[0])
	if err != nil {
		t.Fatal(err)
	}
	other := account.File{Dir: s.Dir, URL: "https://other.supabase.co"}
	if err := other.Save(credential.Session{AccessToken: credential.NewSecret("access")}); err != nil {
		t.Fatal(err)
	}
	both, _ := filepath.Glob(filepath.Join(s.Dir, "*.json"))
	for _, path := range both {
		write(t, path, string(content))
	}
	if got, err := other.Load(); err == nil || errors.Is(err, credential.ErrNoSession) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestA_locked_session_is_waited_for_until_interrupted(t *testing.T) {
	s := file(t)
	// Whoever gives up may still be opening the lock's file while the test's directory is being removed.
	t.Cleanup(func() {
		for err := os.RemoveAll(s.Dir); err != nil; {
			err = os.RemoveAll(s.Dir)
		}
	})
	unlock, err := s.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Lock(impatient); !errors.Is(err, context.Canceled) {
		t.Fatalf("a second lock: %v", err)
	}
	second := make(chan error)
	go func() {
		unlock, err := s.Lock(t.Context())
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
