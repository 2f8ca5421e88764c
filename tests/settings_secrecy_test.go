package tests

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/babelon/babelon/tests/stack"
)

func TestSettings_the_secret_is_nowhere_once_its_dialog_is_closed(t *testing.T) {
	organization := newOrganization(t)
	server := serveSettings(t, t.TempDir())
	b := newBrowser(t)
	w := b.first()
	w.signIn(server, "owner", organization)

	// Without scripts: the page with the secret is the answer to a form.
	w.scripts(false)
	w.click("#generate")
	w.until("document.getElementById('name')")
	w.enter("#name", "plain")
	w.click("dialog button.primary")
	plain := w.made()
	absent := func(where string) {
		t.Helper()
		if text := look[string](w, `document.documentElement.outerHTML + [...document.querySelectorAll("input")].map(i => i.value)`); secretPattern.MatchString(text) {
			t.Errorf("a secret is in the page: %s", where)
		}
	}
	reloadForm(w) // and so sends the form again
	w.shows("generated already")
	absent("after sending the form again")
	if n := len(list(t, organization)); n != 1 {
		t.Errorf("sending the form again made %d tokens", n)
	}
	plain.caller().rpc(t, "whoami", args{}).want(t, 200, "") // and did not change the secret

	w.open(server.tokens(organization))
	w.click("#generate")
	w.until("document.getElementById('name')")
	w.enter("#name", "left")
	w.click("dialog button.primary")
	left := w.made()
	w.click("dialog [data-close]")
	w.until("!document.getElementById('made-secret')")
	back(w)
	absent("after going back, without scripts")
	w.scripts(true)

	// With scripts: every way to leave the dialog.
	w.open(server.tokens(organization))
	secrets := []string{plain.APIToken, left.APIToken}
	for how, leave := range map[string]func(){
		"closed":     w.closeDialog,
		"Escape":     func() { w.press(kb.Escape, kb.Escape); w.until("!dialog.open") },
		"reloaded":   func() { w.reload() },
		"went away":  func() { w.open("about:blank"); back(w) },
		"went ahead": func() { w.open(server.root + "/nowhere"); back(w); w.do(chromedp.NavigateForward()); back(w) },
	} {
		made := w.generate(how)
		secrets = append(secrets, made.APIToken)
		leave()
		w.until("document.getElementById(" + quote(made.ClientID) + ")") // the list, with the token
		absent(how)
		stored := look[string](w, `(async () => JSON.stringify([
			{...localStorage}, {...sessionStorage}, document.cookie, history.state, name,
			await indexedDB.databases(), await caches.keys(), performance.getEntries()]))()`)
		if secretPattern.MatchString(stored) || strings.Contains(stored, `"caches"`) {
			t.Errorf("%s: a secret is in storage", how)
		}
	}
	w.signOut()

	b.close()
	if err := server.end(); err != nil {
		t.Error(err)
	}
	inProfile := func(text string) []string {
		t.Helper()
		found, err := stack.FilesWith(b.profile, text)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if len(inProfile(organization)) == 0 {
		t.Error("the profile does not have the page's address either: the search looks in the wrong place")
	}
	for _, secret := range secrets {
		if secretPattern.FindString(secret) == "" {
			t.Fatal("no secret was shown")
		}
		wide := make([]byte, 0, 2*len(secret))
		for _, unit := range utf16.Encode([]rune(secret)) {
			wide = append(wide, byte(unit), byte(unit>>8))
		}
		for _, form := range []string{secret, string(wide)} {
			if where := inProfile(form); len(where) > 0 {
				t.Errorf("a secret is in the browser's profile: %v", where)
			}
			if where := filesWith(t, form); len(where) > 0 {
				t.Errorf("a secret is in the project's files: %v", where)
			}
		}
	}
	if secretPattern.MatchString(server.output()) {
		t.Error("the server has written a secret")
	}
}

// back goes back in the history and waits for a page: ours, or the browser's warning that it would resend a form.
func back(w *window) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.NavigateBack()); err != nil && !strings.Contains(err.Error(), "ERR_CACHE_MISS") {
		w.t.Fatal(err)
	}
	w.until("document.readyState == 'complete'")
}

// reloadForm reloads the answer to a form. A person would be asked whether to send the form again.
func reloadForm(w *window) {
	w.t.Helper()
	command(w, page.Reload, page.ReloadParams{})
}

func TestSettings_another_server_on_the_machine_is_sent_no_cookie_and_finds_no_page(t *testing.T) {
	organization := newOrganization(t)
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)

	// Browsers send a host's cookies to all of its ports.
	path := strings.TrimPrefix(server.tokens(organization), server.root)
	asked := make(chan string, 100)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path + " " + r.Header.Get("Cookie")
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
	}))
	defer other.Close()
	w.open(other.URL + "/")
	look[string](w, "fetch("+quote(path)+").then(r => r.text())")
	look[string](w, "fetch('/').then(r => r.text())")
	w.open(server.tokens(organization))
	w.shows("No tokens yet") // still signed in
	close(asked)
	sent := ""
	for request := range asked {
		sent += request + "\n"
	}
	if !strings.Contains(sent, "/ seen=yes") || strings.Contains(sent, "babelon") {
		t.Errorf("the other server was sent:\n%s", sent)
	}

	// A visitor who does not know the prefix of the paths learns nothing.
	for _, ask := range []string{"", "/", "/sign-in", path, "/nowhere", "/assets/x/app.css", "/" + strings.Repeat("A", 26) + "/sign-in"} {
		for _, host := range []string{"", "example.com"} {
			request, err := http.NewRequest(http.MethodGet, server.origin+ask, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = host
			a := (&visitor{t, server, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}).send(request)
			secret := strings.TrimPrefix(server.root, server.origin+"/")
			if a.status != 404 || secret == "" || strings.Contains(fmt.Sprint(string(a.body), a.header), secret) {
				t.Errorf("%q, host %q: %d %s", ask, host, a.status, a.body)
			}
		}
	}
}
