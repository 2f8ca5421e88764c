package tests

import (
	"testing"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp/kb"
)

func TestSettings_Escape_asks_once_about_a_secret_that_was_not_copied(t *testing.T) {
	organization := newOrganization(t)
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)
	w.permit("clipboard-write", cdpbrowser.PermissionSettingGranted)
	w.board()
	asks := func(want bool) {
		t.Helper()
		w.press(kb.Escape)
		if want {
			w.shows("Have you stored the API token?")
			w.until("dialog.open && document.getElementById('made-secret')")
			w.press(kb.Escape)
		}
		w.until("!dialog.open && !dialog.hasChildNodes()")
		w.until("!location.search.includes('made')")
	}
	w.generate("not copied")
	asks(true)
	w.generate("only its client ID")
	w.click("dialog [data-copy=made-id]")
	w.until("document.querySelector('dialog [data-copy=made-id].done')")
	asks(true)
	for _, button := range []string{"made-secret", "text-file"} {
		w.generate(button)
		w.click("dialog [data-copy=" + button + "]")
		w.until("document.querySelector('dialog [data-copy=" + button + "].done')")
		asks(false)
	}
	w.generate("copied by hand")
	look[bool](w, "getSelection().selectAllChildren(document.getElementById('made-secret')) || true")
	w.edit("copy")
	asks(false)
	w.click("#generate")
	w.until("document.activeElement.id == 'name'")
	asks(false)
}

func TestSettings_after_a_reload_the_page_says_that_the_token_exists_and_its_secret_is_gone(t *testing.T) {
	organization := newOrganization(t)
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)
	const gone = "was generated already. Its secret was shown once and is gone"
	for name, leave := range map[string]func(){
		"reloaded":  w.reload,
		"went away": func() { w.open("about:blank"); back(w) },
	} {
		made := w.generate(name)
		leave()
		w.shows("“" + name + "” " + gone)
		w.until("!dialog.open && document.getElementById(" + quote(made.ClientID) + ")")
		made.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	}
	w.open(server.tokens(organization))
	w.generate("closed")
	w.closeDialog()
	w.reload()
	w.until("document.querySelectorAll('tbody tr').length == 3")
	if look[bool](w, "document.body.innerText.includes("+quote(gone)+")") {
		t.Error("it says so of a dialog that its user closed")
	}
}
