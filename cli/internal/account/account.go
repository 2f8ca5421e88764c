// Package account is a person's session with a project: begun with a password, refreshed when it is due, and ended.
package account

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// A Person signs in to a project, acts there, and signs out.
type Person struct {
	Project *client.Client
	Store   Store
	Now     func() time.Time
}

// A Store keeps a person's session: a File for the command line, Memory for a server.
type Store interface {
	// Lock keeps others from changing the session until unlock is called.
	Lock(ctx context.Context) (unlock func(), err error)
	// Load returns the session, or credential.ErrNoSession.
	Load() (credential.Session, error)
	// Save keeps the session in place of an earlier one.
	Save(credential.Session) error
	// Delete forgets the session, if there is one.
	Delete() error
}

// SignIn begins a session with a password, in place of an earlier one.
func (p *Person) SignIn(ctx context.Context, email string, password credential.Secret) (credential.Session, error) {
	session, err := p.Project.SignIn(ctx, email, password)
	if err != nil {
		return session, err
	}
	unlock, err := p.Store.Lock(ctx)
	if err != nil {
		return session, err
	}
	defer unlock()
	return session, p.Store.Save(session)
}

// Current returns the session, refreshed if it is due, or credential.ErrNoSession. Only one caller at a time refreshes
// it: two at once would use up each other's refresh token.
func (p *Person) Current(ctx context.Context) (credential.Session, error) {
	session, err := p.Store.Load()
	if err != nil || !session.Due(p.Now()) {
		return session, err
	}
	unlock, err := p.Store.Lock(ctx)
	if err != nil {
		return session, err
	}
	defer unlock()
	session, err = p.Store.Load() // it may have been refreshed meanwhile
	if err != nil || !session.Due(p.Now()) {
		return session, err
	}
	next, err := p.Project.Refresh(ctx, session.RefreshToken)
	var f *fault.Error
	switch {
	case errors.As(err, &f) && f.Kind == fault.Authentication:
		return session, &fault.Error{Kind: fault.Authentication, Message: "the session has ended", Hint: "Run `babelon login`.", Err: err}
	case err != nil:
		return session, err
	}
	return next, p.Store.Save(next)
}

// SignOut forgets the session and ends it on the server. It returns credential.ErrNoSession if there was none, and a
// *fault.Error if the server could not end it.
func (p *Person) SignOut(ctx context.Context) error {
	unlock, err := p.Store.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	session, err := p.Store.Load()
	if errors.Is(err, credential.ErrNoSession) {
		return err
	}
	if deleted := p.Store.Delete(); deleted != nil || err != nil {
		return errors.Join(deleted, err)
	}
	if session.Due(p.Now()) { // the server takes an access token that is still good
		if session, err = p.Project.Refresh(ctx, session.RefreshToken); err != nil {
			return err
		}
	}
	return p.Project.SignOut(ctx, session.AccessToken)
}

// Memory is a Store that lasts as long as the process.
type Memory struct {
	turn    chan struct{}
	session atomic.Pointer[credential.Session]
}

// InMemory returns an empty Store.
func InMemory() *Memory { return &Memory{turn: make(chan struct{}, 1)} }

// Lock waits for its turn.
func (m *Memory) Lock(ctx context.Context) (unlock func(), err error) {
	select {
	case m.turn <- struct{}{}:
		return func() { <-m.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Load returns the session, or credential.ErrNoSession.
func (m *Memory) Load() (credential.Session, error) {
	if session := m.session.Load(); session != nil {
		return *session, nil
	}
	return credential.Session{}, credential.ErrNoSession
}

// Save keeps the session.
func (m *Memory) Save(session credential.Session) error {
	m.session.Store(&session)
	return nil
}

// Delete forgets the session.
func (m *Memory) Delete() error {
	m.session.Store(nil)
	return nil
}
