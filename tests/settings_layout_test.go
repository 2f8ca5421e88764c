package tests

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// fonts differ in width as much as the fonts of a machine with only DejaVu can.
var fonts = map[string]string{
	"sans, wide": "--mono: 'DejaVu Sans Mono'; font-family: 'DejaVu Sans'",
	"serif":      "--mono: 'DejaVu Serif'; font-family: 'DejaVu Serif'",
	"mono":       "--mono: monospace; font-family: 'DejaVu Sans Mono', monospace",
}

// long makes an organization whose tokens have names of the greatest length, with spaces and without.
func long(t *testing.T) string {
	t.Helper()
	organization := newOrganization(t)
	db := connect(t, project.SuperuserDatabaseURL)
	for n, name := range []string{strings.Repeat("W", 100), strings.Repeat("long name ", 10), "twin", "twin"} {
		made := generate(t, organization, []string{"viewer", "member", "admin", "member"}[n])
		if _, err := db.Exec(t.Context(), `update babelon_private.api_tokens set name = $2, created_at = '2026-09-30',
			revoked_at = case when $3 then now() end where client_id = $1`, made.ClientID, strings.TrimSpace(name), n == 1); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			made.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_TOKEN_REVOKED")
		}
	}
	return organization
}

func TestSettings_nothing_is_cut_off_at_any_width_in_any_font(t *testing.T) {
	organization := long(t)
	who := newPerson(t)
	db := connect(t, project.SuperuserDatabaseURL)
	for _, change := range []string{
		"update babelon_private.api_tokens set created_by = $2 where organization_id = $1", // and its maker is no longer a member
		"update babelon_private.api_tokens set created_by = null where name = 'twin' and organization_id = $1 and $2::uuid is not null",
	} {
		if _, err := db.Exec(t.Context(), change, organization, people[who].ID); err != nil {
			t.Fatal(err)
		}
	}
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)
	widths := []int64{319, 321, 559, 560, 561, 659, 660, 661, 939, 940, 941, 1023, 1024, 1025, 1219, 1220, 1221}
	for width := int64(320); width <= 1920; width += 20 {
		widths = append(widths, width)
	}
	for state, path := range map[string]string{"list": "?state=all", "search": "?state=revoked", "generate": "/generate", "nothing": "?q=nothing"} {
		w.open(server.tokens(organization) + path)
		for name, font := range fonts {
			look[bool](w, "(document.documentElement.style.cssText = document.body.style.cssText = "+quote(font)+") != ''")
			for _, width := range widths {
				if state != "list" && width%20 == 0 && width%100 > 0 {
					continue // the list has the most to fit in
				}
				command(w, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1})
				found := look[string](w, `(() => {
					const out = [];
					if (document.documentElement.scrollWidth > innerWidth) out.push("the page is " + document.documentElement.scrollWidth + " px wide");
					for (const e of document.querySelectorAll("main *, .side *, dialog *")) {
						if (!e.checkVisibility() || e.matches(".sr, option, .switcher ul *, svg *")) continue;
						const box = e.getBoundingClientRect();
						if (box.width && (box.right > innerWidth + 0.5 || box.left < -0.5)) out.push(e.outerHTML.slice(0, 100));
					}
					for (const e of document.querySelectorAll("tbody th, tbody td, thead a")) {
						if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth) out.push("too narrow: " + e.outerHTML.slice(0, 100));
					}
					return out.slice(0, 3).join("\n");
				})()`)
				if found != "" {
					t.Errorf("%s, %s, %d px: %s", state, name, width, found)
				}
			}
		}
	}
}

func TestSettings_768_pixels_are_used(t *testing.T) {
	organization := plausible(t)
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)
	heights := map[int64]int{}
	for _, width := range []int64{360, 768} {
		w.size(width, 900)
		heights[width] = look[int](w, "document.querySelector('tbody tr').offsetHeight")
	}
	if heights[768]*3 > heights[360]*2 {
		t.Errorf("a token takes %d px of height at 768 px, and %d on a phone", heights[768], heights[360])
	}
	right := look[float64](w, "document.querySelector('.of-action').getBoundingClientRect().right")
	if right < 700 {
		t.Errorf("the rows end at %.0f of 768 px", right)
	}
}

func TestSettings_on_paper_there_is_the_list_and_nothing_to_press(t *testing.T) {
	organization := plausible(t)
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)
	made := w.generate("secret")
	w.scheme("dark")
	command(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	w.until("matchMedia('print').matches")
	visible := look[string](w, `[...document.querySelectorAll("button, a.button, input, select, nav, dialog, .side")].filter(e => e.checkVisibility()).map(e => e.outerHTML).join("\n")`)
	if visible != "" {
		t.Errorf("printed: %s", secretPattern.ReplaceAllString(visible, "SECRET"))
	}
	if text := look[string](w, "document.body.innerText"); strings.Contains(text, made.APIToken) || !strings.Contains(text, made.ClientID) || !strings.Contains(text, "Terraform") {
		t.Errorf("printed: %s", secretPattern.ReplaceAllString(text, "SECRET"))
	}
	if ink := look[string](w, "getComputedStyle(document.body).color"); ink != "rgb(24, 24, 27)" {
		t.Errorf("it is printed in %s", ink)
	}
}
