package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

func TestA_JWT_that_the_projects_clock_refuses_is_tried_once_more(t *testing.T) {
	for code, message := range map[string]string{"PGRST303": "JWT not yet valid", "PGRST301": "JWT expired"} {
		for _, isPerson := range []bool{true, false} {
			for refused := range 3 {
				synctest.Test(t, func(t *testing.T) {
					attempts := 0
					c := at("https://example.com", network(func(*http.Request) (*http.Response, error) {
						if attempts++; attempts <= refused {
							return response(401, nil, fmt.Sprintf(`{"code":%q,"message":%q}`, code, message)), nil
						}
						return response(200, nil, aPair), nil
					}))
					if isPerson {
						c = c.WithSession(credential.NewSecret("jwt"))
					}
					_, err := c.GenerateToken(t.Context(), "", "ci", "member", requestID)
					if refused < 2 {
						if err != nil || attempts != refused+1 {
							t.Errorf("%d attempts, %v", attempts, err)
						}
						return
					}
					f := failure(t, err)
					if attempts != 2 || !strings.Contains(f.Message, "clock") || !strings.Contains(f.Message, "once more: "+message) || f.Uncertain {
						t.Errorf("%d attempts, %#v", attempts, f)
					}
					if want := map[bool]fault.Kind{true: fault.Authentication, false: fault.Unavailable}[isPerson]; f.Kind != want {
						t.Errorf("a person %t: exit code %d", isPerson, f.Kind)
					}
					if strings.Contains(strings.ToLower(f.Hint), "sign in") != isPerson || strings.Contains(f.Hint, "login") {
						t.Errorf("a person %t: hint %s", isPerson, f.Hint)
					}
				})
			}
		}
	}
}

func TestAn_error_says_whether_the_server_may_have_done_it_all_the_same(t *testing.T) {
	replies := func(statuses ...int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			if statuses[0] == 0 {
				panic(http.ErrAbortHandler)
			}
			answer(w, statuses[0], `{"message":"no"}`)
			if len(statuses) > 1 {
				statuses = statuses[1:]
			}
		}
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	tests := map[string]struct {
		client    *client.Client
		uncertain bool
	}{
		"too many requests":           {serve(t, replies(429)), false},
		"refused":                     {serve(t, replies(403)), false},
		"nobody there":                {at(gone.URL, http.DefaultTransport), false},
		"a stranger":                  {at("https"+strings.TrimPrefix(serveTLS(t), "https"), http.DefaultTransport), false},
		"lost, then too many of them": {serve(t, replies(503, 429)), true},
		"broken":                      {serve(t, replies(500)), true},
		"no answer":                   {serve(t, replies(0)), true},
		"something else":              {serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := test.client.GenerateToken(t.Context(), "", "ci", "member", requestID)
			if f := failure(t, err); f.Uncertain != test.uncertain {
				t.Errorf("got %#v", f)
			}
		})
	}
}

// serveTLS starts a server that nobody trusts and returns its URL.
func serveTLS(t *testing.T) string {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains that nobody trusts it
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestAn_unknown_authority_names_the_variable_that_makes_it_known(t *testing.T) {
	_, err := at(serveTLS(t), client.NewTransport()).Whoami(t.Context())
	if f := failure(t, err); !strings.Contains(f.Hint, "SSL_CERT_FILE") {
		t.Errorf("got %#v", f)
	}
}

func TestWhat_a_proxy_answers_is_said_to_be_the_proxys_by_name(t *testing.T) {
	html := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html>Blocked by policy</html>")
		}
	}
	for name, test := range map[string]struct {
		project string
		proxy   http.HandlerFunc
		status  string
	}{
		"a tunnel that is forbidden":      {"https://example.com", html(403), "403 Forbidden"},
		"a tunnel that wants a password":  {"https://example.com", html(407), "407 Proxy Authentication Required"},
		"a request that is forbidden":     {"http://example.com", html(403), "403 Forbidden"},
		"a request that needs a password": {"http://example.com", html(407), "407 Proxy Authentication Required"},
		"a page in place of the answer":   {"http://example.com", html(200), "200 OK"},
		"a page in place of an error":     {"http://example.com", html(401), "401 Unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			attempts := 0
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				attempts++
				test.proxy(w, r)
			}))
			defer proxy.Close()
			address, _ := url.Parse(proxy.URL)
			address.User = url.UserPassword("ada", "hunter2")
			transport := client.NewTransport()
			transport.Proxy = http.ProxyURL(address)
			_, err := at(test.project, transport).Whoami(t.Context())
			f := failure(t, err)
			if f.Kind != fault.Unavailable || !strings.Contains(f.Message, "the proxy "+address.Host+" answered") ||
				!strings.Contains(f.Message, test.status) || !strings.Contains(f.Hint, "HTTPS_PROXY") || attempts != 1 {
				t.Errorf("%d attempts: %#v", attempts, f)
			}
			if strings.Contains(f.Message+f.Hint, "hunter2") {
				t.Error("the proxy's password is shown")
			}
		})
	}

	gone := httptest.NewServer(nil)
	address, _ := url.Parse(gone.URL)
	gone.Close()
	transport := client.NewTransport()
	transport.Proxy = http.ProxyURL(address)
	_, err := at("https://example.com", transport).Whoami(t.Context())
	if f := failure(t, err); !strings.HasPrefix(f.Message, "cannot reach the proxy "+address.Host) {
		t.Errorf("a proxy that is not there: %v", err)
	}
}

