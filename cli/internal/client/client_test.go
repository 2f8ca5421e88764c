package client_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

const (
	clientID  = "bbl_cid_0123456789abcdef"
	token     = "bbl_tok_0123456789abcdef0123456789abcdef"
	tenant    = "6f1c2b9e-0f3a-4a52-9f60-2a4f0c6f1a11"
	requestID = "0a8e4c1c-9d1f-4d1c-8a55-0c64d1e7b8aa"
)

// What Babelon answers.
const (
	aToken = `{"kind":"token","client_id":"` + clientID + `"}`
	aUser  = `{"kind":"user","user_id":"` + requestID + `","email":"ada@example.com"}`
	aPair  = `{"client_id":"` + clientID + `","api_token":"bbl_tok_ffffffffffffffffffffffffffffffff","name":"ci","role":"member",
		"organization_id":"` + tenant + `","created_at":"2026-11-24T18:12:14.123456+00:00"}`
	aMember = `{"organization_id":"` + tenant + `","user_id":"` + requestID + `","email":null,"role":"admin"}`
)

// serve starts a server and returns a client that calls it with the pair.
func serve(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return at(server.URL, http.DefaultTransport)
}

func at(url string, transport http.RoundTripper) *client.Client {
	c := &config.Config{URL: url, PublishableKey: "sb_publishable_1", KeySource: "BABELON_PUBLISHABLE_KEY"}
	return client.New(c, transport, time.Now).WithPair(credential.Pair{ClientID: clientID, Secret: credential.NewSecret(token)}, tenant)
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// failure returns err as the *fault.Error that it must be.
func failure(t *testing.T, err error) *fault.Error {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a *fault.Error", err)
	}
	return f
}

// network answers requests without one, so that time can be a test's own.
type network func(*http.Request) (*http.Response, error)

func (n network) RoundTrip(r *http.Request) (*http.Response, error) { return n(r) }

func response(status int, header http.Header, body string) *http.Response {
	recorder := httptest.NewRecorder()
	for name, values := range header {
		recorder.Header()[name] = values
	}
	answer(recorder, status, body)
	return recorder.Result()
}

func TestA_request_carries_the_pair_the_key_and_the_asserted_tenant(t *testing.T) {
	var got *http.Request
	var body []byte
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		answer(w, 200, aToken)
	})
	if _, err := c.Whoami(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got.Method != http.MethodPost || got.URL.RequestURI() != "/rest/v1/rpc/whoami" || string(body) != "{}" {
		t.Errorf("got %s %s %s", got.Method, got.URL, body)
	}
	for name, want := range map[string]string{
		"X-Client-Id": clientID, "X-Api-Token": token, "X-Tenant-Id": tenant,
		"Apikey": "sb_publishable_1", "Content-Profile": "babelon", "Content-Type": "application/json", "Authorization": "",
	} {
		if header := got.Header.Get(name); header != want {
			t.Errorf("%s: %q", name, header)
		}
	}
}

func TestA_session_is_sent_instead_of_a_pair(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		answer(w, 200, aUser)
	}))
	defer server.Close()
	c := client.New(&config.Config{URL: server.URL}, http.DefaultTransport, time.Now).WithSession(credential.NewSecret("jwt"))
	if _, err := c.Whoami(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got.Get("Authorization") != "Bearer jwt" || got.Get("X-Client-Id")+got.Get("X-Api-Token")+got.Get("Apikey") != "" {
		t.Errorf("got %v", got)
	}
}

func TestA_client_that_is_printed_shows_no_secret(t *testing.T) {
	pair := at("https://example.com", http.DefaultTransport)
	person := pair.WithSession(credential.NewSecret("jwt-of-ada"))
	for _, c := range []*client.Client{pair, person} {
		text := fmt.Sprintf("%v %+v %#v %v %+v", c, c, c, *c, *c)
		if strings.Contains(text, token) || strings.Contains(text, "jwt-of-ada") {
			t.Errorf("got %s", text)
		}
	}
}

