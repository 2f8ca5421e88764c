package tests

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestSettings_an_owner_does_the_whole_job_in_the_browser(t *testing.T) {
	organization := newOrganization(t)
	home := t.TempDir()
	logIn(t, home, "owner")
	server := serveSettings(t, home)
	w := newBrowser(t).window()

	// The printed address lets its visitor continue as the person who is signed in on the command line.
	// The browser comes from a file, which is another site, and the strict cookie must still work.
	launch := filepath.Join(home, "launch.html")
	if err := os.WriteFile(launch, []byte(`<meta http-equiv="refresh" content="0; url=`+server.address+`">`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.open("file://" + launch)
	w.until("document.querySelector('[action$=\"/continue\"] button')")
	entries, err := chromedp.Run(w.ctx, chromedp.NavigationEntries())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries.Entries {
		if strings.Contains(entry.URL, "key=") {
			t.Error("the address with the key is in the history")
		}
	}
	w.click(`[action$="/continue"] button`)
	w.until("location.pathname.endsWith('/api-access')")
	// So it must when another site links to the page.
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<a href="`+server.tokens(organization)+`">tokens</a>`)
	}))
	defer elsewhere.Close()
	w.open(strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)) // another site than the number
	w.click("a")
	w.shows("No tokens yet")

	// The pair works in the file that is shown.
	made := w.generate("CI/CD Pipeline")
	w.shows("shown only once")
	content := look[string](w, "document.getElementById('text-file').textContent")
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, ".babelon.toml"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if who := runIn(t, folder, binary, "whoami"); !strings.Contains(who, made.ClientID) {
		t.Errorf("whoami with the file: %s", who)
	}
	// It works as exports, too.
	shell := look[string](w, "document.getElementById('text-shell').textContent")
	if who := runIn(t, t.TempDir(), "sh", "-c", shell+"babelon whoami"); !strings.Contains(who, made.ClientID) {
		t.Errorf("whoami with the exports: %s", who)
	}
	// The workflow has no secret in it.
	workflow := look[string](w, "document.getElementById('text-workflow').textContent")
	if strings.Contains(workflow, made.APIToken) || !strings.Contains(workflow, "${{ secrets.BABELON_API_TOKEN }}") || !strings.Contains(workflow, made.ClientID) {
		t.Errorf("the workflow: %s", secretPattern.ReplaceAllString(workflow, "SECRET"))
	}
	w.click("#tab-workflow")
	w.until("document.getElementById('panel-file').hidden && !document.getElementById('panel-workflow').hidden")
	w.closeDialog()
	w.shows("CI/CD Pipeline")
	w.reload()
	w.shows("just now") // when it was last used

	// The revoked row stays in its place, and the token is refused from then on.
	w.generate("Another")
	w.closeDialog()
	before := look[string](w, "[...document.querySelectorAll('tbody tr')].map(tr => tr.id).join()")
	w.click("#revoke-" + made.ClientID)
	w.until("dialog.open")
	w.shows("Revoke “CI/CD Pipeline”?")
	w.shows("at once, and for good")
	w.click("dialog button.danger")
	w.until("!dialog.open")
	w.until("document.activeElement.id == " + quote(made.ClientID))
	w.shows("“CI/CD Pipeline” is revoked")
	if after := look[string](w, "[...document.querySelectorAll('tbody tr')].map(tr => tr.id).join()"); after != before {
		t.Errorf("the rows were %s and are %s", before, after)
	}
	made.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_TOKEN_REVOKED")

	// The next visit hides it behind the toggle, which shows the refused attempts, too.
	w.open(server.tokens(organization))
	w.until("!document.getElementById(" + quote(made.ClientID) + ")")
	w.click("#revoked")
	w.until("document.getElementById(" + quote(made.ClientID) + ")")
	w.shows("refused once since")

	// Ctrl-C ends the server without a failure.
	if err := server.end(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	if secretPattern.MatchString(server.output()) {
		t.Error("the server has written a secret")
	}
}

func TestSettings_what_is_revoked_in_one_window_shows_in_the_other(t *testing.T) {
	organization := newOrganization(t)
	server := serveSettings(t, t.TempDir())
	b := newBrowser(t)
	first, second := b.window(), b.window()
	first.signIn(server, "owner", organization)
	second.signIn(server, "admin", organization)

	made := first.generate("shared")
	first.closeDialog()
	look[bool](second, "dispatchEvent(new Event('focus'))") // as when the user turns to the window
	second.until("document.getElementById(" + quote(made.ClientID) + ")")

	// An update loses neither what is typed nor the focus.
	second.click("#generate")
	second.until("document.activeElement.id == 'name'")
	second.enter("#name", "half a na")
	first.click("#revoke-" + made.ClientID)
	first.until("dialog.open")
	first.click("dialog button.danger")
	first.until("!dialog.open")
	look[bool](second, "dispatchEvent(new Event('focus'))")
	second.until("!document.getElementById(" + quote(made.ClientID) + ")")
	second.until("document.activeElement.id == 'name' && document.activeElement.value == 'half a na'")
	second.closeDialog()

	// The page polls every few seconds.
	other := generate(t, organization, "viewer")
	second.until("document.getElementById(" + quote(other.ClientID) + ")")

	// A row keeps the focus, unless it is gone.
	look[bool](second, "document.getElementById('copy-"+other.ClientID+"').focus() || true")
	other.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	look[bool](second, "dispatchEvent(new Event('focus'))")
	second.until("document.querySelector('.of-used time')")
	if focused := look[string](second, "document.activeElement.id"); focused != "copy-"+other.ClientID {
		t.Errorf("the focus is on %q", focused)
	}

	// The end of the session shows.
	first.signOut()
	look[bool](second, "dispatchEvent(new Event('focus'))")
	second.shows("Sign out") // another session
	third := second.another()
	third.open(server.tokens(organization))
	third.signOut()
	look[bool](second, "dispatchEvent(new Event('focus'))")
	second.until("location.pathname.endsWith('/sign-in')")
}

func TestSettings_everything_but_copying_works_without_scripts(t *testing.T) {
	organization := newOrganization(t)
	for range 11 {
		generate(t, organization, "viewer")
	}
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.scripts(false)
	w.signIn(server, "owner", organization)

	w.click("#generate")
	w.until("document.getElementById('name')")
	w.enter("#name", strings.Repeat("much too long ", 10))
	w.click(`dialog [value="viewer"]`)
	w.click("dialog button.primary")
	w.shows("BBL_INVALID_INPUT")
	w.until(`document.querySelector('dialog [value="viewer"]').checked && document.getElementById('name').value.startsWith('much too')`)
	w.enter("#name", "deploy")
	w.click("dialog button.primary")
	made := w.made()
	made.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	for _, id := range []string{"file", "shell", "workflow"} {
		w.until("document.getElementById('text-" + id + "').checkVisibility()")
	}
	w.until("![...document.querySelectorAll('[data-copy]')].some(b => b.checkVisibility())")
	w.click("dialog [data-close]")
	w.until("!document.querySelector('dialog[open]')")

	w.enter("#q", "DEPLOY")
	w.click("#search button")
	w.until("[...document.querySelectorAll('tbody tr')].filter(tr => tr.checkVisibility()).length == 1")
	w.click("#revoke-" + made.ClientID)
	w.shows("Revoke “deploy”?")
	w.click("dialog button.danger")
	w.shows("“deploy” is revoked")
	made.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_TOKEN_REVOKED")
	w.open(server.tokens(organization))
	w.until("!document.getElementById(" + quote(made.ClientID) + ")")
	w.click("#revoked")
	w.until("document.getElementById(" + quote(made.ClientID) + ")")

	// The switcher and signing out work, too.
	other := newOrganization(t)
	w.reload()
	w.click(".switcher summary")
	w.click(`.switcher a[href*="` + other + `"]`)
	w.until("location.pathname.includes(" + quote(other) + ")")
	w.shows("No tokens yet")
	w.signOut()
	w.open(server.tokens(organization))
	w.until("location.pathname.endsWith('/sign-in')")
}

func TestSettings_who_is_in_no_organization_is_told_what_to_do_and_in_one_has_nothing_to_switch(t *testing.T) {
	who := newPerson(t)
	home := t.TempDir()
	server := serveSettings(t, home)
	w := newBrowser(t).window()
	w.enterPassword(server, who, "")
	w.shows("You are in no organization yet")
	w.shows(people[who].Email)
	if n := look[int](w, "document.querySelectorAll('#generate, #search, #list, .switcher').length"); n > 0 {
		t.Errorf("%d parts of an organization's page are there", n)
	}
	w.accessible("no organization")

	// The command that it shows works.
	create := look[string](w, "document.querySelector('.empty code').textContent")
	logIn(t, home, who)
	runIn(t, home, "sh", "-c", create)
	w.reload()
	w.shows("No tokens yet")
	w.until("document.querySelector('.switcher .name').textContent == 'Acme' && !document.querySelector('details, summary')")
	w.generate("first")
}

func TestSettings_a_lost_connection_says_so_and_loses_nothing_typed(t *testing.T) {
	organization := newOrganization(t)
	broken := breakable(t)
	server := serveSettingsOf(t, broken.URL, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)

	// The project's answers get lost: trying again makes no second token.
	w.click("#generate")
	w.until("document.activeElement.id == 'name'")
	w.enter("#name", "only one")
	broken.loseAnswers.Store(true)
	w.click("dialog button.primary")
	w.shows("cannot be reached")
	w.until("document.getElementById('name').value == 'only one'")
	broken.loseAnswers.Store(false)
	w.click("dialog button.primary")
	made := w.made()
	made.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	if tokens := list(t, organization); len(tokens) != 1 {
		t.Errorf("there are %d tokens", len(tokens))
	}
	w.closeDialog()

	// The list stays while the project cannot be reached.
	broken.loseAnswers.Store(true)
	look[bool](w, "dispatchEvent(new Event('focus'))")
	w.shows("The connection is lost")
	w.shows("only one")
	w.reload()
	w.shows("cannot be reached")
	broken.loseAnswers.Store(false)
	w.click("#list a.button")
	w.until("document.getElementById(" + quote(made.ClientID) + ")")

	// The page's own server is gone.
	w.click("#generate")
	w.until("document.activeElement.id == 'name'")
	w.enter("#name", "typed")
	if err := server.end(); err != nil {
		t.Error(err)
	}
	w.click("dialog button.primary")
	w.shows("The connection is lost. What you typed is still here")
	w.until("document.getElementById('name').value == 'typed' && !document.querySelector('dialog button').disabled")
	w.closeDialog()
	w.click("#revoke-" + made.ClientID)
	w.shows("The connection is lost")
}

// breakable is the project behind something that can lose its answers after it has done what was asked.
type breakableProject struct {
	*httptest.Server
	loseAnswers atomic.Bool
}

func breakable(t *testing.T) *breakableProject {
	t.Helper()
	to, err := url.Parse(project.URL)
	if err != nil {
		t.Fatal(err)
	}
	b := &breakableProject{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(*http.Response) error {
			if b.loseAnswers.Load() {
				panic(http.ErrAbortHandler)
			}
			return nil
		},
	}
	b.Server = httptest.NewServer(proxy)
	t.Cleanup(b.Close)
	return b
}
