package settings

// What keeps others out, in the order in which a request meets it: bounds on its size and time, the headers of every
// answer, the prefix of our paths, the host name (against DNS rebinding), the origin, and for forms a token that only
// our own pages contain.

import (
	"context"
	"crypto/hmac"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	maxForm     = 16 << 10 // bytes; the longest form has a name of 100 characters
	maxDuration = 45 * time.Second
)

const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (s *Server) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.say(w, http.StatusForbidden, "This request comes from another site.")
	}))
	next = origin.Handler(next)
	hosts := s.hosts()

	return http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), maxDuration)
		defer cancel()
		defer s.recover(w)
		for name, value := range map[string]string{
			"Cache-Control":                "no-store",
			"Content-Security-Policy":      contentSecurityPolicy,
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Permissions-Policy":           "camera=(), geolocation=(), microphone=(), payment=(), usb=(), clipboard-read=(), clipboard-write=(self)",
			"Referrer-Policy":              "no-referrer",
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY", // for browsers without frame-ancestors
		} {
			w.Header().Set(name, value)
		}
		if !strings.HasPrefix(r.URL.Path, s.base+"/") { // before any page of ours, since those contain the prefix
			http.Error(w, "Open the address that babelon settings printed.", http.StatusNotFound)
			return
		}
		if !slices.Contains(hosts, strings.ToLower(r.Host)) {
			s.say(w, http.StatusMisdirectedRequest, "This page has another address.")
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	}), maxForm)
}

// hosts returns the names that browsers may use for the page.
func (s *Server) hosts() []string {
	hosts := []string{strings.ToLower(s.Origin.Host)}
	if s.CommandLine != nil {
		hosts = append(hosts, net.JoinHostPort("localhost", s.Origin.Port()))
	}
	return hosts
}

// recover answers a request whose handler panicked. The panic may contain a secret, so only its type is told.
func (s *Server) recover(w http.ResponseWriter) {
	switch reason := recover(); reason {
	case nil:
	case http.ErrAbortHandler:
		panic(reason)
	default:
		s.Notef("a request failed because of a bug in babelon (%T)", reason)
		http.Error(w, "Something went wrong. Try again.", http.StatusInternalServerError)
	}
}

// genuine admits forms that come from a page of ours in the same browser.
func (s *Server) genuine(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var tooLarge *http.MaxBytesError
		err := r.ParseForm()
		switch {
		case errors.As(err, &tooLarge):
			s.say(w, http.StatusRequestEntityTooLarge, "This form is too large.")
		case err != nil:
			s.say(w, http.StatusBadRequest, "This form cannot be read.")
		case s.cookie(r) == "" || !hmac.Equal([]byte(r.PostForm.Get("csrf")), []byte(s.csrf(s.cookie(r)))):
			s.say(w, http.StatusForbidden, "This page is out of date. Reload it and try again.")
		default:
			next(w, r)
		}
	}
}

// arrived lets people in who follow a link from another site. The cookie is SameSite=Strict, so the browser leaves it
// out of that request and the person would look signed out. Our own page then asks again, with the cookie.
func (s *Server) arrived(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
			s.sendTo(w, r, r.URL.RequestURI())
			return
		}
		next(w, r)
	}
}

// sendTo answers with a page that loads another page of ours by itself and leaves no trace in the history.
func (s *Server) sendTo(w http.ResponseWriter, r *http.Request, path string) {
	// With the host, so that a path such as //example.com stays one.
	_ = s.render(w, http.StatusOK, "elsewhere", map[string]any{"Title": "API Access", "Address": s.Origin.Scheme + "://" + r.Host + s.page(path)})
}
