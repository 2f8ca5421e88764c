package tests

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

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
	w.until(`document.querySelector('dialog [value="viewer"]').checked`)
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
	w.shows("Have you stored the API token?")
	w.until("document.activeElement.dataset.copy == 'made-secret'")
	w.press(kb.Escape)
	w.until("!dialog.open && !dialog.hasChildNodes() && document.activeElement.id == 'generate'")

	// Cancel has the focus; Escape returns to the button.
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
