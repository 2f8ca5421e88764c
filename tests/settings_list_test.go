package tests

import (
	"cmp"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// crowd makes an organization with a thousand tokens, a hundred of them revoked.
func crowd(t *testing.T) (organization string) {
	t.Helper()
	organization = newOrganization(t)
	db := connect(t, project.SuperuserDatabaseURL)
	if _, err := db.Exec(t.Context(), `
		with made as (
		  insert into babelon_private.api_tokens (organization_id, client_id, secret_hash, name, role, created_at, created_by, revoked_at)
		  select $1::uuid, 'bbl_cid_' || substr(md5($1::uuid::text || n), 1, 16), sha256(convert_to($1::uuid::text || n, 'UTF8')),
		         case when n % 2 = 0 then 'Job ' else 'job ' end || to_char(n, 'FM0000'),
		         (array['viewer', 'member', 'admin'])[1 + n % 3]::babelon.member_role,
		         now() - n * interval '1 hour', (array[$2, $3, null]::uuid[])[1 + n % 3],
		         case when n % 10 = 0 then now() end
		    from generate_series(1, 1000) n
		  returning id, name, created_at)
		insert into babelon_private.api_token_uses (token_id, last_used_at, uses)
		select id, created_at + interval '1 minute', 1 from made where name < 'Job 0500'`,
		organization, people["owner"].ID, people["admin"].ID); err != nil {
		t.Fatal(err)
	}
	return organization
}

var (
	rowPattern  = regexp.MustCompile(`(?s)<tr role="row" id="(bbl_cid_[0-9a-f]{16})".*?</tr>`)
	cellPattern = regexp.MustCompile(`(?s)<t[hd] role="[^"]*"[^>]*class="(of-[a-z]+)"[^>]*>(.*?)</t[hd]>`)
	tagPattern  = regexp.MustCompile(`<[^>]*>`)
	timePattern = regexp.MustCompile(`datetime="([^"]*)"`)
)

// rows returns the list in a page, each row as its cells by class. Times are in a form that can be compared.
func (a answer) rows() []map[string]string {
	var rows []map[string]string
	for _, row := range rowPattern.FindAllStringSubmatch(string(a.body), -1) {
		cells := map[string]string{"id": row[1]}
		for _, cell := range cellPattern.FindAllStringSubmatch(row[0], -1) {
			cells[cell[1]] = html.UnescapeString(tagPattern.ReplaceAllString(cell[2], ""))
			if at := timePattern.FindStringSubmatch(cell[2]); at != nil {
				cells[cell[1]] = at[1]
			}
		}
		rows = append(rows, cells)
	}
	return rows
}

var (
	etagPattern = regexp.MustCompile(`data-version="([0-9a-f]+)"`)
	linkPattern = regexp.MustCompile(`<a [^>]*href="([^"]*)"[^>]*>([^<]*)</a>`)
)

// link returns the address of the page's link with this text, or "".
func (v *visitor) link(a answer, text string) string {
	for _, link := range linkPattern.FindAllStringSubmatch(string(a.body), -1) {
		if link[2] == text {
			return strings.TrimPrefix(v.server.origin+html.UnescapeString(link[1]), v.server.root)
		}
	}
	return ""
}

func TestSettings_a_thousand_tokens_come_in_pages_of_50_that_are_sorted_and_filtered(t *testing.T) {
	organization := crowd(t)
	server := serveSettings(t, t.TempDir())
	v := newVisitor(t, server)
	v.signIn("owner", organization)
	path := "/organizations/" + organization + "/api-access"
	all := func(query string) (rows []map[string]string) {
		t.Helper()
		seen := map[string]bool{}
		for at := path + query; at != ""; {
			a := v.get(at)
			page := a.rows()
			if len(page) > 50 || len(a.body) > 150_000 {
				t.Errorf("%s has %d rows in %d bytes", at, len(page), len(a.body))
			}
			for _, row := range page {
				if seen[row["id"]] {
					t.Errorf("%s: %s again", at, row["id"])
				}
				seen[row["id"]] = true
			}
			rows = append(rows, page...)
			at = v.link(a, "Next")
		}
		return rows
	}
	count := func(query string, want int, check func(map[string]string) bool) {
		t.Helper()
		rows := all(query)
		if len(rows) != want {
			t.Errorf("%s: %d tokens, want %d", query, len(rows), want)
		}
		for _, row := range rows {
			if !check(row) {
				t.Errorf("%s: %v", query, row)
			}
		}
	}
	count("", 900, func(r map[string]string) bool { return strings.HasPrefix(r["of-status"], "active") })
	count("?state=revoked", 100, func(r map[string]string) bool { return strings.HasPrefix(r["of-status"], "revoked") })
	count("?state=all", 1000, func(map[string]string) bool { return true })
	count("?role=admin", 300, func(r map[string]string) bool { return r["of-role"] == "admin" })
	count("?role=admin&state=revoked", 33, func(r map[string]string) bool { return r["of-role"] == "admin" && r["of-status"] == "revoked" })
	count("?q=jOB+099", 9, func(r map[string]string) bool { return strings.HasPrefix(strings.ToLower(r["of-name"]), "job 099") })
	count("?q=jOB+099&state=all&sort=-name", 10, func(map[string]string) bool { return true })
	count("?q=nothing", 0, nil)
	count("?state=nonsense&role=king&sort=secret&page=-7", 900, func(map[string]string) bool { return true })
	if last := v.get(path + "?page=1000").rows(); len(last) != 50 {
		t.Errorf("the page after the last has %d rows", len(last))
	}

	// Every column sorts, in both directions, over all pages.
	rank := map[string]string{"viewer": "0", "member": "1", "admin": "2"}
	for key, cell := range map[string]func(map[string]string) string{
		"name":    func(r map[string]string) string { return strings.ToLower(r["of-name"]) },
		"id":      func(r map[string]string) string { return r["id"] },
		"role":    func(r map[string]string) string { return rank[r["of-role"]] },
		"maker":   func(r map[string]string) string { return strings.Replace(r["of-maker"], "a program", "", 1) },
		"created": func(r map[string]string) string { return r["of-created"] },
		"used":    func(r map[string]string) string { return strings.Replace(r["of-used"], "never", "", 1) },
		"state":   func(r map[string]string) string { return r["of-status"] },
	} {
		for _, sign := range []string{"", "-"} {
			rows := all("?state=all&q=b+02&sort=" + sign + key)
			if len(rows) != 100 {
				t.Errorf("sorted by %s%s: %d", sign, key, len(rows))
			}
			values := map[string]bool{}
			if !slices.IsSortedFunc(rows, func(a, b map[string]string) int {
				values[cell(a)] = true
				if sign == "-" {
					a, b = b, a
				}
				return cmp.Compare(cell(a), cell(b))
			}) || len(values) < 2 {
				t.Errorf("not sorted by %s%s", sign, key)
			}
		}
	}
	if makers := all("?sort=maker&q=b+02"); makers[0]["of-maker"] != "a program" || makers[89]["of-maker"] != people["owner"].Email {
		t.Errorf("made by %s and %s", makers[0]["of-maker"], makers[89]["of-maker"])
	}
}

func TestSettings_a_poll_costs_little_while_nothing_changes(t *testing.T) {
	organization := crowd(t)
	token := generate(t, organization, "viewer")
	server := serveSettings(t, t.TempDir())
	v := newVisitor(t, server)
	v.signIn("owner", organization)
	path := "/organizations/" + organization + "/api-access"
	poll := func(version string) answer {
		t.Helper()
		request := v.request("GET", path, nil)
		request.Header.Set("Babelon-Poll", "1")
		request.Header.Set("If-None-Match", `"`+version+`"`)
		return v.send(request)
	}
	version := func(a answer) string {
		t.Helper()
		found := etagPattern.FindSubmatch(a.body)
		if a.status != 200 || found == nil || a.header.Get("ETag") != `"`+string(found[1])+`"` {
			t.Fatalf("%d, ETag %s, version %s", a.status, a.header.Get("ETag"), found)
		}
		return string(found[1])
	}
	first := version(v.get(path))
	for range 3 {
		if a := poll(first); a.status != 304 || len(a.body)+len(fmt.Sprint(a.header)) > 10_000 {
			t.Errorf("nothing has changed: %d, %d bytes", a.status, len(a.body)+len(fmt.Sprint(a.header)))
		}
	}
	if a := poll("another"); a.status != 200 {
		t.Errorf("for what another page shows: %d", a.status)
	}
	stranger := newVisitor(t, server)
	stranger.signIn("viewer", organization)
	if version(stranger.get(path)) == first {
		t.Error("two people's pages have one version")
	}
	token.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	settle(t)
	second := version(poll(first))
	if second == first {
		t.Error("a use changes nothing")
	}
	revoke(t, token)
	if a := poll(second); a.status != 200 || strings.Contains(string(a.body), token.ClientID) {
		t.Errorf("a revocation changes nothing: %d", a.status)
	}

	// The browser asks in the same way.
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)
	cost := func() int {
		t.Helper()
		look[bool](w, "performance.clearResourceTimings() || dispatchEvent(new Event('focus'))")
		const polls = "performance.getEntriesByType('resource').filter(e => e.initiatorType == 'fetch' && e.transferSize > 0)"
		w.until(polls + ".length")
		return look[int](w, polls+".reduce((sum, e) => sum + e.transferSize, 0)")
	}
	if bytes := cost(); bytes > 10_000 {
		t.Errorf("a poll costs the browser %d bytes", bytes)
	}
	w.until("document.querySelectorAll('tbody tr').length == 50 && !document.getElementById('lost').textContent")
	another := generate(t, organization, "viewer")
	if bytes := cost(); bytes < 10_000 {
		t.Errorf("a change comes in %d bytes", bytes)
	}
	w.until("document.getElementById(" + quote(another.ClientID) + ")")
}