func TestAn_argument_that_is_not_given_is_left_to_the_functions_default(t *testing.T) {
	var bodies []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
		if strings.HasSuffix(r.URL.Path, "/set_member") {
			answer(w, 200, aMember)
			return
		}
		answer(w, 200, aPair)
	})
	for _, organization := range []string{"", tenant} {
		for _, who := range []string{"ada@example.com", requestID} {
			if _, err := c.SetMember(t.Context(), organization, who, "admin"); err != nil {
				t.Error(err)
			}
		}
		if _, err := c.GenerateToken(t.Context(), organization, "ci", "member", requestID); err != nil {
			t.Error(err)
		}
	}
	want := []string{
		`{"email":"ada@example.com","role":"admin"}`,
		`{"user_id":"` + requestID + `","role":"admin"}`,
		`{"name":"ci","role":"member","request_id":"` + requestID + `"}`,
		`{"organization_id":"` + tenant + `","email":"ada@example.com","role":"admin"}`,
		`{"organization_id":"` + tenant + `","user_id":"` + requestID + `","role":"admin"}`,
		`{"organization_id":"` + tenant + `","name":"ci","role":"member","request_id":"` + requestID + `"}`,
	}
	if !slices.Equal(bodies, want) {
		t.Errorf("got\n%s", strings.Join(bodies, "\n"))
	}
}

func TestA_redirect_is_refused_and_its_target_never_receives_the_pair(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the target was called with %v", r.Header)
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
		_, err := c.Whoami(t.Context())
		if f := failure(t, err); f.Kind != fault.Usage || f.Status != status {
			t.Errorf("%d: got %v", status, err)
		}
		_, err = c.Organizations(t.Context())
		if f := failure(t, err); f.Status != status {
			t.Errorf("%d by GET: got %v", status, err)
		}
	}
}

