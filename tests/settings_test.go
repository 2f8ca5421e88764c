package tests

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/babelon/babelon/tests/stack"
)

// The Settings page, in a real browser where that matters and by plain HTTP where somebody forges requests.

var secretPattern = regexp.MustCompile(`bbl_tok_[0-9a-f]{32}`)

func (s *settingsServer) tokens(organization string) string {
	return s.root + "/organizations/" + organization + "/api-access"
}

// generate generates a token in the window's page and returns it, with its dialog still open.
func (w *window) generate(name string) pair {
	w.t.Helper()
	w.click("#generate")
	w.until("document.activeElement.id == 'name'")
	w.enter("#name", name)
	w.click("dialog button.primary")
	return w.made()
}

// made returns the pair that the dialog shows.
func (w *window) made() pair {
	w.t.Helper()
	w.until("document.getElementById('made-secret')")
	return pair{
		ClientID: look[string](w, "document.getElementById('made-id').textContent"),
		APIToken: look[string](w, "document.getElementById('made-secret').textContent"),
	}
}

func (w *window) closeDialog() {
	w.t.Helper()
	w.click("dialog [data-close]")
	w.until("!dialog.open")
}

func TestSettings_an_owner_does_the_whole_job_in_the_browser(t *testing.T) {
	organization := newOrganization(t)
	home := t.TempDir()
	logIn(t, home, "owner")
	server := serveSettings(t, home)
	w := newBrowser(t).window()

	// Whoever opens the printed address can continue as who is signed in on the command line.
	// The browser comes from a file, whose address is not ours: a strict cookie must survive that.
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
	// So must it when another site links to us.
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<a href="`+server.tokens(organization)+`">tokens</a>`)
	}))
	defer elsewhere.Close()
	w.open(strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)) // another site than the number
	w.click("a")
	w.shows("No tokens yet")

	// The pair that is shown works, as the file that is shown.
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
	// And as the exports.
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

	// It is revoked where it stands, and refused from then on.
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

	// Then it is behind the toggle, with what was refused since.
	w.open(server.tokens(organization))
	w.until("!document.getElementById(" + quote(made.ClientID) + ")")
	w.click("#revoked")
	w.until("document.getElementById(" + quote(made.ClientID) + ")")
	w.shows("refused once since")

	// Ctrl-C ends it, and is no failure.
	if err := server.end(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	if secretPattern.MatchString(server.output()) {
		t.Error("the server has written a secret")
	}
}

// runIn runs a command that must succeed, with babelon in its path, and returns what it printed.
func runIn(t *testing.T, dir, name string, arguments ...string) string {
	t.Helper()
	cmd := exec.Command(name, arguments...)
	cmd.Dir = dir
	cmd.Env = environment(dir, project.URL)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, secretPattern.ReplaceAll(out, []byte("SECRET")))
	}
	return string(out)
}

func TestSettings_admins_see_the_buttons_and_the_server_refuses_everybody_elses_forged_requests(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	server := serveSettings(t, t.TempDir())
	b := newBrowser(t)

	for _, who := range []string{"owner", "admin"} {
		w := b.window()
		w.signIn(server, who, organization)
		w.until("document.getElementById('generate') && document.getElementById('revoke-" + token.ClientID + "')")
		made := w.generate("by " + who)
		w.closeDialog()
		w.click("#revoke-" + made.ClientID)
		w.until("dialog.open")
		w.click("dialog button.danger")
		w.until("!dialog.open")
		made.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_TOKEN_REVOKED")
	}

	before := len(list(t, organization))
	for _, who := range []string{"member", "viewer", "outsider"} {
		if who != "outsider" {
			w := b.window()
			w.signIn(server, who, organization)
			w.shows(token.ClientID)
			if look[int](w, "document.querySelectorAll('#generate, .of-action').length") > 0 {
				t.Errorf("the %s sees buttons", who)
			}
		}
		v := newVisitor(t, server)
		v.signIn(who, organization)
		// With everything that a page of ours would send.
		code := map[string]string{"member": "BBL_FORBIDDEN", "viewer": "BBL_FORBIDDEN", "outsider": "BBL_NOT_FOUND"}[who]
		v.post("/organizations/"+organization+"/api-access/generate", url.Values{"csrf": {v.csrf()}, "name": {"forged"}, "role": {"viewer"}, "request_id": {"5e9ab76c-bb40-4bb9-8bf2-a4d1cbb33a21"}}).
			wantPage(t, map[string]int{"BBL_FORBIDDEN": 403, "BBL_NOT_FOUND": 404}[code], code)
		v.post("/organizations/"+organization+"/api-access/"+token.ClientID+"/revoke", url.Values{"csrf": {v.csrf()}}).
			wantPage(t, map[string]int{"BBL_FORBIDDEN": 403, "BBL_NOT_FOUND": 404}[code], code)
	}
	if after := len(list(t, organization)); after != before {
		t.Errorf("there were %d tokens and are %d", before, after)
	}
	token.caller().rpc(t, "whoami", args{}).want(t, 200, "")
}

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

	// With scripts, in every way to leave.
	w.open(server.tokens(organization))
	secrets := []string{plain.APIToken, left.APIToken}
	for how, leave := range map[string]func(){
		"closed":     w.closeDialog,
		"Escape":     func() { w.press(kb.Escape); w.until("!dialog.open") },
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

func (w *window) scripts(on bool) {
	w.t.Helper()
	command(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// back goes back in the history and waits for the page, or for the browser's own, which says that it would have
// to send a form again.
func back(w *window) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.NavigateBack()); err != nil && !strings.Contains(err.Error(), "ERR_CACHE_MISS") {
		w.t.Fatal(err)
	}
	w.until("document.readyState == 'complete'")
}

// reloadForm reloads a page that answered a form, which asks its user first whether to send it again.
func reloadForm(w *window) {
	w.t.Helper()
	command(w, page.Reload, page.ReloadParams{})
}

func (w *window) signOut() {
	w.t.Helper()
	w.click(".person button")
	w.until("location.pathname.endsWith('/sign-in')")
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
	look[bool](second, "dispatchEvent(new Event('focus'))") // as when one turns to the window
	second.until("document.getElementById(" + quote(made.ClientID) + ")")

	// In the middle of something, too: neither what is typed nor the focus is lost.
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

	// Nobody asks for it: the page looks every few seconds.
	other := generate(t, organization, "viewer")
	second.until("document.getElementById(" + quote(other.ClientID) + ")")

	// Where a row has the focus it keeps it, unless it is gone.
	look[bool](second, "document.getElementById('copy-"+other.ClientID+"').focus() || true")
	other.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	look[bool](second, "dispatchEvent(new Event('focus'))")
	second.until("document.querySelector('.of-used time')")
	if focused := look[string](second, "document.activeElement.id"); focused != "copy-"+other.ClientID {
		t.Errorf("the focus is on %q", focused)
	}

	// Whose session ends sees it.
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

	// The switcher, and out.
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

func TestSettings_the_keyboard_alone_does_it(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "viewer")
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.open(server.root + "/sign-in?organization=" + organization)
	w.press(people["owner"].Email, kb.Tab, password, kb.Enter)
	w.until("location.pathname.endsWith('/api-access') && document.readyState == 'complete'")

	w.tabTo("#generate")
	w.press(kb.Enter)
	w.until("document.activeElement.id == 'name'")
	w.press("by hand", kb.Tab)
	w.until("document.activeElement.value == 'member'")
	w.press(kb.ArrowUp)
	w.until(`document.querySelector('[value="viewer"]').checked`)
	// The focus does not leave the dialog.
	for range 12 {
		w.press(kb.Tab)
		if !look[bool](w, "dialog.contains(document.activeElement) || document.activeElement == document.body") {
			t.Fatalf("the focus has left the dialog for %s", look[string](w, "document.activeElement.outerHTML"))
		}
	}
	w.tabTo("#name")
	w.press(kb.Enter)
	w.made()
	w.until(`document.activeElement.dataset.copy == "made-secret"`)
	w.tabTo("#tab-file")
	w.press(kb.ArrowRight)
	w.until("document.activeElement.id == 'tab-shell' && document.getElementById('panel-shell').checkVisibility()")
	w.press(kb.ArrowLeft, kb.ArrowLeft)
	w.until("document.activeElement.id == 'tab-workflow'")
	w.press(kb.Escape)
	w.until("!dialog.open && !dialog.hasChildNodes() && document.activeElement.id == 'generate'")

	// The careful answer has the focus; Escape returns to the button.
	w.tabTo("#revoke-" + token.ClientID)
	w.press(kb.Enter)
	w.until("dialog.open && document.activeElement.textContent == 'Cancel'")
	w.press(kb.Escape)
	w.until("document.activeElement.id == 'revoke-" + token.ClientID + "'")
	token.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	w.press(kb.Enter)
	w.until("dialog.open && document.activeElement.textContent == 'Cancel'")
	w.press(kb.Tab, kb.Enter)
	w.until("document.activeElement.id == " + quote(token.ClientID))
	token.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_TOKEN_REVOKED")
}

func TestSettings_each_copy_button_copies_exactly_what_it_stands_by(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "viewer")
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)
	w.permit("clipboard-write", cdpbrowser.PermissionSettingGranted)
	pasted := w.board()

	w.click("#copy-" + token.ClientID)
	w.until("document.querySelector('#copy-" + token.ClientID + ".done')")
	if got := pasted(); got != token.ClientID {
		t.Errorf("the list's button copies %q", got)
	}
	w.until("document.getElementById('copied').textContent == 'Copied'")

	made := w.generate("to copy")
	got := map[string]string{}
	for _, id := range look[[]string](w, "[...dialog.querySelectorAll('[data-copy]')].map(b => b.dataset.copy)") {
		if tab, is := strings.CutPrefix(id, "text-"); is {
			w.click("#tab-" + tab)
		}
		want := look[string](w, "document.getElementById("+quote(id)+").textContent")
		w.click(`dialog [data-copy="` + id + `"]`)
		w.until(`document.querySelector('dialog [data-copy="` + id + `"].done')`)
		if got[id] = pasted(); got[id] != want {
			t.Errorf("%s is %q and copied as %q", id, secretPattern.ReplaceAllString(want, "SECRET"), secretPattern.ReplaceAllString(got[id], "SECRET"))
		}
		// It is said where a screen reader is: nothing outside of an open dialog is read out.
		w.until("document.querySelector('dialog:modal #copied-made').textContent == 'Copied'")
	}
	pair{ClientID: got["made-id"], APIToken: got["made-secret"]}.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, ".babelon.toml"), []byte(got["text-file"]), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, who := range map[string]string{
		"file":  runIn(t, folder, binary, "whoami"),
		"shell": runIn(t, t.TempDir(), "sh", "-c", got["text-shell"]+"babelon whoami"),
	} {
		if !strings.Contains(who, made.ClientID) {
			t.Errorf("whoami with the %s that was copied: %s", what, who)
		}
	}
	if workflow := got["text-workflow"]; !strings.HasPrefix(workflow, "env:\n  ") || !strings.Contains(workflow, made.ClientID) {
		t.Errorf("the workflow is copied as %q", workflow)
	}
}

func TestSettings_where_the_clipboard_is_refused_the_text_is_selected_and_the_page_says_so(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "viewer")
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.size(360, 740)
	w.signIn(server, "owner", organization)
	w.permit("clipboard-write", cdpbrowser.PermissionSettingDenied)
	pasted := w.board()
	refused := func(button, region, want string) {
		t.Helper()
		w.click(button)
		w.until("document.querySelector(" + quote(region) + ").textContent.startsWith('Selected. Press Ctrl+C')")
		w.until("document.querySelector(" + quote(region) + ").getBoundingClientRect().height > 20") // and not only for a screen reader
		w.until("document.querySelector(" + quote(region) + ").getBoundingClientRect().bottom <= innerHeight")
		w.until("!document.querySelector(" + quote(button) + ").classList.contains('done')")
		w.edit("copy")
		if got := pasted(); got != want {
			t.Errorf("what %s selects is copied as %q", button, secretPattern.ReplaceAllString(got, "SECRET"))
		}
	}
	refused("#copy-"+token.ClientID, "#copied", token.ClientID)
	made := w.generate("to select")
	refused(`dialog [data-copy="made-secret"]`, "dialog:modal #copied-made", made.APIToken)
	refused(`dialog [data-copy="made-id"]`, "dialog:modal #copied-made", made.ClientID)
	file := look[string](w, "document.getElementById('text-file').textContent")
	refused(`dialog [data-copy="text-file"]`, "dialog:modal #copied-made", strings.TrimSuffix(file, "\n"))
}

// named makes a token with a name.
func named(t *testing.T, organization, name string) (made pair) {
	t.Helper()
	person("owner").rpc(t, "generate_api_token", args{"name": name, "role": "viewer", "organization_id": organization}).into(t, &made)
	return made
}

func TestSettings_typing_filters_the_list_and_a_refresh_keeps_the_filter(t *testing.T) {
	organization := newOrganization(t)
	plan, apply := named(t, organization, "Terraform plan"), named(t, organization, "Terraform apply")
	var last pair
	for n := range 9 {
		last = named(t, organization, fmt.Sprintf("Job %d", n))
	}
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)
	shown := func(rows int, tokens ...pair) {
		t.Helper()
		w.until(fmt.Sprintf("[...document.querySelectorAll('tbody tr')].filter(tr => tr.checkVisibility()).length == %d", rows))
		w.until(fmt.Sprintf("document.getElementById('none').checkVisibility() == %t", rows == 0))
		for _, token := range tokens {
			w.until("document.getElementById(" + quote(token.ClientID) + ").checkVisibility()")
		}
	}
	shown(11)
	w.click("#q")
	w.press(" TERRA")
	shown(2, plan, apply)
	w.press("x")
	shown(0)
	w.shows("No token matches.")
	w.press(kb.Backspace, kb.Enter) // which sends nothing
	shown(2, plan, apply)

	// What comes meanwhile is shown where it matches, and only then.
	third, other := named(t, organization, "terraform destroy"), named(t, organization, "Another job")
	look[bool](w, "dispatchEvent(new Event('focus'))")
	shown(3, plan, apply, third)
	w.until("document.getElementById(" + quote(other.ClientID) + ")")
	w.until("document.activeElement.id == 'q' && document.activeElement.value == ' TERRA'")

	// By client ID, or a part of it.
	empty := func() {
		t.Helper()
		look[bool](w, "document.getElementById('q').select() || true")
		w.press(kb.Backspace)
	}
	empty()
	shown(13)
	w.press(last.ClientID[4:])
	shown(1, last)
	if !strings.HasPrefix(w.address(), server.tokens(organization)) || strings.Contains(w.address(), "?") {
		t.Errorf("searching has led to %s", w.address())
	}

	// Where few enough are left to need no search, the box stays while it hides any.
	for _, gone := range []pair{plan, apply, third} {
		revoke(t, gone)
	}
	look[bool](w, "dispatchEvent(new Event('focus'))")
	w.until("!document.getElementById(" + quote(third.ClientID) + ")")
	shown(1, last)
	empty()
	shown(10, last, other)
	look[bool](w, "dispatchEvent(new Event('focus'))")
	w.until("!document.getElementById('q').checkVisibility()")
}

func (w *window) address() string { w.t.Helper(); return look[string](w, "location.href") }

// newPerson signs somebody up whom no other test knows.
func newPerson(t *testing.T) (name string) {
	t.Helper()
	name = fmt.Sprintf("newcomer-%d", time.Now().UnixNano())
	user, err := project.SignUp(t.Context(), name+"@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	people[name] = user
	return name
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

	// As it says.
	create := look[string](w, "document.querySelector('.empty code').textContent")
	logIn(t, home, who)
	runIn(t, home, "sh", "-c", create)
	w.reload()
	w.shows("No tokens yet")
	w.until("document.querySelector('.switcher .name').textContent == 'Acme' && !document.querySelector('details, summary')")
	w.generate("first")
}

func TestSettings_who_is_in_several_organizations_switches_by_mouse_and_by_keyboard(t *testing.T) {
	who := newPerson(t)
	var north, south struct{ ID string }
	person(who).rpc(t, "create_organization", args{"name": "North"}).into(t, &north)
	person(who).rpc(t, "create_organization", args{"name": "South"}).into(t, &south)
	token := map[string]pair{}
	for name, id := range map[string]string{"North": north.ID, "South": south.ID} {
		var made pair
		person(who).rpc(t, "generate_api_token", args{"name": "of " + name, "role": "viewer", "organization_id": id}).into(t, &made)
		token[name] = made
	}
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, who, north.ID)
	in := func(here, elsewhere string) {
		t.Helper()
		w.until("document.readyState == 'complete' && document.querySelector('summary .name')?.textContent == " + quote(here))
		w.until("document.getElementById(" + quote(token[here].ClientID) + ") && !document.getElementById(" + quote(token[elsewhere].ClientID) + ")")
		w.until("document.querySelector('.switcher [aria-current] bdi').textContent == " + quote(here))
	}
	open := func(is bool) {
		t.Helper()
		w.until(fmt.Sprintf("document.querySelector('.switcher ul').checkVisibility() == %t", is))
	}

	in("North", "South")
	open(false)
	w.click(".switcher summary")
	open(true)
	w.click("#heading") // anywhere else
	open(false)
	w.click(".switcher summary")
	w.click(`.switcher a[href*="` + south.ID + `"]`)
	in("South", "North")

	w.tabTo("summary")
	w.press(kb.Enter)
	open(true)
	w.press(kb.Tab)
	w.until("document.activeElement.matches('.switcher li a')")
	w.press(kb.Escape)
	open(false)
	w.until("document.activeElement.matches('summary')")
	w.press(kb.Enter)
	w.tabTo(`.switcher a[href*="` + north.ID + `"]`)
	w.press(kb.Enter)
	in("North", "South")
}

func TestSettings_where_the_journal_is_off_the_page_says_that_reads_are_not_counted(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "viewer")
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	const notice = "Requests that only read are not counted in this project."
	w.signIn(server, "owner", organization)
	w.until("document.getElementById(" + quote(token.ClientID) + ")")
	if look[bool](w, "document.body.innerText.includes("+quote(notice)+")") {
		t.Error("it says so where they are counted")
	}
	withoutJournal(t)
	token.caller().get(t, "deployments").want(t, 200, "")
	look[bool](w, "dispatchEvent(new Event('focus'))")
	w.shows(notice)
	w.shows("never")
}

func TestSettings_forced_colors_and_reduced_motion_are_respected(t *testing.T) {
	organization := plausible(t)
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	moving := func() int {
		t.Helper()
		return look[int](w, `[...document.querySelectorAll("*")].filter(e =>
			parseFloat(getComputedStyle(e).transitionDuration) > 0 || getComputedStyle(e).animationName != "none").length`)
	}
	check := func(state string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			w.scheme(scheme, "forced-colors", "active")
			w.until("matchMedia('(forced-colors: active) and (prefers-reduced-motion: reduce)').matches")
			w.accessible(state + ", forced colors, " + scheme)
			if n := moving(); n > 0 {
				t.Errorf("%s: %d elements move", state, n)
			}
			bare := look[string](w, `[...document.querySelectorAll("button:not([role=tab]), a.button, summary, input:not([type=hidden], [type=radio])")].
				filter(e => e.checkVisibility()).filter(e => {
					const [own, behind] = [getComputedStyle(e), getComputedStyle(e.parentElement)];
					return own.borderTopStyle == "none" || parseFloat(own.borderTopWidth) < 1 || own.borderTopColor == behind.backgroundColor ||
						own.borderTopColor == "rgba(0, 0, 0, 0)";
				}).map(e => e.outerHTML).join("\n")`)
			if bare != "" {
				t.Errorf("%s, %s: without a border:\n%s", state, scheme, bare)
			}
			// As far as Tab gets.
			seen := map[string]bool{}
			for range 60 {
				w.press(kb.Tab)
				at := look[struct {
					Element, Outline string
					Body             bool
				}](w, `(() => {
					const e = document.activeElement, s = getComputedStyle(e);
					const thin = s.outlineStyle == "none" || parseFloat(s.outlineWidth) < 2;
					return { body: e == document.body, element: e.outerHTML.slice(0, 200), outline: thin || s.outlineColor == getComputedStyle(document.body).backgroundColor ? "" : s.outlineColor };
				})()`)
				if at.Body || seen[at.Element] {
					continue
				}
				seen[at.Element] = true
				if at.Outline == "" {
					t.Errorf("%s, %s: the focus cannot be seen on %s", state, scheme, secretPattern.ReplaceAllString(at.Element, "SECRET"))
				}
			}
			if len(seen) < 2 {
				t.Errorf("%s: Tab gets nowhere", state)
			}
		}
	}
	w.signIn(server, "owner", organization)
	if moving() == 0 {
		t.Error("nothing moves either where it may")
	}
	check("list")
	w.click("#generate")
	w.until("document.activeElement.id == 'name'")
	check("generate")
	w.enter("#name", "in high contrast")
	w.click("dialog button.primary")
	w.made()
	check("generated")
	w.closeDialog()
	w.click("tbody .of-action a")
	w.until("dialog.open")
	check("revoke")
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

	// The list stays while it cannot be had.
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

// accessible fails the test for what axe finds in the page.
func (w *window) accessible(state string) {
	w.t.Helper()
	if !look[bool](w, "window.axe !== undefined") {
		axe, err := os.ReadFile(filepath.Join(stack.Root(), "tests", "stack", "node_modules", "axe-core", "axe.min.js"))
		if err != nil {
			w.t.Fatal(err)
		}
		look[bool](w, "(() => {"+string(axe)+"; return true })()")
	}
	found := look[string](w, `axe.run({resultTypes: ["violations"]}).then(r =>
		r.violations.map(v => v.id + ": " + v.help + "\n" + v.nodes.map(n => "  " + n.html + "\n  " + n.failureSummary).join("\n")).join("\n"))`)
	if found != "" {
		w.t.Errorf("%s:\n%s", state, secretPattern.ReplaceAllString(found, "SECRET"))
	}
}

func TestSettings_axe_finds_nothing_in_any_state_size_and_scheme(t *testing.T) {
	full, empty := plausible(t), newOrganization(t)
	server := serveSettings(t, t.TempDir())
	b := newBrowser(t)
	w := b.window()
	check := func(state string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{360, 1440} {
				w.scheme(scheme)
				w.size(width, 900)
				w.accessible(fmt.Sprintf("%s, %s, %d px", state, scheme, width))
				if over := look[int](w, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
					t.Errorf("%s, %d px: the page is %d px wider than the window", state, width, over)
				}
				small := look[string](w, `[...document.querySelectorAll("button, a.button, summary, nav a, #revoked, dialog a, input:not([type=hidden])")].filter(e => e.checkVisibility() && !e.matches("[type=radio]")).
					filter(e => e.getBoundingClientRect().height < 24).map(e => e.outerHTML).join()`)
				if small != "" {
					t.Errorf("%s, %d px: too small to hit: %s", state, width, small)
				}
			}
		}
	}
	w.open(server.root + "/")
	check("sign-in")
	w.enter("#email", "nobody@example.com")
	w.enter("#password", "wrong")
	w.click("#sign-in button")
	w.shows("is wrong")
	check("sign-in, refused")
	w.signIn(server, "owner", empty)
	check("empty list")
	w.click(".switcher summary")
	check("switcher")
	w.open(server.tokens(full) + "?revoked=1")
	check("list with revoked tokens")
	w.open(server.tokens(full) + "?q=nothing")
	check("nothing found")
	w.open(server.tokens(full))
	check("list")
	w.click("#generate")
	w.until("document.activeElement.id == 'name'")
	check("generate")
	w.enter("#name", strings.Repeat("long", 30))
	w.click("dialog button.primary")
	w.shows("BBL_INVALID_INPUT")
	check("generate, refused")
	w.enter("#name", "axe")
	w.click("dialog button.primary")
	w.made()
	for _, tab := range []string{"file", "shell", "workflow"} {
		w.click("#tab-" + tab)
		check("generated, " + tab)
	}
	w.closeDialog()
	w.click("tbody .of-action a")
	w.until("dialog.open")
	check("revoke")
	w.open(server.root + "/nowhere")
	check("no such page")
}

func TestSettings_forged_requests_are_refused(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "viewer")
	server := serveSettings(t, t.TempDir())
	v := newVisitor(t, server)
	v.signIn("owner", organization)
	csrf := v.csrf()
	other := newVisitor(t, server) // somebody else, with a form token of their own
	path := "/organizations/" + organization + "/api-access"
	good := url.Values{"csrf": {csrf}, "name": {"forged"}, "role": {"viewer"}, "request_id": {"8d3ff54e-24c6-44c2-9e4f-8e3c1e1f5f54"}}
	with := func(name, value string) url.Values {
		form := url.Values{name: {value}}
		for key, values := range good {
			if key != name {
				form[key] = values
			}
		}
		return form
	}

	for name, forge := range map[string]struct {
		form   url.Values
		change func(*http.Request)
		status int
	}{
		"no form token":             {with("csrf", ""), nil, 403},
		"wrong form token":          {with("csrf", replaceLast(csrf)), nil, 403},
		"somebody else's":           {with("csrf", other.csrf()), nil, 403},
		"another site":              {good, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		"another port":              {good, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		"another origin, old":       {good, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://example.com") }, 403},
		"no origin that is one":     {good, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") }, 403},
		"a name that is rebound":    {good, func(r *http.Request) { r.Host = "example.com" }, 421},
		"that, with our port":       {good, func(r *http.Request) { r.Host = "example.com" + server.origin[strings.LastIndex(server.origin, ":"):] }, 421},
		"our name, another port":    {good, func(r *http.Request) { r.Host = "127.0.0.1:1" }, 421},
		"no host":                   {good, func(r *http.Request) { r.Host = "-" }, 421},
		"a form that is too large":  {with("name", strings.Repeat("x", 20<<10)), nil, 413},
		"a form that is no form":    {nil, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("%zz=%")) }, 400},
		"another encoding":          {good, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 403},
		"GET":                       {nil, func(r *http.Request) { r.Method, r.URL.RawQuery, r.Body = "GET", good.Encode(), nil }, 200},
		"HEAD":                      {nil, func(r *http.Request) { r.Method, r.URL.RawQuery, r.Body = "HEAD", good.Encode(), nil }, 200},
		"PUT":                       {good, func(r *http.Request) { r.Method = "PUT" }, 405},
		"no request_id":             {with("request_id", ""), nil, 400},
		"a method that is smuggled": {nil, func(r *http.Request) { r.Method, r.URL.RawQuery = "GET", "_method=POST&"+good.Encode(); r.Body = nil }, 200},
	} {
		request := v.request(http.MethodPost, path+"/generate", forge.form)
		if forge.change != nil {
			forge.change(request)
			if request.Body == nil || forge.form == nil {
				request.ContentLength = 0
			}
			if name == "a form that is no form" {
				request.ContentLength = -1
			}
		}
		if a := v.send(request); a.status != forge.status {
			t.Errorf("%s: got %d, want %d: %s", name, a.status, forge.status, a.body)
		}
	}
	newVisitor(t, server).post(path+"/generate", good).wantPage(t, 403, "") // no cookie
	for _, address := range []string{path + "/" + token.ClientID + "/revoke", "/sign-out", "/continue"} {
		newVisitor(t, server).post(address, good).wantPage(t, 403, "")
		v.post(address, url.Values{"csrf": {"wrong"}}).wantPage(t, 403, "")
	}
	v.get(path+"/"+token.ClientID+"/revoke").wantPage(t, 200, "Revoke") // asks, and does nothing
	if tokens := list(t, organization); len(tokens) != 1 || tokens[token.ClientID].RevokedAt != nil {
		t.Errorf("a forged request did something: %v", tokens)
	}

	// Nobody is sent elsewhere, whatever they ask for.
	for _, address := range []string{"//example.com", "/\\example.com", "/%2f%2fexample.com/", "/sign-in?organization=https://example.com", "/sign-in?organization=//example.com", "/open?key=x&next=https://example.com", "/?next=//example.com"} {
		for _, site := range []string{"same-origin", "cross-site"} {
			request := v.request(http.MethodGet, "/", nil)
			request.URL.Opaque = strings.TrimSuffix(request.URL.Path, "/") + address
			request.Header.Set("Sec-Fetch-Site", site)
			a := v.send(request)
			to, err := request.URL.Parse(a.header.Get("Location"))
			if location := a.header.Get("Location"); location != "" && (err != nil || strings.HasPrefix(location, "//") || to.Host != "" && to.Host != request.URL.Host) {
				t.Errorf("%s leads to %s", address, location)
			}
			for _, found := range regexp.MustCompile(`url=([^"]*)`).FindAllStringSubmatch(string(a.body), -1) {
				if !strings.HasPrefix(found[1], server.root+"/") {
					t.Errorf("%s leads to %s", address, found[1])
				}
			}
		}
	}
	a := other.post("/sign-in", url.Values{"csrf": {other.csrf()}, "email": {people["owner"].Email}, "password": {password}, "organization": {"//example.com"}})
	if server.origin+a.header.Get("Location") != server.root+"/" {
		t.Errorf("signing in leads to %q", a.header.Get("Location"))
	}

	// Every answer forbids what none needs.
	for _, address := range []string{"/sign-in", path, "/nowhere", path + "/generate"} {
		header := v.get(address).header
		for name, value := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if header.Get(name) != value {
				t.Errorf("%s: %s is %q", address, name, header.Get(name))
			}
		}
		csp := header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Errorf("%s: %s", address, csp)
		}
	}
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

	// Who does not know what the paths begin with is told nothing.
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

	// Only the printed address, and only once, offers the session of the command line.
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

	// With a password; a cookie from before is worth nothing.
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
	// Who has a session of their own is still a stranger to the command line's.
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

	// Who guesses passwords has to wait.
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
