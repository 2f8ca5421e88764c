package credential

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// A Session is what Supabase Auth gives a person who signs in.
type Session struct {
	Email        string
	AccessToken  Secret
	RefreshToken Secret // usable once: each refresh brings the next one
	ExpiresAt    time.Time
}

// margin is how long a session must still last to be used as it is.
const margin = 30 * time.Second

// Due reports whether the session has to be refreshed before it is used.
func (s Session) Due(now time.Time) bool { return s.ExpiresAt.Sub(now) < margin }

// ErrNoSession is returned by Load when nobody is signed in.
var ErrNoSession = errors.New("not signed in")

// Sessions keeps one session per project URL, in files that only their owner can read.
type Sessions struct {
	Dir string
}

// sessionFile is a session on disk, the one place where its tokens are written.
type sessionFile struct {
	URL          string    `json:"url"`
	Email        string    `json:"email"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	ExpiresAt    time.Time `json:"expires_at"`
}

// Load returns the session for url, or ErrNoSession.
func (s Sessions) Load(url string) (Session, error) {
	data, err := os.ReadFile(s.path(url))
	if errors.Is(err, fs.ErrNotExist) {
		return Session{}, ErrNoSession
	}
	if err != nil {
		return Session{}, fmt.Errorf("read session: %w", err)
	}
	var file sessionFile
	if json.Unmarshal(data, &file) != nil || file.AccessToken == "" {
		return Session{}, fmt.Errorf("read session: %s is damaged", s.path(url))
	}
	return Session{
		Email:        file.Email,
		AccessToken:  NewSecret(file.AccessToken),
		RefreshToken: NewSecret(file.RefreshToken),
		ExpiresAt:    file.ExpiresAt,
	}, nil
}

// Save keeps the session for url in place of an earlier one.
func (s Sessions) Save(url string, session Session) error {
	data, err := json.MarshalIndent(sessionFile{
		URL:          url,
		Email:        session.Email,
		AccessToken:  session.AccessToken.Reveal(),
		RefreshToken: session.RefreshToken.Reveal(),
		ExpiresAt:    session.ExpiresAt,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	if err := ReplaceFile(s.path(url), append(data, '\n')); err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// Delete forgets the session for url, if there is one.
func (s Sessions) Delete(url string) error {
	if err := os.Remove(s.path(url)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}

// Lock keeps other processes from changing the session for url until unlock is called: two that
// refresh it at the same time would use up each other's refresh token.
func (s Sessions) Lock(ctx context.Context, url string) (unlock func(), err error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock session: %w", err)
	}
	type result struct {
		unlock func()
		err    error
	}
	done := make(chan result)
	go func() {
		unlock, err := lockedfile.MutexAt(s.path(url) + ".lock").Lock()
		select {
		case done <- result{unlock, err}:
		case <-ctx.Done(): // nobody waits for it any more
			if err == nil {
				unlock()
			}
		}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("lock session: %w", r.err)
		}
		return r.unlock, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("lock session: %w", ctx.Err())
	}
}

// path names the file by a hash, because a URL is no file name.
func (s Sessions) path(url string) string {
	sum := sha256.Sum256([]byte(url))
	return filepath.Join(s.Dir, hex.EncodeToString(sum[:8])+".json")
}