func TestEvery_refusal_is_mapped_to_one_error(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		want   fault.Error
	}{
		"a wrong pair":        {401, `{"code":"BBL_INVALID_TOKEN","message":"the token is not valid","details":null,"hint":null}`, fault.Error{Kind: fault.Authentication, Code: "BBL_INVALID_TOKEN", Message: "the token is not valid"}},
		"a hint":              {403, `{"code":"BBL_FORBIDDEN","message":"no","hint":"ask an admin"}`, fault.Error{Kind: fault.Failure, Code: "BBL_FORBIDDEN", Message: "no", Hint: "ask an admin"}},
		"the gateway":         {401, `{"message":"Invalid API key"}`, fault.Error{Kind: fault.Usage, Message: "the gateway refused the request: Invalid API key", Hint: "Compare BABELON_PUBLISHABLE_KEY with Project Settings > API Keys; the token pair was not looked at."}},
		"a gateway with code": {401, `{"code":"UNAUTHORIZED_INVALID_API_KEY","message":"no"}`, fault.Error{Kind: fault.Usage, Code: "UNAUTHORIZED_INVALID_API_KEY", Message: "the gateway refused the request: no", Hint: "Compare BABELON_PUBLISHABLE_KEY with Project Settings > API Keys; the token pair was not looked at."}},
		"a mute gateway":      {401, ``, fault.Error{Kind: fault.Usage, Message: "the gateway refused the request: the server answered 401 Unauthorized", Hint: "Compare BABELON_PUBLISHABLE_KEY with Project Settings > API Keys; the token pair was not looked at."}},
		"a missing grant":     {401, `{"code":"42501","message":"permission denied"}`, fault.Error{Kind: fault.Failure, Code: "42501", Message: "permission denied", Hint: "The token is fine; a policy or a missing grant to babelon_token refuses this."}},
		"not JSON":            {404, `<html>`, fault.Error{Kind: fault.Failure, Message: "the server answered 404 Not Found"}},
		"too many requests":   {429, `{"message":"slow down"}`, fault.Error{Kind: fault.Unavailable, Message: "slow down"}},
		"broken":              {500, `oops`, fault.Error{Kind: fault.Unavailable, Message: "the server answered 500 Internal Server Error", Uncertain: true}},
		"lines":               {400, `{"message":"one\ntwo\u0000"}`, fault.Error{Kind: fault.Failure, Message: "one two\x00"}},
		"a long story":        {400, `{"message":"` + strings.Repeat("é", 5000) + `"}`, fault.Error{Kind: fault.Failure, Message: strings.Repeat("é", 199) + "…"}},
		"a schema that is not exposed": {406, `{"code":"PGRST106","message":"The schema must be one of the following: public","hint":null}`,
			fault.Error{Kind: fault.Failure, Code: "PGRST106", Message: "The schema must be one of the following: public",
				Hint: "Expose the schema babelon in Project Settings > Data API. If it is listed there, the role authenticator overrides that: add it to pgrst.db_schemas, or run: alter role authenticator reset pgrst.db_schemas"}},
		"no such function": {404, `{"code":"PGRST202","message":"Could not find the function"}`,
			fault.Error{Kind: fault.Failure, Code: "PGRST202", Message: "Could not find the function", Hint: "Babelon is not installed in this project, or is older than this command line. Apply its migration there."}},
		"a viewer's write": {405, `{"code":"25006","message":"cannot execute INSERT in a read-only transaction"}`,
			fault.Error{Kind: fault.Failure, Code: "25006", Message: "this token is read-only", Hint: "A viewer's token cannot write; use a member's. If it is none, the function is declared stable and writes."}},
		"a JWT that is none": {401, `{"code":"PGRST301","message":"JWSError"}`,
			fault.Error{Kind: fault.Usage, Code: "PGRST301", Message: "JWSError", Hint: "Compare BABELON_PUBLISHABLE_KEY with Project Settings > API Keys; the token pair was not looked at."}},
		"odd types": {400, `{"code":23,"message":{"x":1},"hint":["y"]}`, fault.Error{Kind: fault.Failure, Message: "the server answered 400 Bad Request"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, test.status, test.body) })
			err := c.RemoveMember(t.Context(), "", "ada@example.com") // not sent again, whatever the status but 429
			got := *failure(t, err)
			test.want.Status, got.Err = test.status, nil
			if got != test.want {
				t.Errorf("got  %#v\nwant %#v", got, test.want)
			}
		})
	}
}

func TestA_missing_publishable_key_is_explained(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, sent := r.Header["Apikey"]; sent {
			t.Error("an apikey was sent")
		}
		answer(w, 401, `{"message":"No API key found in request"}`)
	}))
	defer server.Close()
	c := client.New(&config.Config{URL: server.URL}, http.DefaultTransport, time.Now)
	_, err := c.Whoami(t.Context())
	if f := failure(t, err); f.Kind != fault.Usage || !strings.Contains(f.Hint, "publishable_key") || !strings.Contains(f.Hint, "Project Settings > API Keys") {
		t.Errorf("got %v, hint %s", err, f.Hint)
	}
	_, err = c.SignIn(t.Context(), "ada@example.com", credential.NewSecret("hunter2"))
	if f := failure(t, err); f.Kind != fault.Usage {
		t.Errorf("signing in: got %v", err)
	}
}

func TestAn_answer_that_is_not_the_APIs_is_unavailable(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"HTML, to sign in": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>Welcome to our Wi-Fi</html>")
		},
		"HTML called JSON": func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "<html>") },
		"JSON of another":  func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, `["kind"]`) },
		"nothing":          func(http.ResponseWriter, *http.Request) {},
		"half of it": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			answer(w, 200, `{"kind": `)
		},
		"a closed connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"more than it should": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, `"`+strings.Repeat("x", 9<<20)+`"`)
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			c := serve(t, handler)
			_, err := c.Whoami(t.Context())
			if f := failure(t, err); f.Kind != fault.Unavailable {
				t.Errorf("got %#v", f)
			}
			if strings.Contains(name, "HTML") { // what is passed on as it came must not be that
				_, err := c.RPC(t.Context(), "public", "f", nil)
				if f := failure(t, err); f.Kind != fault.Unavailable {
					t.Errorf("an RPC: got %#v", f)
				}
			}
		})
	}
}

