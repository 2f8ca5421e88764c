package settings

import (
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// A launchKey is part of the address that is printed, and proves once that its holder can see what whoever
// started the server sees. Others on the same machine can reach the page and cannot.
type launchKey struct {
	mu   sync.Mutex
	key  string
	used chan struct{}
}

func newLaunchKey() *launchKey {
	return &launchKey{key: rand.Text(), used: make(chan struct{})}
}

// use reports whether it is the key, and the first use of it.
func (l *launchKey) use(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.key == "" || !hmac.Equal([]byte(key), []byte(l.key)) {
		return false
	}
	l.key = ""
	close(l.used)
	return true
}

// LaunchURL returns the address to print, and what tells that it was opened.
func (s *Server) LaunchURL() (address string, opened <-chan struct{}) {
	if s.CommandLine == nil {
		return s.Origin.String(), s.launch.used
	}
	return s.Origin.JoinPath(s.base, "open").String() + "?key=" + url.QueryEscape(s.launch.key), s.launch.used
}

// open exchanges the launch key for a cookie.
func (s *Server) open(w http.ResponseWriter, r *http.Request) {
	if s.CommandLine != nil && r.Method == http.MethodGet && s.launch.use(r.URL.Query().Get("key")) {
		s.sessions.remove(s.cookie(r))
		s.setCookie(w, s.sessions.add(nil, s.Now()))
	}
	s.sendTo(w, r, "/")
}

// signedIn admits who is signed in, and asks others to.
func (s *Server) signedIn(next func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if visitor := s.session(r); visitor != nil && visitor.person != nil {
			next(w, r, visitor)
			return
		}
		s.toSignIn(w, r)
	}
}

// toSignIn sends somebody to sign in, and back to their organization afterwards: its id is all that is kept of
// where they wanted to go, so that it can be no other site.
func (s *Server) toSignIn(w http.ResponseWriter, r *http.Request) {
	query := url.Values{}
	if organization := r.PathValue("organization"); config.IsUUID(organization) {
		query.Set("organization", organization)
	}
	if r.Method == http.MethodPost {
		query.Set("ended", "1")
	}
	s.seeOther(w, r, strings.TrimSuffix("/sign-in?"+query.Encode(), "?"))
}

// isOver reports whether the person has to sign in again, and sends them to where they can.
func (s *Server) isOver(w http.ResponseWriter, r *http.Request, err error) bool {
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Authentication {
		return false
	}
	s.sessions.remove(s.cookie(r))
	s.toSignIn(w, r)
	return true
}

// after returns where to go once signed in.
func after(organization string) string {
	if config.IsUUID(organization) {
		return tokensPath(organization)
	}
	return "/"
}

type signInView struct {
	Title, CSRF, Project, Organization, Email, Offer, Notice, Problem string
}

func (s *Server) askToSignIn(w http.ResponseWriter, r *http.Request) {
	organization := r.URL.Query().Get("organization")
	if visitor := s.session(r); visitor != nil && visitor.person != nil {
		s.seeOther(w, r, after(organization))
		return
	}
	view := signInView{Organization: organization}
	if r.URL.Query().Has("ended") {
		view.Notice = "Your session has ended. Sign in again."
	}
	s.showSignIn(w, r, http.StatusOK, view)
}

