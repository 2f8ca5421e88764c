package settings

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/babelon/babelon/cli/internal/account"
	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

const (
	maxIdle     = 2 * time.Hour // without anybody doing anything; that a page is open does not count
	maxAge      = 12 * time.Hour
	maxSessions = 1000
)

// A session is somebody at a browser. The browser has a random cookie, and this process what it stands for.
type session struct {
	person     *person // nil before its holder, who opened the printed address, signs in
	began      time.Time
	seen       time.Time
	generating chan struct{}   // holds something while a token is generated
	spent      map[string]bool // request_ids whose token has been shown
}

// sessions keeps them by the hash of the cookie, so that what is in memory is no key to anything.
type sessions struct {
	mu     sync.Mutex
	byHash map[[sha256.Size]byte]*session
	key    []byte // of the forms' tokens
}

func newSessions() *sessions {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return &sessions{byHash: map[[sha256.Size]byte]*session{}, key: key}
}

// add returns the cookie of a new session. Where there are too many, the one that was idle longest ends.
func (s *sessions) add(p *person, now time.Time) (cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var idlest [sha256.Size]byte
	for hash, other := range s.byHash {
		if other.over(now) {
			delete(s.byHash, hash)
		} else if first, ok := s.byHash[idlest]; !ok || other.seen.Before(first.seen) {
			idlest = hash
		}
	}
	if len(s.byHash) >= maxSessions {
		delete(s.byHash, idlest)
	}
	cookie = rand.Text()
	s.byHash[sha256.Sum256([]byte(cookie))] = &session{
		person: p, began: now, seen: now, generating: make(chan struct{}, 1), spent: map[string]bool{},
	}
	return cookie
}

// find returns the session of a cookie, or nil. active says that somebody did something.
func (s *sessions) find(cookie string, active bool, now time.Time) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash := sha256.Sum256([]byte(cookie))
	found := s.byHash[hash]
	switch {
	case found == nil:
	case found.over(now):
		delete(s.byHash, hash)
		return nil
	case active:
		found.seen = now
	}
	return found
}

func (s *sessions) remove(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byHash, sha256.Sum256([]byte(cookie)))
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.seen) >= maxIdle || now.Sub(s.began) >= maxAge
}

// holdsKey reports whether it is of who opened the printed address and has not signed in.
func (s *session) holdsKey() bool { return s != nil && s.person == nil }

// session returns that of a request, or nil.
func (s *Server) session(r *http.Request) *session {
	return s.sessions.find(s.cookie(r), r.Header.Get("Babelon-Poll") == "", s.Now())
}

// csrf returns the token that forms of a browser with this cookie carry. A browser has a cookie before anybody
// signs in, which nothing is kept for.
func (s *Server) csrf(cookie string) string {
	mac := hmac.New(sha256.New, s.sessions.key)
	mac.Write([]byte(cookie))
	return hex.EncodeToString(mac.Sum(nil))
}

// newBase returns what the paths begin with on this machine. Browsers do not tell the ports of a host apart, so
// every server that somebody here runs is sent the cookies of ours when the browser goes there; but only beneath the
// cookie's path, and this one nobody else knows.
func newBase() string { return "/" + rand.Text() }

// cookieName has the port in it, so that two of us do not overwrite each other's.
func (s *Server) cookieName() string {
	if s.Origin.Scheme == "https" {
		return "__Host-babelon"
	}
	return "babelon-" + s.Origin.Port()
}

func (s *Server) cookie(r *http.Request) string {
	cookie, err := r.Cookie(s.cookieName())
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (s *Server) setCookie(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // without TLS only on this machine, where Secure would be refused
		Name: s.cookieName(), Value: value, Path: s.page("/"),
		HttpOnly: true, Secure: s.Origin.Scheme == "https", SameSite: http.SameSiteStrictMode,
	})
}

// A person is whoever is signed in, and acts through sessions of the project's that last an hour or so each.
type person struct {
	email   string
	current func(context.Context) (credential.Session, error) // refreshed where it is due
	signOut func(context.Context)
}

// ended is what a person's session has when it can be used no more.
func ended() error {
	return &fault.Error{Kind: fault.Authentication, Message: "your session has ended"}
}

// onCommandLine returns the person who is signed in on the command line. Signing out of the page leaves them
// signed in there; signing out there, or somebody else's signing in, ends it here.
func (s *Server) onCommandLine(ctx context.Context) (*person, error) {
	first, err := s.CommandLine(ctx)
	if err != nil {
		return nil, err
	}
	return &person{
		email: first.Email,
		current: func(ctx context.Context) (credential.Session, error) {
			now, err := s.CommandLine(ctx)
			if errors.Is(err, credential.ErrNoSession) || err == nil && now.Email != first.Email {
				return now, ended()
			}
			return now, err
		},
		signOut: func(context.Context) {},
	}, nil
}

// withPassword returns the person whose session was got by a password. One request at a time refreshes it,
// because a refresh token works once; and to the end, also when that request is gone.
func (s *Server) withPassword(session credential.Session) *person {
	store := account.InMemory()
	_ = store.Save(session) // into memory
	who := account.Person{Project: s.Client, Store: store, Now: s.Now}
	return &person{
		email: session.Email,
		current: func(ctx context.Context) (credential.Session, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxDuration)
			defer cancel()
			now, err := who.Current(ctx)
			if errors.Is(err, credential.ErrNoSession) { // signed out in another tab, a moment ago
				return now, ended()
			}
			return now, err
		},
		signOut: func(ctx context.Context) { _ = who.SignOut(ctx) }, // here it is over anyway
	}
}

// as returns a client that calls as the person.
func (s *Server) as(ctx context.Context, p *person) (*client.Client, error) {
	current, err := p.current(ctx)
	if err != nil {
		return nil, err
	}
	return s.Client.WithSession(current.AccessToken), nil
}
