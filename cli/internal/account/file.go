package account

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

	"github.com/babelon/babelon/cli/internal/credential"
)

// A File is a Store on disk that only its owner can read. It holds the session for one project's URL, and the session
// goes to no other.
type File struct {
	Dir string // of the sessions for all projects
	URL string
}

// content is what the file holds. Nothing else writes a session's tokens.
type content struct {
	URL          string    `json:"url"`
	Email        string    `json:"email"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	ExpiresAt    time.Time `json:"expires_at"`
}

// maxFileSize is far more than a session's tokens need, in bytes.
const maxFileSize = 256 << 10

// Load returns the session, or credential.ErrNoSession.
func (f File) Load() (credential.Session, error) {
	data, err := credential.ReadFile(f.path(), maxFileSize)
	if errors.Is(err, fs.ErrNotExist) {
		return credential.Session{}, credential.ErrNoSession
	}
	if err != nil {
		return credential.Session{}, fmt.Errorf("read session: %w", err)
	}
	var c content
	if json.Unmarshal(data, &c) != nil || c.AccessToken == "" || c.URL != f.URL {
		return credential.Session{}, fmt.Errorf("read session: %s is damaged", f.path())
	}
	return credential.Session{
		Email:        c.Email,
		AccessToken:  credential.NewSecret(c.AccessToken),
		RefreshToken: credential.NewSecret(c.RefreshToken),
		ExpiresAt:    c.ExpiresAt,
	}, nil
}

// Save keeps the session in place of an earlier one.
func (f File) Save(session credential.Session) error {
	data, err := json.MarshalIndent(content{
		URL:          f.URL,
		Email:        session.Email,
		AccessToken:  session.AccessToken.Reveal(),
		RefreshToken: session.RefreshToken.Reveal(),
		ExpiresAt:    session.ExpiresAt,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	if err := credential.ReplaceFile(f.path(), append(data, '\n')); err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// Delete forgets the session, if there is one.
func (f File) Delete() error {
	if err := os.Remove(f.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}

// Lock keeps other processes from changing the session until unlock is called.
func (f File) Lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock session: %w", err)
	}
	type result struct {
		unlock func()
		err    error
	}
	done := make(chan result)
	go func() {
		unlock, err := lockedfile.MutexAt(f.path() + ".lock").Lock()
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

// path is named by a hash, because a URL is no file name.
func (f File) path() string {
	sum := sha256.Sum256([]byte(f.URL))
	return filepath.Join(f.Dir, hex.EncodeToString(sum[:8])+".json")
}
