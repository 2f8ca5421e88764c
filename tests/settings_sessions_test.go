package tests

import (
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

func TestSettings_a_session_is_of_one_browser_and_ends(t *testing.T) {
	organization := newOrganization(t)
	home := t.TempDir()
	logIn(t, home, "admin")
	server := serveSettings(t, home)
	path := "/organizations/" + organization + "/api-access"
	cookie := func(v *visitor) string {
		u, _ := url.Parse(server.root + "/")
		for _, c := range v.client.Jar.Cookies(u) {
			return c.Value
		}
		return ""
	}

	// The printed address offers the session of the command line, once. Nothing else does.
	stranger, holder := newVisitor(t, server), newVisitor(t, server)
	key := strings.TrimPrefix(server.address, server.root)
	stranger.get("/open?key=wrong")
	holder.get(key)
	stranger.get(key)
	if strings.Contains(string(stranger.get("/sign-in").body), people["admin"].Email) {
		t.Error("a stranger is told who is signed in")
	}
	stranger.post("/continue", url.Values{"csrf": {stranger.csrf()}}).wantPage(t, 403, "Open the address")
	holder.get("/sign-in").wantPage(t, 200, "Continue as <bdi>admin@example.com</bdi>")
	before := cookie(holder)
	holder.post("/continue", url.Values{"csrf": {holder.csrf()}, "organization": {organization}}).wantPage(t, 303, "")
	if cookie(holder) == before {
		t.Error("the cookie is the same after signing in")
	}
	holder.get(path).wantPage(t, 200, "admin@example.com")

	// Signing out on the command line ends it here.
	cmd := exec.Command(binary, "logout")
	cmd.Dir, cmd.Env = home, environment(home, project.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	holder.get(path).wantPage(t, 303, "")

	// Signing in with a password makes the earlier cookie worthless.
	v := newVisitor(t, server)
	v.get("/sign-in")
	before = cookie(v)
	wrong := v.post("/sign-in", url.Values{"csrf": {v.csrf()}, "email": {people["owner"].Email}, "password": {"wrong"}})
	wrong.wantPage(t, 401, "The e-mail address or the password is wrong.")
	v.signIn("owner", organization)
	after := cookie(v)
	if after == before {
		t.Error("the cookie is the same after signing in")
	}
	// A session of one's own does not open the command line's.
	v.post("/continue", url.Values{"csrf": {v.csrf()}}).wantPage(t, 403, "Open the address")
	set := v.post("/sign-in", url.Values{"csrf": {v.csrf()}, "email": {people["owner"].Email}, "password": {password}}).header.Get("Set-Cookie")
	if !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Strict") || !strings.Contains(set, "Path="+strings.TrimPrefix(server.root, server.origin)+"/;") || strings.Contains(set, "Expires") {
		t.Errorf("the cookie is set as %s", set)
	}
	old := v.request(http.MethodGet, path, nil)
	name, _, _ := strings.Cut(set, "=")
	old.Header.Set("Cookie", name+"="+after)
	if a := (&visitor{t, server, &http.Client{CheckRedirect: v.client.CheckRedirect}}).send(old); a.status != 303 {
		t.Errorf("the cookie from before the last sign-in: %d", a.status)
	}
	last := cookie(v)
	v.post("/sign-out", url.Values{"csrf": {v.csrf()}}).wantPage(t, 303, "")
	old.Header.Set("Cookie", name+"="+last)
	if a := (&visitor{t, server, &http.Client{CheckRedirect: v.client.CheckRedirect}}).send(old); a.status != 303 {
		t.Errorf("the cookie from before signing out: %d", a.status)
	}

	// Guessing passwords is slowed down.
	form := url.Values{"csrf": {v.csrf()}, "email": {people["owner"].Email}, "password": {"wrong"}}
	for try := 1; ; try++ {
		a := v.post("/sign-in", form)
		if a.status == http.StatusTooManyRequests {
			if a.header.Get("Retry-After") == "" {
				t.Error("it does not say how long")
			}
			break
		}
		if try == 20 {
			t.Fatal("nobody minds 20 wrong passwords")
		}
	}
}

func TestSettings_behind_TLS_nothing_of_the_command_line_is_offered(t *testing.T) {
	organization := newOrganization(t)
	home := t.TempDir()
	logIn(t, home, "owner")
	port := freePort(t)
	server := serveSettings(t, home, "--listen", "127.0.0.1:"+port, "--public-url", "https://tokens.example.com")
	if server.address != "https://tokens.example.com" {
		t.Errorf("the address is %s", server.address)
	}
	send := func(method, path, cookie string, form url.Values) answer {
		v := &visitor{t, server, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
		request := v.request(method, path, form)
		request.URL.Scheme, request.URL.Host = "http", "127.0.0.1:"+port // as the proxy does
		request.Host = "tokens.example.com"
		request.Header.Set("Cookie", cookie)
		request.Header.Set("X-Forwarded-Host", "example.com")
		return v.send(request)
	}
	for _, path := range []string{"/open?key=", "/sign-in"} {
		send(http.MethodGet, path, "", nil).wantPage(t, 200, "")
	}
	a := send(http.MethodGet, "/sign-in", "", nil)
	if strings.Contains(string(a.body), "Continue as") {
		t.Error("the session of the command line is offered to everybody")
	}
	cookie, attributes, _ := strings.Cut(a.header.Get("Set-Cookie"), "; ")
	if !strings.HasPrefix(cookie, "__Host-") || !strings.Contains(attributes, "Secure") {
		t.Errorf("the cookie is %s; %s", cookie, attributes)
	}
	csrf := string(csrfField.FindSubmatch(a.body)[1])
	send(http.MethodPost, "/continue", cookie, url.Values{"csrf": {csrf}}).wantPage(t, 403, "")
	a = send(http.MethodPost, "/sign-in", cookie, url.Values{"csrf": {csrf}, "email": {people["viewer"].Email}, "password": {password}, "organization": {organization}})
	a.wantPage(t, 303, "")
	cookie, _, _ = strings.Cut(a.header.Get("Set-Cookie"), ";")
	send(http.MethodGet, a.header.Get("Location"), cookie, nil).wantPage(t, 200, "viewer@example.com")
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}