func TestSettings_times_go_on_in_a_page_that_stays_open(t *testing.T) {
	organization := newOrganization(t)
	db := connect(t, project.SuperuserDatabaseURL)
	for _, ago := range []time.Duration{
		0, 59 * time.Second, 61 * time.Second, 59*time.Minute + 30*time.Second, 61 * time.Minute, 47*time.Hour + 59*time.Minute, 49 * time.Hour,
		30*24*time.Hour - 5*time.Minute, 31 * 24 * time.Hour,
	} {
		made := generate(t, organization, "viewer")
		if _, err := db.Exec(t.Context(), `insert into babelon_private.api_token_uses (token_id, last_used_at, uses)
			select id, $2, 1 from babelon_private.api_tokens where client_id = $1`, made.ClientID, time.Now().Add(-ago)); err != nil {
			t.Fatal(err)
		}
	}
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)
	const texts = "[...document.querySelectorAll('.of-used time')].map(e => e.textContent)"
	// The script and the server say the same.
	both := look[[][]string](w, `(async () => {
		const now = new Date((await fetch(location)).headers.get("Date"));
		const page = await load(location.href);
		update(page.page);
		const said = `+texts+`;
		tick(new Date(page.response.headers.get("Date")));
		return [said, `+texts+`];
	})()`)
	if fmt.Sprint(both[0]) != fmt.Sprint(both[1]) || len(both[0]) != 9 || !slices.Contains(both[0], "48 h ago") && !slices.Contains(both[0], "47 h ago") {
		t.Errorf("the server says %q, and the script %q", both[0], both[1])
	}
	// Later the script counts on.
	later := look[[]string](w, "(() => { tick(new Date(Date.now() + 3 * 60 * 60 * 1000)); return "+texts+" })()")
	if !slices.Contains(later, "3 h ago") || !slices.Contains(later, "4 h ago") || slices.Contains(later, "just now") {
		t.Errorf("three hours later: %q", later)
	}
}