func TestA_server_that_cannot_be_reached_is_unavailable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		closed:      "cannot reach",
		serveTLS(t): "cannot trust the certificate of",
		"https" + strings.TrimPrefix(closed, "http"): "cannot reach",
	} {
		_, err := at(url, http.DefaultTransport).Whoami(t.Context())
		if f := failure(t, err); f.Kind != fault.Unavailable || !strings.HasPrefix(f.Message, want) {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

func TestA_slow_server_is_given_up_on_and_an_interrupt_ends_the_wait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := network(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		err := at("https://example.com", silent).RemoveMember(t.Context(), "", "ada@example.com")
		if f := failure(t, err); f.Kind != fault.Unavailable || time.Since(began) != 15*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began = time.Now()
		_, err = at("https://example.com", silent).Whoami(ctx)
		if f := failure(t, err); f.Kind != fault.Interrupted || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestOnly_what_is_safe_is_sent_again(t *testing.T) {
	whoami := func(ctx context.Context, c *client.Client) error { _, err := c.Whoami(ctx); return err }
	generate := func(ctx context.Context, c *client.Client) error {
		_, err := c.GenerateToken(ctx, "", "ci", "member", requestID)
		return err
	}
	create := func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateOrganization(ctx, "Acme")
		return err
	}
	rpc := func(ctx context.Context, c *client.Client) error {
		_, err := c.RPC(ctx, "public", "f", nil)
		return err
	}
	remove := func(ctx context.Context, c *client.Client) error { return c.RemoveMember(ctx, "", "ada@example.com") }
	signIn := func(ctx context.Context, c *client.Client) error {
		_, err := c.SignIn(ctx, "ada@example.com", credential.NewSecret("hunter2"))
		return err
	}
	const unreachable = 0
	tests := map[string]struct {
		call     func(context.Context, *client.Client) error
		failure  int // status
		attempts int
	}{
		"whoami when unreachable":     {whoami, unreachable, 3},
		"whoami on 502":               {whoami, 502, 3},
		"whoami on 503":               {whoami, 503, 3},
		"whoami on 504":               {whoami, 504, 3},
		"whoami on 429":               {whoami, 429, 3},
		"whoami on 500":               {whoami, 500, 1},
		"whoami on 400":               {whoami, 400, 1},
		"whoami on 401":               {whoami, 401, 1},
		"generate when unreachable":   {generate, unreachable, 3},
		"generate on 503":             {generate, 503, 3},
		"create when unreachable":     {create, unreachable, 1},
		"create on 503":               {create, 503, 1},
		"create on 429":               {create, 429, 3},
		"an RPC when unreachable":     {rpc, unreachable, 1},
		"an RPC on 503":               {rpc, 503, 1},
		"an RPC on 429":               {rpc, 429, 3},
		"remove when unreachable":     {remove, unreachable, 1},
		"signing in when unreachable": {signIn, unreachable, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var bodies []string
				err := test.call(t.Context(), at("https://example.com", network(func(r *http.Request) (*http.Response, error) {
					body, _ := io.ReadAll(r.Body)
					bodies = append(bodies, string(body))
					if test.failure == unreachable {
						return nil, errors.New("connection reset by peer")
					}
					return response(test.failure, nil, `{"code":"BBL_X"}`), nil
				})))
				if f := failure(t, err); f.Status != test.failure || len(bodies) != test.attempts {
					t.Errorf("%d attempts, %v", len(bodies), err)
				}
				for _, body := range bodies {
					if body != bodies[0] {
						t.Errorf("bodies differ: %q", bodies)
					}
				}
			})
		})
	}
}

