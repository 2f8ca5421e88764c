package settings

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// signedIn serves people who are signed in, and asks everybody else to sign in.
func (s *Server) signedIn(next func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if visitor := s.session(r); visitor != nil && visitor.person != nil {
			next(w, r, visitor)
			return
		}
		s.toSignIn(w, r, r.Method == http.MethodPost || isPoll(r)) // an open page had a session
	}
}

// toSignIn sends the browser to the sign-in page, which says so if a session has ended. After signing in, people get
// back to their organization; the address keeps only its id, so that it can lead to no other site.
func (s *Server) toSignIn(w http.ResponseWriter, r *http.Request, ended bool) {
	query := url.Values{}
	if organization := r.PathValue("organization"); config.IsUUID(organization) {
		query.Set("organization", organization)
	}
	if ended {
		query.Set("ended", "1")
	}
	s.seeOther(w, r, strings.TrimSuffix("/sign-in?"+query.Encode(), "?"))
}

// isOver reports whether the project no longer accepts the person's session. It then ends the session here and sends
// the person to sign in again.
func (s *Server) isOver(w http.ResponseWriter, r *http.Request, err error) bool {
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Authentication {
		return false
	}
	s.sessions.remove(s.cookie(r))
	s.toSignIn(w, r, true)
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
	// The peer's address, and no header: the sender writes those.
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

// continueAs lets the visitor who opened the printed address in as the person who is signed in on the command line.
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

// enter begins a person's session, with a new cookie.
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
