// Package settings is the page Settings > API Access: the tokens of an organization in the browser.
//
// A request passes the guard (guard.go), finds its session (sessions.go), and calls the project as the person who is
// signed in. The project decides what that person may do; the page decides nothing. Every state of the page is a
// document that works without scripts. assets/app.js fetches the same documents and puts their parts in place, so
// there is one way to render anything.
package settings

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
	"github.com/babelon/babelon/cli/internal/term"
)

//go:embed templates assets
var files embed.FS

// Options name the project of the page and the ways in.
type Options struct {
	Config *config.Config
	Client *client.Client // of that project, without credentials
	Origin *url.URL       // the page's scheme and host, as browsers see them
	Now    func() time.Time
	Notef  func(format string, args ...any) // reports the server's own errors to the person who runs it

	// CommandLine returns the session of the person who is signed in on the command line. The page offers it to the
	// visitor who opens the printed address. It is nil where other people can reach the page.
	CommandLine func(context.Context) (credential.Session, error)
}

// A Server serves the page.
type Server struct {
	Options
	base     string // the prefix of all paths, or "" (sessions.go)
	handler  http.Handler
	views    *template.Template
	assets   map[string]asset
	sessions *sessions
	attempts *limiter
	launch   *launchKey
}

// New returns a server of the page.
func New(o Options) (*Server, error) {
	s := &Server{Options: o, sessions: newSessions(), attempts: newLimiter(), launch: newLaunchKey(), assets: map[string]asset{}}
	for name, contentType := range map[string]string{"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"} {
		content, err := files.ReadFile("assets/" + name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		s.assets[name] = asset{content, contentType, hex.EncodeToString(sum[:6])}
	}
	if o.CommandLine != nil {
		s.base = newBase()
	}
	var err error
	s.views, err = template.New("").Funcs(template.FuncMap{
		"page":  s.page,
		"add":   func(a, b int) int { return a + b },
		"split": strings.Split,
		"asset": func(name string) string { return s.page("/assets/" + s.assets[name].version + "/" + name) },
		"ago":   func(t time.Time) string { return term.Ago(o.Now(), t) },
		"exact": func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") },
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"day":   func(t time.Time) string { return t.UTC().Format("2 Jan 2006") },
	}).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	s.handler = s.guard(s.routes())
	return s, nil
}

func (s *Server) routes() http.Handler {
	const tokens = "/organizations/{organization}/api-access"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{version}/{name}", s.asset)
	mux.HandleFunc("GET /open", s.open)
	mux.HandleFunc("GET /sign-in", s.arrived(s.askToSignIn))
	mux.HandleFunc("POST /sign-in", s.genuine(s.signIn))
	mux.HandleFunc("POST /continue", s.genuine(s.continueAs))
	mux.HandleFunc("POST /sign-out", s.genuine(s.signOut))
	mux.HandleFunc("GET /{$}", s.arrived(s.signedIn(s.home)))
	mux.HandleFunc("GET "+tokens, s.arrived(s.signedIn(s.list)))
	mux.HandleFunc("GET "+tokens+"/generate", s.arrived(s.signedIn(s.askToGenerate)))
	mux.HandleFunc("POST "+tokens+"/generate", s.genuine(s.signedIn(s.generate)))
	mux.HandleFunc("GET "+tokens+"/{token}/revoke", s.arrived(s.signedIn(s.askToRevoke)))
	mux.HandleFunc("POST "+tokens+"/{token}/revoke", s.genuine(s.signedIn(s.revoke)))
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		s.say(w, http.StatusNotFound, "There is no such page.")
	})
	return http.StripPrefix(s.base, mux)
}

// page returns the path that browsers ask for.
func (s *Server) page(path string) string { return s.base + path }

// ServeHTTP serves the page.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// An asset never changes: its address contains the hash of its content.
type asset struct {
	content              []byte
	contentType, version string
}

func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	a, known := s.assets[r.PathValue("name")]
	if !known {
		s.say(w, http.StatusNotFound, "There is no such page.")
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	if a.version == r.PathValue("version") {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.content)
}

// render writes a whole page or none. It returns an error if the page did not leave this process.
func (s *Server) render(w http.ResponseWriter, status int, name string, data any) error {
	var page bytes.Buffer
	if err := s.views.ExecuteTemplate(&page, name, data); err != nil {
		panic(fmt.Sprintf("rendering %s: %v", name, err))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(page.Bytes())
	return errors.Join(err, http.NewResponseController(w).Flush())
}

// seeOther redirects the browser to another page of ours.
func (s *Server) seeOther(w http.ResponseWriter, r *http.Request, path string) {
	http.Redirect(w, r, s.page(path), http.StatusSeeOther) //nolint:gosec // the path begins with our own prefix
}

// say answers with a page of one sentence.
func (s *Server) say(w http.ResponseWriter, status int, sentence string) {
	_ = s.render(w, status, "message", map[string]any{"Title": http.StatusText(status), "Message": sentence})
}

// status returns the HTTP status for an error.
func status(err error) int {
	var f *fault.Error
	switch {
	case errors.As(err, &f) && f.Kind == fault.Failure && f.Status/100 == 4:
		return f.Status
	case errors.As(err, &f) && f.Status == http.StatusTooManyRequests:
		return f.Status
	}
	return http.StatusBadGateway
}

// sentence says what went wrong and, where that is known, what to do.
func sentence(err error) string {
	var f *fault.Error
	switch {
	case !errors.As(err, &f):
		return "Something went wrong. Try again."
	case f.Kind == fault.Interrupted, f.Kind == fault.Unavailable && f.Status == 0:
		return "The Supabase project cannot be reached at the moment. Try again."
	}
	if f.Code == "BBL_MFA_REQUIRED" {
		return "Your account has a second factor, and this page cannot ask for it yet. You can see the tokens here, " +
			"but not generate or revoke any (BBL_MFA_REQUIRED)."
	}
	text := upperFirst(f.Error()) + "."
	if f.Hint != "" && f.Kind != fault.Usage {
		text += " " + f.Hint
	}
	return text
}

func upperFirst(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// tokensPath returns the path of an organization's page.
func tokensPath(organization string) string {
	return "/organizations/" + url.PathEscape(strings.ToLower(organization)) + "/api-access"
}