func TestSettings_the_whole_list_is_searched_sorted_and_paged_with_and_without_scripts(t *testing.T) {
	organization := crowd(t)
	server := serveSettings(t, t.TempDir())
	b := newBrowser(t)
	for _, scripts := range []bool{true, false} {
		w := b.window()
		w.scripts(scripts)
		w.signIn(server, "owner", organization)
		first := func(text string) {
			t.Helper()
			w.until("document.querySelector('tbody .of-name')?.textContent.toLowerCase() == " + quote(text))
		}
		choose := func(field, value string) {
			t.Helper()
			look[bool](w, "document.getElementById("+quote(field)+").focus() || true")
			w.press(map[string]string{"all": "Any", "revoked": "Rev", "admin": "Adm", "": "A"}[value])
			w.until("document.getElementById(" + quote(field) + ").value == " + quote(value))
			if !scripts {
				w.click("#search button")
			}
		}
		first("job 0001")
		w.shows("1–50 of 900 tokens")
		w.click("#next")
		first("job 0056")
		w.shows("51–100 of 900 tokens")
		w.until("location.search == '?page=2'")
		w.reload()
		first("job 0056")

		// A sorted list begins on its first page.
		w.click("#sort-name")
		first("job 0001")
		w.until("document.querySelector('[aria-sort=ascending] a').id == 'sort-name'")
		w.click("#sort-name")
		first("job 0999")
		w.until("document.querySelector('[aria-sort=descending] a').id == 'sort-name' && !document.querySelector('[aria-sort=ascending]')")

		// The search finds tokens of other pages.
		w.click("#q")
		w.press("b 0123") // which no client ID has
		if !scripts {
			w.click("#search button")
		}
		first("job 0123")
		w.until("document.querySelectorAll('tbody tr').length == 1")
		w.enter("#q", "b 01")
		choose("state", "all")
		first("job 0199")
		w.until("document.querySelectorAll('tr.active').length > 0 && document.querySelectorAll('tr.revoked').length > 0")
		choose("role", "admin")
		w.until("[...document.querySelectorAll('tbody .of-role')].every(e => e.textContent == 'admin')")
		choose("state", "revoked")
		w.until("document.querySelectorAll('tr.active').length == 0 && document.querySelectorAll('tr.revoked').length > 0")
		// The selection stays when a dialog opens and closes.
		w.until("location.search.includes('role=admin')")
		chosen := look[string](w, "location.search")
		w.click("#generate")
		w.until("dialog.open")
		w.click("dialog [data-close]")
		w.until("!dialog.open && location.pathname.endsWith('/api-access')")
		if now := look[string](w, "location.search"); scripts && now != chosen || !strings.Contains(now, "role=admin") {
			t.Errorf("%s has become %s", chosen, now)
		}
		w.click("#revoked")
		w.until("document.querySelectorAll('tr.active').length > 0 && document.querySelectorAll('tr.revoked').length == 0")
	}
}