func (s *Server) showSignIn(w http.ResponseWriter, r *http.Request, status int, view signInView) {
	cookie := s.cookie(r)
	if cookie == "" {
		cookie = rand.Text()
		s.setCookie(w, cookie)
	}
	view.Title, view.CSRF, view.Project = "Sign in", s.csrf(cookie), s.Config.URL
	if s.session(r).holdsKey() {
		if known, err := s.CommandLine(r.Context()); err == nil {
			view.Offer = known.Email
		}
	}
	_ = s.render(w, status, "sign-in", view)
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	view := signInView{Organization: r.PostForm.Get("organization"), Email: strings.TrimSpace(r.PostForm.Get("email"))}
	// The peer, and nothing that a header says: whoever sends it can write that.
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	if wait := s.attempts.take(peer.Addr(), s.Now()); wait > 0 {
		seconds := int(math.Ceil(wait.Seconds()))
		w.Header().Set("Retry-After", fmt.Sprint(seconds))
		view.Problem = fmt.Sprintf("Too many attempts to sign in. Try again in %d seconds.", seconds)
		s.showSignIn(w, r, http.StatusTooManyRequests, view)
		return
	}
	password := credential.NewSecret(r.PostForm.Get("password"))
	if view.Email == "" || password.Reveal() == "" {
		view.Problem = "Enter your e-mail address and your password."
		s.showSignIn(w, r, http.StatusBadRequest, view)
		return
	}
	session, err := s.Client.SignIn(r.Context(), view.Email, password)
	var f *fault.Error
	switch {
	case errors.As(err, &f) && f.Kind == fault.Authentication && (f.Code == "" || f.Code == "invalid_credentials"):
		view.Problem = "The e-mail address or the password is wrong."
		s.showSignIn(w, r, http.StatusUnauthorized, view)
	case err != nil:
		view.Problem = sentence(err)
		s.showSignIn(w, r, status(err), view)
	default:
		s.attempts.giveBack(peer.Addr())
		s.enter(w, r, s.withPassword(session))
	}
}

// continueAs signs in whoever is signed in on the command line, for who opened the printed address.
func (s *Server) continueAs(w http.ResponseWriter, r *http.Request) {
	if !s.session(r).holdsKey() {
		s.say(w, http.StatusForbidden, "Open the address that babelon settings printed, or sign in.")
		return
	}
	person, err := s.onCommandLine(r.Context())
	if err != nil {
		problem := sentence(err)
		if errors.Is(err, credential.ErrNoSession) {
			problem = "Nobody is signed in on the command line any more."
		}
		s.showSignIn(w, r, status(err), signInView{Organization: r.PostForm.Get("organization"), Problem: problem})
		return
	}
	s.enter(w, r, person)
}

// enter begins the session of a person, with another cookie than the browser had before.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, p *person) {
	s.sessions.remove(s.cookie(r))
	s.setCookie(w, s.sessions.add(p, s.Now()))
	s.seeOther(w, r, after(r.PostForm.Get("organization")))
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	visitor := s.session(r)
	s.sessions.remove(s.cookie(r))
	s.setCookie(w, rand.Text())
	if visitor != nil && visitor.person != nil {
		visitor.person.signOut(r.Context())
	}
	s.seeOther(w, r, "/sign-in")
}

// A limiter slows attempts down: burst of them at once, then one every interval, for each address.
type limiter struct {
	mu   sync.Mutex
	free map[netip.Prefix]time.Time // when all of an address's attempts are available again
}

const (
	burst        = 10
	interval     = 6 * time.Second
	maxAddresses = 4096
)

func newLimiter() *limiter { return &limiter{free: map[netip.Prefix]time.Time{}} }

// take uses up an attempt and returns 0, or returns how long to wait for one.
func (l *limiter) take(address netip.Addr, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	who := network(address)
	free := l.free[who]
	if free.Before(now) {
		free = now
	}
	if wait := free.Sub(now) - (burst-1)*interval; wait > 0 {
		return wait
	}
	if _, known := l.free[who]; !known && len(l.free) >= maxAddresses {
		l.forget(now)
	}
	l.free[who] = free.Add(interval)
	return 0
}

// giveBack returns an attempt that succeeded.
func (l *limiter) giveBack(address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if free, known := l.free[network(address)]; known {
		l.free[network(address)] = free.Add(-interval)
	}
}

// forget makes room: of who has all attempts again, else of who has them soonest.
func (l *limiter) forget(now time.Time) {
	var first netip.Prefix
	for who, free := range l.free {
		if !free.After(now) {
			delete(l.free, who)
		} else if l.free[first].IsZero() || free.Before(l.free[first]) {
			first = who
		}
	}
	if len(l.free) >= maxAddresses {
		delete(l.free, first)
	}
}

// network is what one sender has at least: an IPv4 address, or an IPv6 network of 64 bits.
func network(address netip.Addr) netip.Prefix {
	bits := 64
	if address = address.Unmap(); address.Is4() {
		bits = 32
	}
	prefix, _ := address.Prefix(bits)
	return prefix
}
