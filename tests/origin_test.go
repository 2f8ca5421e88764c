package tests

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestA_page_of_another_origin_can_send_the_headers_and_read_the_answer(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>a product's page</title>")
	}))
	t.Cleanup(page.Close)
	w := newBrowser(t).first()
	w.open(page.URL)

	// fetch returns the status and body that the page can read.
	fetch := func(method, path, body string, headers map[string]string) string {
		t.Helper()
		options, err := json.Marshal(map[string]any{"method": method, "headers": headers, "body": body})
		if err != nil {
			t.Fatal(err)
		}
		return look[string](w, fmt.Sprintf(`fetch(%s, %s).then(async r => r.status + " " + await r.text(), e => "blocked: " + e)`,
			quote(project.URL+path), options))
	}
	headers := map[string]string{
		"apikey": project.PublishableKey, "Content-Type": "application/json", "Content-Profile": "babelon",
		"X-Client-Id": token.ClientID, "X-Api-Token": token.APIToken, "X-Tenant-Id": organization,
	}
	without := func(name string) map[string]string {
		fewer := maps.Clone(headers)
		delete(fewer, name)
		return fewer
	}
	signIn := map[string]string{"apikey": project.PublishableKey, "Content-Type": "application/json"}

	for _, c := range []struct {
		method, path, body string
		headers            map[string]string
		status, says       string
	}{
		{"POST", "/rest/v1/rpc/whoami", "{}", headers, "200 ", organization},
		{"POST", "/rest/v1/deployments", `{"service": "x"}`, without("Content-Profile"), "201 ", ""},
		{"POST", "/rest/v1/rpc/whoami", "{}", without("apikey"), "401 ", "No API key found in request"}, // from the gateway
		{"POST", "/rest/v1/rpc/whoami", "{}", without("X-Api-Token"), "401 ", "BBL_INVALID_TOKEN"},      // from the database
		{"POST", "/auth/v1/token?grant_type=password", `{"email": "owner@example.com", "password": "` + password + `"}`, signIn, "200 ", "access_token"},
		{"POST", "/auth/v1/token?grant_type=password", `{"email": "owner@example.com", "password": "wrong"}`, signIn, "400 ", ""},
	} {
		if got := fetch(c.method, c.path, c.body, c.headers); !strings.HasPrefix(got, c.status) || !strings.Contains(got, c.says) {
			t.Errorf("%s %s: %.200s, want %s%s", c.method, c.path, got, c.status, c.says)
		}
	}
}
