package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp/kb"
)

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
		// Screen readers read nothing outside an open dialog.
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
		w.until("document.querySelector(" + quote(region) + ").getBoundingClientRect().height > 20") // visible to everybody
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
		w.until(fmt.Sprintf("Boolean(document.getElementById('none')) == %t", rows == 0))
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

	// New tokens appear only if they match.
	third, other := named(t, organization, "terraform destroy"), named(t, organization, "Another job")
	look[bool](w, "dispatchEvent(new Event('focus'))")
	shown(3, plan, apply, third)
	w.until("!document.getElementById(" + quote(other.ClientID) + ")")
	w.until("document.activeElement.id == 'q' && document.activeElement.value == ' TERRA'")

	// Part of a client ID is found, too, and a reload keeps the search.
	empty := func() {
		t.Helper()
		look[bool](w, "document.getElementById('q').select() || true")
		w.press(kb.Backspace)
	}
	empty()
	shown(13)
	w.press(last.ClientID[4:])
	shown(1, last)
	w.reload()
	shown(1, last)
	w.until("document.getElementById('q').value == " + quote(last.ClientID[4:]))

	// With few tokens left, the box stays while it hides any.
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
			bare := look[string](w, `[...document.querySelectorAll("button:not([role=tab]), a.button, summary, select, input:not([type=hidden], [type=radio])")].
				filter(e => e.checkVisibility()).filter(e => {
					const [own, behind] = [getComputedStyle(e), getComputedStyle(e.parentElement)];
					return own.borderTopStyle == "none" || parseFloat(own.borderTopWidth) < 1 || own.borderTopColor == behind.backgroundColor ||
						own.borderTopColor == "rgba(0, 0, 0, 0)";
				}).map(e => e.outerHTML).join("\n")`)
			if bare != "" {
				t.Errorf("%s, %s: without a border:\n%s", state, scheme, bare)
			}
			// Everything that Tab reaches shows the focus.
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
	w.open(server.tokens(organization) + "?role=viewer")
	check("filters")
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
				small := look[string](w, `[...document.querySelectorAll("button, a.button, summary, nav a, thead a, #revoked, dialog a, select, input:not([type=hidden])")].filter(e => e.checkVisibility() && !e.matches("[type=radio]")).
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
	w.open(server.tokens(full) + "?state=all")
	check("list with revoked tokens")
	w.open(server.tokens(full) + "?q=nothing")
	check("nothing found")
	w.open(server.tokens(crowd(t)) + "?page=2&sort=-used&state=all")
	check("a page of many")
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