func TestThe_servers_own_delay_is_kept_within_reason(t *testing.T) {
	for after, atLeast := range map[string]time.Duration{
		"7": 7 * time.Second, "86400": 10 * time.Second, "99999999999999999999": 0, "-1": 0, "soon": 0,
		"in 7 s": 7 * time.Second, "in an hour": 10 * time.Second, "an hour ago": 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			attempts := 0
			if from, isDate := map[string]time.Duration{"in 7 s": 7 * time.Second, "in an hour": time.Hour, "an hour ago": -time.Hour}[after]; isDate {
				after = began.Add(from).UTC().Format(http.TimeFormat)
			}
			c := at("https://example.com", network(func(*http.Request) (*http.Response, error) {
				if attempts++; attempts == 1 {
					return response(429, http.Header{"Retry-After": {after}}, `{}`), nil
				}
				return response(200, nil, aToken), nil
			}))
			if _, err := c.Whoami(t.Context()); err != nil {
				t.Error(err)
			}
			if waited := time.Since(began); waited < atLeast || waited > atLeast+time.Second {
				t.Errorf("Retry-After %s: waited %s", after, waited)
			}
		})
	}
}

func TestThe_secret_that_was_sent_is_in_nothing_that_comes_back(t *testing.T) {
	echo := func(status int) *client.Client {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			said, _ := json.Marshal("you sent " + cmp.Or(r.Header.Get("X-Api-Token"), string(body)))
			answer(w, status, fmt.Sprintf(`{"code":%s,"message":%[1]s,"hint":%[1]s,"token_name":%[1]s,"kind":"service"}`, said))
		})
	}
	for _, status := range []int{400, 401, 403, 500} {
		_, err := echo(status).Whoami(t.Context())
		f := failure(t, err)
		if text := fmt.Sprintf("%v %+v %#v", err, *f, *f); strings.Contains(text, token) || !strings.Contains(text, "bbl_tok_[redacted]") {
			t.Errorf("%d: got %s", status, text)
		}
	}
	me, err := echo(200).Whoami(t.Context())
	if err != nil || me.TokenName == nil || strings.Contains(*me.TokenName, token) {
		t.Errorf("in a name: %v, %v", me, err)
	}
	body, err := echo(200).RPC(t.Context(), "public", "f", nil)
	if err != nil || strings.Contains(string(body), token) {
		t.Errorf("in the answer of an RPC: %s, %v", body, err)
	}
	anonymous := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said, _ := json.Marshal(string(body))
		answer(w, 400, fmt.Sprintf(`{"msg":%s}`, said))
	})
	_, err = anonymous.SignIn(t.Context(), "ada@example.com", credential.NewSecret("hunter2"))
	if f := failure(t, err); strings.Contains(f.Message, "hunter2") || !strings.Contains(f.Message, "ada@example.com") {
		t.Errorf("a password: %v", err)
	}
}

func TestA_name_has_something_to_see_in_it_and_is_text(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("called %s", r.URL) })
	for _, name := range []string{"", " ", "\u200b", "\u200d\u200c", "\u00ad", "\u2060\ufeff", "\u0301", "ci\xff", "\xc3"} {
		if _, err := c.GenerateToken(t.Context(), "", name, "member", requestID); err == nil || failure(t, err).Kind != fault.Usage {
			t.Errorf("a token %q: %v", name, err)
		}
		if _, err := c.CreateOrganization(t.Context(), name); err == nil || failure(t, err).Kind != fault.Usage {
			t.Errorf("an organization %q: %v", name, err)
		}
	}
}