func TestSettings_two_tokens_of_one_name_are_told_apart(t *testing.T) {
	organization := newOrganization(t)
	first, second, other := named(t, organization, "deploy"), named(t, organization, "Deploy"), named(t, organization, "other")
	server := serveSettings(t, t.TempDir())
	w := newBrowser(t).window()
	w.signIn(server, "owner", organization)
	for _, twin := range []pair{first, second} {
		tail := "…" + twin.ClientID[len(twin.ClientID)-4:]
		for what, text := range map[string]string{
			"row":    look[string](w, "document.querySelector("+quote("#"+twin.ClientID+" .of-name")+").textContent"),
			"copy":   look[string](w, "document.getElementById("+quote("copy-"+twin.ClientID)+").getAttribute('aria-label')"),
			"revoke": look[string](w, "document.getElementById("+quote("revoke-"+twin.ClientID)+").getAttribute('aria-label')"),
		} {
			if !strings.Contains(text, tail) {
				t.Errorf("the %s says %q", what, text)
			}
		}
	}
	if text := look[string](w, "document.querySelector("+quote("#"+other.ClientID+" .of-name")+").textContent"); text != "other" {
		t.Errorf("the only one of its name is %q", text)
	}
	created := look[string](w, "document.querySelector('.of-created time').title")
	if !regexp.MustCompile(`\d\d:\d\d:\d\d UTC$`).MatchString(created) {
		t.Errorf("Created shows %q on hover", created)
	}
	w.click("#revoke-" + first.ClientID)
	w.shows("Revoke “deploy (…" + first.ClientID[len(first.ClientID)-4:])
	w.click("dialog button.danger")
	w.until("!dialog.open")

	// The page does not offer to show what it shows.
	w.until("document.getElementById(" + quote(first.ClientID) + ")")
	if look[bool](w, "Boolean(document.getElementById('revoked'))") {
		t.Error("the page offers to show a token that it shows")
	}
	w.click("#sort-created")
	w.until("!document.getElementById(" + quote(first.ClientID) + ")")
	w.shows("Show 1 revoked token")
}
