package tests

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

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
		// The forms have everything that a page of ours would send.
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

	// No address leads to another site.
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

	// Every answer has the protective headers.
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
