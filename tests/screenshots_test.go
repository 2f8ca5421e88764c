package tests

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "write pictures of the Settings page to this `folder`")

// `make screenshots` runs this: the README shows the pictures, and a change of the page's looks starts from them.
func TestScreenshots_show_the_main_states_of_the_Settings_page(t *testing.T) {
	if *screenshots == "" {
		t.Skip("make screenshots")
	}
	organization := plausible(t)
	empty := newOrganization(t)
	server := serveSettings(t, t.TempDir())
	b := newBrowser(t)

	for _, look := range []struct {
		name, scheme  string
		width, height int64
		more          []string
	}{
		{"light", "light", 1240, 760, nil}, {"dark", "dark", 1240, 760, nil}, {"phone", "light", 360, 740, nil}, {"phone-dark", "dark", 360, 740, nil},
		{"forced", "light", 1240, 760, []string{"forced-colors", "active"}}, {"forced-dark", "dark", 1240, 760, []string{"forced-colors", "active"}},
		{"wide", "light", 1440, 900, nil}, {"wide-dark", "dark", 1440, 900, nil},
	} {
		w := b.window()
		w.size(look.width, look.height)
		w.scheme(look.scheme, look.more...)
		shoot := func(state string) {
			w.t.Helper()
			picture, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
			if err == nil {
				err = os.WriteFile(filepath.Join(*screenshots, state+"-"+look.name+".png"), picture, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		w.open(server.root + "/")
		shoot("sign-in")
		w.signIn(server, "owner", empty)
		shoot("empty")
		w.open(server.root + "/organizations/" + organization + "/api-access")
		shoot("list")
		w.click("#generate")
		w.until("document.activeElement.id == 'name'")
		w.enter("#name", "Nightly export")
		shoot("generate")
		w.click("dialog button.primary")
		w.until("document.getElementById('made-secret')")
		shoot("generated")
		w.click("dialog [data-close]")
		w.until("!dialog.open")
		w.click("tbody tr:nth-child(2) .of-action a")
		w.until("dialog.open")
		shoot("revoke")
		w.click("dialog button.danger")
		w.until("!dialog.open")
		shoot("revoked")
		w.click("#revoked")
		w.until("document.getElementById('revoked').textContent.startsWith('Hide')")
		shoot("all")
	}
}