func TestAn_RPC_names_a_function_and_nothing_else(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("called %s", r.URL) })
	for _, name := range []string{"", "../deployments", "f?x=1", "f/g", "f#x", "%2e%2e", "f g", "1f", "f\n"} {
		if _, err := c.RPC(t.Context(), "public", name, nil); err == nil || failure(t, err).Kind != fault.Usage {
			t.Errorf("function %q: %v", name, err)
		}
		if _, err := c.RPC(t.Context(), name, "f", nil); err == nil || failure(t, err).Kind != fault.Usage {
			t.Errorf("schema %q: %v", name, err)
		}
	}
}

func TestSigning_in_returns_the_session_and_signing_out_ends_that_one_alone(t *testing.T) {
	var called []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		called = append(called, r.URL.RequestURI()+" "+r.Header.Get("Authorization")+" "+string(body))
		if r.URL.Path == "/auth/v1/logout" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, 200, `{"access_token":"a","refresh_token":"r","expires_in":3600,"user":{"email":"ada@example.com"}}`)
	}))
	defer server.Close()
	c := client.New(&config.Config{URL: server.URL}, http.DefaultTransport, time.Now)
	before := time.Now()
	session, err := c.SignIn(t.Context(), "ada@example.com", credential.NewSecret("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	if session.AccessToken.Reveal() != "a" || session.RefreshToken.Reveal() != "r" || session.Email != "ada@example.com" || session.ExpiresAt.Before(before.Add(time.Hour)) {
		t.Errorf("got %+v", session)
	}
	if _, err := c.Refresh(t.Context(), session.RefreshToken); err != nil {
		t.Error(err)
	}
	if err := c.SignOut(t.Context(), session.AccessToken); err != nil {
		t.Error(err)
	}
	want := []string{
		`/auth/v1/token?grant_type=password  {"email":"ada@example.com","password":"hunter2",`,
		`/auth/v1/token?grant_type=refresh_token  {"refresh_token":"r",`,
		`/auth/v1/logout?scope=local Bearer a `,
	}
	for i := range want {
		if len(called) != len(want) || !strings.HasPrefix(called[i], want[i]) {
			t.Fatalf("called\n%s", strings.Join(called, "\n"))
		}
	}
}

func TestWhat_Auth_refuses_is_a_failure_to_authenticate(t *testing.T) {
	for body, status := range map[string]int{
		`{"code":400,"error_code":"invalid_credentials","msg":"Invalid login credentials"}`:     400,
		`{"code":422,"error_code":"email_provider_disabled","msg":"Email logins are disabled"}`: 422,
		`{"code":422,"msg":"Email logins are disabled"}`:                                        422,
		`{"code":403,"error_code":"user_banned","msg":"User is banned"}`:                        403,
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, status, body) })
		_, err := c.SignIn(t.Context(), "ada@example.com", credential.NewSecret("hunter2"))
		if f := failure(t, err); f.Kind != fault.Authentication || !strings.Contains(body, f.Code) || !strings.Contains(body, f.Message) {
			t.Errorf("%s: got %#v", body, f)
		}
	}
}

func TestA_tokens_status_is_the_servers_state_with_a_note(t *testing.T) {
	text := func(s string) *string { return &s }
	revoked := time.Now()
	for want, token := range map[string]client.Token{
		"active": {State: "active"},
		"active, its maker is no longer a member": {State: "active", CreatedBy: text("ada")},
		"active, its maker is no longer an admin": {State: "active", CreatedBy: text("ada"), CreatedByRole: text("member")},
		"revoked":              {State: "revoked", CreatedBy: text("ada")},
		"revoked, still tried": {State: "revoked", Denials: 1},
		"expired, still tried": {State: "expired", Denials: 1},
		"":                     {RevokedAt: &revoked}, // it decides nothing by itself
	} {
		if got := token.Status(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := (client.Token{State: "active", CreatedBy: text("ada"), CreatedByRole: text("owner")}).Status(); got != "active" {
		t.Errorf("an owner's token: %q", got)
	}
}
