package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	password = "correct horse battery staple"
	clientID = "bbl_cid_0123456789abcdef"
	token    = "bbl_tok_0123456789abcdef0123456789abcdef"

	acme    = "6f1c2b9e-0f3a-4a52-9f60-2a4f0c6f1a11"
	twin    = "7a2d3cae-1b4c-4d63-8e71-3b5a1d7e2b22"
	another = "8b3e4dbf-2c5d-4e74-9f82-4c6b2e8f3c33" // has the name of twin
)

// A project answers like a Supabase project with one person and one token in it. What a real one answers is
// tested against a real one; this is for what that cannot be made to do.
type project struct {
	*httptest.Server
	hanging chan struct{} // receives once for each call of the function hang, which is never answered

	mu             sync.Mutex
	sessionSeconds int // how long a session lasts that nobody has refreshed
	refreshes      int // how many refresh tokens have been used up
	revoked        bool
	lookups        int      // how often the organizations were asked for
	deleted        []string // the organizations that were
}

func newProject(t testing.TB) *project {
	p := &project{sessionSeconds: 3600, hanging: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /auth/v1/token", p.signIn)
	mux.HandleFunc("POST /auth/v1/logout", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("POST /rest/v1/rpc/whoami", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, `{"kind":"user","user_id":"f2e7b6a4-3f58-4ac7-9a53-5f1f0c4f7c10","email":"ada@example.com"}`)
	})
	mux.HandleFunc("POST /rest/v1/rpc/generate_api_token", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, `{"client_id":"`+clientID+`","api_token":"`+token+`","name":"ci","role":"member",
			"organization_id":"6f1c2b9e-0f3a-4a52-9f60-2a4f0c6f1a11","created_at":"2026-11-24T18:12:14.123456+00:00"}`)
	})
	mux.HandleFunc("POST /rest/v1/rpc/list_api_tokens", func(w http.ResponseWriter, r *http.Request) {
		state, after := p.state(), r.FormValue("client_id")
		if strings.HasPrefix(after, "gt.") || r.FormValue("state") == "eq.active" && state != "active" || r.FormValue("state") == "neq.active" && state == "active" {
			w.Header().Set("Content-Range", "*/0")
			answer(w, 200, "[]")
			return
		}
		w.Header().Set("Content-Range", "0-0/1")
		answer(w, 200, "["+p.token()+"]")
	})
	mux.HandleFunc("POST /rest/v1/rpc/revoke_api_token", func(w http.ResponseWriter, _ *http.Request) {
		p.locked(func() { p.revoked = true })
		answer(w, 200, p.token())
	})
	mux.HandleFunc("GET /rest/v1/organizations", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("id") != "" { // after the last
			answer(w, 200, "[]")
			return
		}
		p.locked(func() { p.lookups++ })
		const row = `{"id":"%s","name":"%s","role":"owner"}`
		answer(w, 200, "["+fmt.Sprintf(row+","+row+","+row, acme, "Acme", twin, "Twin", another, "Twin")+"]")
	})
	mux.HandleFunc("POST /rest/v1/rpc/delete_organization", func(w http.ResponseWriter, r *http.Request) {
		var sent struct {
			OrganizationID string `json:"organization_id"`
		}
		_ = json.NewDecoder(r.Body).Decode(&sent)
		p.locked(func() { p.deleted = append(p.deleted, sent.OrganizationID) })
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /rest/v1/rpc/set_member", func(w http.ResponseWriter, r *http.Request) {
		var sent struct {
			UserID string `json:"user_id"`
		}
		_ = json.NewDecoder(r.Body).Decode(&sent)
		if sent.UserID == "" { // by email nobody can be named
			answer(w, 409, `{"code":"BBL_CONFLICT","message":"several people have this email","hint":"Name one by user_id."}`)
			return
		}
		answer(w, 200, `{"organization_id":"`+acme+`","user_id":"`+sent.UserID+`","email":"ada@example.com","role":"admin"}`)
	})
	mux.HandleFunc("POST /rest/v1/rpc/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answer(w, 200, string(body))
	})
	mux.HandleFunc("POST /rest/v1/rpc/hang", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // until then the server does not notice that the client goes away
		p.hanging <- struct{}{}
		<-r.Context().Done()
	})
	p.Server = serve(t, mux)
	return p
}

// locked looks at or changes what the project knows.
func (p *project) locked(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}

func serve(t testing.TB, handler http.Handler) *httptest.Server {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// signIn takes the password, or each refresh token once.
func (p *project) signIn(w http.ResponseWriter, r *http.Request) {
	var sent struct {
		Password     string
		RefreshToken string `json:"refresh_token"`
	}
	_ = json.NewDecoder(r.Body).Decode(&sent)
	p.mu.Lock()
	defer p.mu.Unlock()
	seconds := p.sessionSeconds
	if r.FormValue("grant_type") == "refresh_token" {
		if sent.RefreshToken != fmt.Sprint("refresh-", p.refreshes) {
			answer(w, 400, `{"code":400,"error_code":"refresh_token_already_used","msg":"Invalid Refresh Token: Already Used"}`)
			return
		}
		p.refreshes++
		seconds = 3600
	} else if sent.Password != password {
		answer(w, 400, `{"code":400,"error_code":"invalid_credentials","msg":"Invalid login credentials"}`)
		return
	}
	answer(w, 200, fmt.Sprintf(`{"access_token":"access-%d","refresh_token":"refresh-%[1]d","expires_in":%d,"user":{"email":"ada@example.com"}}`,
		p.refreshes, seconds))
}

func (p *project) state() (state string) {
	state = "active"
	p.locked(func() {
		if p.revoked {
			state = "revoked"
		}
	})
	return state
}

// token returns the row of the one token. Its name is a hostile one.
func (p *project) token() string {
	state, revokedAt := p.state(), "null"
	if state == "revoked" {
		revokedAt = `"2026-11-24T19:00:00+00:00"`
	}
	return `{"client_id":"` + clientID + `","organization_id":"6f1c2b9e-0f3a-4a52-9f60-2a4f0c6f1a11","name":"CI\u001b[2J\tPipeline 🚀","role":"member","state":"` + state + `","created_at":"2026-11-24T18:12:14.123456+00:00",
		"created_by":"f2e7b6a4-3f58-4ac7-9a53-5f1f0c4f7c10","created_by_role":null,"last_used_at":null,"uses":0,
		"last_denied_at":null,"denials":0,"usage_as_of":"` + time.Now().UTC().Format(time.RFC3339Nano) + `","revoked_at":` + revokedAt + `}`
}
