package tests

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "write pictures of the Settings page to this `folder`")

// TestScreenshots is `make screenshots`: the page's main states, for the README and for whoever changes how it looks.
func TestScreenshots(t *testing.T) {
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

// plausible makes an organization as one might find it.
func plausible(t *testing.T) string {
	organization := newOrganization(t)
	db := connect(t, project.SuperuserDatabaseURL)
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	const day = 24 * time.Hour
	for _, token := range []struct {
		name, role    string
		created, used time.Duration
		revoked       bool
	}{
		{"CI/CD Pipeline", "member", 212 * day, 40 * time.Second, false},
		{"Terraform", "admin", 190 * day, 3 * time.Hour, false},
		{"Grafana dashboards", "viewer", 96 * day, 7 * time.Minute, false},
		{"Old staging deploy", "member", 402 * day, 20 * day, true},
		{"Invoice export (nightly)", "viewer", 61 * day, 16 * time.Hour, false},
		{"Ada’s laptop", "member", 9 * day, 2 * day, false},
		{"Support bot", "viewer", 2 * time.Hour, 0, false},
		{"Zapier trial", "viewer", 130 * day, 0, true},
	} {
		made := generate(t, organization, token.role)
		if _, err := db.Exec(t.Context(), "update babelon_private.api_tokens set name = $2, created_at = $3, revoked_at = $4 where client_id = $1",
			made.ClientID, token.name, ago(token.created), map[bool]any{true: ago(8 * day)}[token.revoked]); err != nil {
			t.Fatal(err)
		}
		if token.used > 0 {
			if _, err := db.Exec(t.Context(), `insert into babelon_private.api_token_uses (token_id, last_used_at, uses)
				select id, $2, 1204 from babelon_private.api_tokens where client_id = $1`, made.ClientID, ago(token.used)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return organization
}