func TestAn_answer_of_the_APIs_that_came_through_a_proxy_is_the_APIs(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 403, `{"code":"BBL_FORBIDDEN","message":"no"}`)
	}))
	defer proxy.Close()
	address, _ := url.Parse(proxy.URL)
	transport := client.NewTransport()
	transport.Proxy = http.ProxyURL(address)
	_, err := at("http://example.com", transport).Whoami(t.Context())
	if f := failure(t, err); f.Message != "no" || f.Kind != fault.Failure {
		t.Errorf("got %#v", f)
	}
}

func TestA_person_who_waits_is_told_what_for(t *testing.T) {
	silent := network(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	busy := network(func(*http.Request) (*http.Response, error) {
		return response(429, http.Header{"Retry-After": {"5"}}, `{"message":"slow down"}`), nil
	})
	quick := network(func(*http.Request) (*http.Response, error) { return nil, errors.New("reset") })
	for name, test := range map[string]struct {
		transport http.RoundTripper
		timeout   time.Duration
		want      []string // in the order of seconds
		ends      time.Duration
		message   string
	}{
		"a silent server": {silent, 0, []string{
			"2s waiting for example.com to answer",
			"15s example.com did not answer within 15s; trying again in",
			"30s example.com did not answer within 15s; trying again in",
		}, 46 * time.Second, "example.com did not answer within 15s"},
		"a timeout":                   {silent, 5 * time.Second, []string{"2s waiting for example.com to answer"}, 5 * time.Second, "example.com did not answer within 5s"},
		"a long timeout":              {silent, 5 * time.Minute, []string{"2s waiting for example.com to answer"}, 5 * time.Minute, "example.com did not answer within 5m0s"},
		"a timeout between two tries": {busy, 7 * time.Second, []string{"0s slow down; trying again in 5s", "5s slow down; trying again in 5s"}, 7 * time.Second, "slow down"},
		"an answer that comes soon":   {quick, 0, nil, 2 * time.Second, "cannot reach example.com: reset"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				told := make(chan string, 10)
				c := at("https://example.com", test.transport).Waiting(test.timeout, func(format string, args ...any) {
					told <- time.Since(began).Truncate(time.Second).String() + " " + fmt.Sprintf(format, args...)
				})
				_, err := c.Whoami(t.Context())
				if f := failure(t, err); f.Message != test.message || f.Kind != fault.Unavailable {
					t.Errorf("got %#v", f)
				}
				if took := time.Since(began); took > test.ends || took < test.ends-3*time.Second {
					t.Errorf("took %s", took)
				}
				synctest.Wait()
				close(told)
				var got []string
				for line := range told {
					got = append(got, line)
				}
				for i := range max(len(got), len(test.want)) {
					if len(got) != len(test.want) || !strings.HasPrefix(got[i], test.want[i]) {
						t.Fatalf("told\n%s", strings.Join(got, "\n"))
					}
				}
			})
		})
	}
}

func TestSomebody_elses_function_may_take_its_time(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := at("https://example.com", network(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(50 * time.Second):
				return response(200, nil, `{}`), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}))
		if _, err := c.RPC(t.Context(), "public", "f", nil); err != nil {
			t.Error(err)
		}
		if _, err := c.Whoami(t.Context()); err == nil {
			t.Error("so may ours")
		}
	})
}

func TestAn_interrupt_ends_every_wait(t *testing.T) {
	body := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		answer(w, 200, "{")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	retry := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "10")
		answer(w, 429, "{}")
	}
	silent := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	for name, handler := range map[string]http.HandlerFunc{"an answer": silent, "the rest of it": body, "the next try": retry} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				time.AfterFunc(50*time.Millisecond, cancel)
				handler(w, r)
			})
			began := time.Now()
			_, err := c.Whoami(ctx)
			if f := failure(t, err); f.Kind != fault.Interrupted || time.Since(began) > 5*time.Second {
				t.Errorf("after %s: %v", time.Since(began), err)
			}
		})
	}
}
