package settings

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/babelon/babelon/cli/internal/account"
	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

const (
	maxIdle      = 2 * time.Hour // since the person last did something; an open page that polls does nothing
	maxAge       = 12 * time.Hour
	maxPerPerson = 20
	maxSessions  = 2000 // of some kilobytes each
)

// A session is one browser's: the browser has a random cookie, and the server what the cookie stands for.
type session struct {
	person     *person // nil while the visitor, who opened the printed address, has not signed in
	began      time.Time
	seen       time.Time
	generating chan struct{}     // full while a token is being generated
	spent      map[string]string // the client IDs of tokens whose secret has been shown, by request_id
}

// sessions are keyed by the hash of the cookie, so that what is in memory opens nothing.
type sessions struct {
	mu     sync.Mutex
	byHash map[[sha256.Size]byte]*session
	key    []byte // for the forms' tokens
}

func newSessions() *sessions {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return &sessions{byHash: map[[sha256.Size]byte]*session{}, key: key}
}

// add begins a session and returns its cookie.
func (s *sessions) add(p *person, now time.Time) (cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(p, now)
	cookie = rand.Text()
	s.byHash[sha256.Sum256([]byte(cookie))] = &session{
		person: p, began: now, seen: now, generating: make(chan struct{}, 1), spent: map[string]string{},
	}
	return cookie
}

// makeRoom ends the idlest session of p where p has too many. Where there are too many in all, it ends the idlest of
// the person who has the most: a crowd of sign-ins costs its own people their sessions first.
func (s *sessions) makeRoom(p *person, now time.Time) {
	held := map[string]int{}
	for hash, other := range s.byHash {
		if other.over(now) {
			delete(s.byHash, hash)
		} else {
			held[other.person.id()]++
		}
	}
	loser := p.id()
	if held[loser] < maxPerPerson {
		if len(s.byHash) < maxSessions {
			return
		}
		most := slices.Max(slices.Collect(maps.Values(held)))
		s.endIdlest(func(id string) bool { return held[id] == most })
		return
	}
	s.endIdlest(func(id string) bool { return id == loser })
}

// endIdlest ends the idlest session among those of some people.
func (s *sessions) endIdlest(of func(id string) bool) {
	var idlest [sha256.Size]byte
	for hash, other := range s.byHash {
		if first, found := s.byHash[idlest]; of(other.person.id()) && (!found || other.seen.Before(first.seen)) {
			idlest = hash
		}
	}
	delete(s.byHash, idlest)
}

// find returns the session of a cookie, or nil. active says that the person did something.
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

// holdsKey reports whether the visitor opened the printed address and has not signed in yet.
func (s *session) holdsKey() bool { return s != nil && s.person == nil }

// session returns the session that a request belongs to, or nil.
func (s *Server) session(r *http.Request) *session {
	return s.sessions.find(s.cookie(r), !isPoll(r), s.Now())
}

// isPoll reports whether the open page asks by itself.
func isPoll(r *http.Request) bool { return r.Header.Get("Babelon-Poll") != "" }

// csrf returns the token that the forms of a browser with this cookie carry. A browser gets a cookie before anybody
// signs in; the server keeps nothing for it.
func (s *Server) csrf(cookie string) string {
	mac := hmac.New(sha256.New, s.sessions.key)
	mac.Write([]byte(cookie))
	return hex.EncodeToString(mac.Sum(nil))
}

// newBase returns a random prefix for all paths on this machine. Cookies ignore ports, so the browser would send ours
// to every other server on this machine, too. It sends them only under the cookie's path, and no other server knows
// this one.
func newBase() string { return "/" + rand.Text() }

// cookieName contains the port, so that two servers do not overwrite each other's cookies.
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
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // not Secure without TLS, which is only on this machine: browsers would drop the cookie
		Name: s.cookieName(), Value: value, Path: s.page("/"),
		HttpOnly: true, Secure: s.Origin.Scheme == "https", SameSite: http.SameSiteStrictMode,
	})
}

// A person is signed in, and acts through sessions of the project that last about an hour each.
type person struct {
	email   string
	current func(context.Context) (credential.Session, error) // refreshed when it is due
	signOut func(context.Context)
}

// id tells people apart. Accounts that sign in with a password have an e-mail address that no other such account has.
func (p *person) id() string {
	if p == nil {
		return ""
	}
	return strings.ToLower(p.email)
}

// ended is the error of a session that cannot be used any more.
func ended() error {
	return &fault.Error{Kind: fault.Authentication, Message: "your session has ended"}
}

// onCommandLine returns the person who is signed in on the command line. Signing out here does not sign them out
// there. Signing out there, or signing in as somebody else, ends the session here.
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

// withPassword returns the person who signed in with a password. A refresh token works once, so only one request at a
// time refreshes the session, and it finishes even when its browser has gone away.
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
