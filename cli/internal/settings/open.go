package settings

import (
	"crypto/hmac"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"sync"

	"github.com/babelon/babelon/cli/internal/term"
)

// How the person who runs the server gets in: by the printed address, which holds a key that works once.

// A launchKey proves, once, that a visitor can read the terminal of the person who started the server. Other
// accounts on the machine can reach the port but do not have the key.
type launchKey struct {
	mu   sync.Mutex
	key  string
	used chan struct{}
}

func newLaunchKey() *launchKey {
	return &launchKey{key: rand.Text(), used: make(chan struct{})}
}

// use reports whether key is the launch key and has not been used before.
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

// launchURL returns the address to print, and a channel that closes when its key is used.
func (s *Server) launchURL() (address string, opened <-chan struct{}) {
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

// openBrowser opens the address in the user's browser. Everybody on the machine can read a command line, so the
// address goes into a file that only the user can read. The file is removed once the address is opened, or when
// cleanUp is called. It is in the home folder because sandboxed browsers, such as Ubuntu's, read files only there.
func openBrowser(out *term.IO, address string, opened <-chan struct{}) (cleanUp func()) {
	home, _ := os.UserHomeDir() // else the folder for temporary files
	file, err := os.CreateTemp(home, "babelon-settings-*.html")
	if err != nil {
		out.Notef("Open this address in a browser.")
		return func() {}
	}
	defer file.Close()
	cleanUp = func() { _ = os.Remove(file.Name()) }
	if _, err := fmt.Fprintf(file, "<!doctype html>\n<title>API Access</title>\n<meta http-equiv=\"refresh\" content=\"0; url=%s\">\n", address); err != nil {
		out.Notef("Open this address in a browser.")
		return cleanUp
	}
	name, arguments := "xdg-open", []string{file.Name()}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, arguments = "rundll32", []string{"url.dll,FileProtocolHandler", file.Name()}
	}
	browser := exec.Command(name, arguments...)
	if err := browser.Start(); err != nil {
		out.Notef("Open this address in a browser; none was found here.")
		return cleanUp
	}
	go func() { _ = browser.Wait() }()
	go func() {
		<-opened
		cleanUp()
	}()
	return cleanUp
}
