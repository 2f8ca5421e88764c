package tests

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// A visitor is somebody who speaks HTTP to the page without a browser.
type visitor struct {
	t      *testing.T
	server *settingsServer
	client *http.Client
}

func newVisitor(t *testing.T, server *settingsServer) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, server, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (v *visitor) send(request *http.Request) answer {
	v.t.Helper()
	response, err := v.client.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body}
}

// request returns one as the visitor's browser would send it; change it to forge one.
func (v *visitor) request(method, path string, form url.Values) *http.Request {
	v.t.Helper()
	request, err := http.NewRequest(method, v.server.root+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", v.server.origin)
	}
	return request
}

func (v *visitor) get(path string) answer {
	v.t.Helper()
	return v.send(v.request(http.MethodGet, path, nil))
}

func (v *visitor) post(path string, form url.Values) answer {
	v.t.Helper()
	return v.send(v.request(http.MethodPost, path, form))
}

var csrfField = regexp.MustCompile(`name="csrf" value="([0-9a-f]+)"`)

// csrf returns the token of the visitor's forms.
func (v *visitor) csrf() string {
	v.t.Helper()
	a := v.get("/sign-in")
	for a.status/100 == 3 {
		a = v.get(strings.TrimPrefix(v.server.origin+a.header.Get("Location"), v.server.root))
	}
	found := csrfField.FindSubmatch(a.body)
	if found == nil {
		v.t.Fatalf("%d: no form: %s", a.status, a.body)
	}
	return string(found[1])
}

func (v *visitor) signIn(who, organization string) {
	v.t.Helper()
	a := v.post("/sign-in", url.Values{"csrf": {v.csrf()}, "email": {people[who].Email}, "password": {password}, "organization": {organization}})
	a.wantPage(v.t, 303, "")
}

// wantPage fails the test unless the answer has the status and its page the text.
func (a answer) wantPage(t *testing.T, status int, text string) {
	t.Helper()
	if a.status != status || !strings.Contains(string(a.body), text) {
		t.Errorf("got %d, want %d %q: %s", a.status, status, text, secretPattern.ReplaceAll(a.body, []byte("SECRET")))
	}
	if secretPattern.Match(a.body) {
		t.Error("there is a secret in it")
	}
}
