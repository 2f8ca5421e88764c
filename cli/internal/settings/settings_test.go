package settings

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// Time and chance, which no test in a browser can wait for. /tests has those of the page itself.

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestA_session_ends_when_idle_or_old_and_a_page_that_polls_is_idle(t *testing.T) {
	for _, test := range []struct {
		name  string
		every time.Duration // between requests
		poll  bool
		ends  time.Duration
	}{
		{"nobody comes back", maxIdle + time.Second, false, maxIdle + time.Second},
		{"somebody is there", time.Hour, false, maxAge},
		{"a page is open", time.Minute, true, maxIdle},
	} {
		s := newSessions()
		cookie := s.add(&person{}, start)
		at := start.Add(test.every)
		for s.find(cookie, !test.poll, at) != nil && at.Sub(start) <= maxAge {
			at = at.Add(test.every)
		}
		if got := at.Sub(start); got != test.ends {
			t.Errorf("%s: it ended after %v, want %v", test.name, got, test.ends)
		}
	}
}

func someone(n int) *person { return &person{email: fmt.Sprintf("person-%d@example.com", n)} }

func TestA_persons_many_sign_ins_end_their_own_idlest_session_and_nobody_elses(t *testing.T) {
	s := newSessions()
	other := s.add(someone(1), start) // idle since before all the others
	first := s.add(someone(2), start.Add(time.Minute))
	second := s.add(&person{email: "Person-2@example.com"}, start.Add(time.Minute))
	s.find(first, true, start.Add(2*time.Minute))
	now := start.Add(3 * time.Minute)
	for n := 2; n < maxPerPerson; n++ {
		s.add(someone(2), now)
	}
	if len(s.byHash) != 1+maxPerPerson {
		t.Fatalf("%d sessions before the limit", len(s.byHash))
	}
	s.add(someone(2), now)
	if s.find(first, true, now) == nil || s.find(second, true, now) != nil {
		t.Error("another than the person's idlest session ended")
	}
	for range 1000 {
		s.add(someone(2), now)
	}
	if s.find(other, true, now) == nil || len(s.byHash) != 1+maxPerPerson {
		t.Errorf("of two people, one with a session and one with a thousand sign-ins, %d sessions are left", len(s.byHash))
	}
	s.add(someone(3), start.Add(maxAge+3*time.Minute))
	if len(s.byHash) != 1 {
		t.Errorf("%d sessions, all but one of which are over", len(s.byHash))
	}
}

func TestWhere_all_sessions_are_taken_the_person_with_the_most_loses_their_idlest(t *testing.T) {
	s := newSessions()
	first := s.add(someone(0), start)
	for n := 1; len(s.byHash) < maxSessions; n++ {
		for range 2 {
			s.add(someone(n), start.Add(time.Minute))
		}
	}
	crowd := len(s.byHash)
	newcomer := s.add(someone(-1), start.Add(2*time.Minute))
	if len(s.byHash) != crowd || crowd != maxSessions {
		t.Errorf("%d sessions fit, and one more makes %d", crowd, len(s.byHash))
	}
	if now := start.Add(3 * time.Minute); s.find(first, true, now) == nil || s.find(newcomer, true, now) == nil {
		t.Error("who has one session lost it to those who have two")
	}
}

func TestAttempts_are_a_burst_and_then_one_an_interval_for_each_address(t *testing.T) {
	l := newLimiter()
	address := netip.MustParseAddr("192.0.2.1")
	for range burst {
		if l.take(address, start) != 0 {
			t.Fatal("refused within the burst")
		}
	}
	if wait := l.take(address, start); wait != interval {
		t.Errorf("wait %v, want %v", wait, interval)
	}
	if l.take(address, start.Add(interval-1)) == 0 {
		t.Error("allowed too early")
	}
	if l.take(address, start.Add(interval)) != 0 {
		t.Error("refused after the interval")
	}
	if l.take(netip.MustParseAddr("::ffff:192.0.2.1"), start.Add(interval)) == 0 {
		t.Error("an address in its other form is another")
	}
	if l.take(netip.MustParseAddr("192.0.2.2"), start) != 0 {
		t.Error("another address waits too")
	}
	for i := range burst {
		l.take(netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i)), start)
	}
	if l.take(netip.MustParseAddr("2001:db8::ffff"), start) == 0 {
		t.Error("whoever has an IPv6 network has as many attempts as addresses")
	}
	l.giveBack(address)
	if l.take(address, start.Add(interval)) != 0 {
		t.Error("an attempt that succeeded was not given back")
	}
}

func TestThe_limiter_forgets_whoever_it_limits_least_when_it_is_full(t *testing.T) {
	l := newLimiter()
	busy := netip.MustParseAddr("192.0.2.1")
	for range burst {
		l.take(busy, start)
	}
	for i := range maxAddresses + 200 {
		l.take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), start)
	}
	if len(l.free) > maxAddresses {
		t.Errorf("it remembers %d addresses", len(l.free))
	}
	if l.take(busy, start) == 0 {
		t.Error("many others make it forget who is limited")
	}
}

func TestThe_launch_key_works_once(t *testing.T) {
	l := newLaunchKey()
	key := l.key
	if l.use("") || l.use(key[1:]) || !l.use(key) || l.use(key) || l.use("") {
		t.Error("it does not work once")
	}
}

// newServer returns a server whose project answers with handler.
func newServer(t *testing.T, handler http.HandlerFunc) *Server {
	t.Helper()
	project := httptest.NewServer(handler)
	t.Cleanup(project.Close)
	loaded := &config.Config{URL: project.URL}
	s, err := New(Options{
		Config: loaded, Client: client.New(loaded, http.DefaultTransport, time.Now), Now: func() time.Time { return start },
		Origin: &url.URL{Scheme: "http", Host: "127.0.0.1:80"}, Notef: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestA_refresh_token_is_used_once_however_many_requests_find_the_session_due(t *testing.T) {
	var refreshes atomic.Int32
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		refreshes.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"second","refresh_token":"r2","expires_in":1000000000,"user":{"id":"6f1c2b9e-0f3a-4a52-9f60-2a4f0c6f1a11","email":"ada@example.com"}}`)
	})
	p := s.withPassword(credential.Session{AccessToken: credential.NewSecret("first"), RefreshToken: credential.NewSecret("r1"), ExpiresAt: start})
	gone, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			now, err := p.current(t.Context())
			if err != nil || now.AccessToken.Reveal() != "second" {
				t.Errorf("%v, %v", now.AccessToken.Reveal(), err)
			}
		})
	}
	all.Wait()
	if refreshes.Load() != 1 {
		t.Errorf("%d refreshes", refreshes.Load())
	}

	// A request that goes away does not lose the refresh for the others.
	refreshes.Store(0)
	p = s.withPassword(credential.Session{AccessToken: credential.NewSecret("first"), RefreshToken: credential.NewSecret("r1"), ExpiresAt: start})
	cancel()
	for range 50 { // chance decides whether one refreshes at all
		_, _ = p.current(gone)
	}
	if now, err := p.current(t.Context()); err != nil || now.AccessToken.Reveal() != "second" || refreshes.Load() != 1 {
		t.Errorf("%v, %v after %d refreshes", now.AccessToken.Reveal(), err, refreshes.Load())
	}
}

func TestThe_command_lines_session_is_over_when_somebody_else_signs_in_there(t *testing.T) {
	s := newServer(t, http.NotFound)
	known, failure := credential.Session{Email: "ada@example.com"}, error(nil)
	s.CommandLine = func(context.Context) (credential.Session, error) { return known, failure }
	p, err := s.onCommandLine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	over := func() bool {
		_, err := p.current(t.Context())
		var f *fault.Error
		return errors.As(err, &f) && f.Kind == fault.Authentication
	}
	if over() {
		t.Error("it is over at once")
	}
	failure = errors.New("the disk is slow")
	if over() {
		t.Error("it is over for another failure")
	}
	failure, known.Email = nil, "bob@example.com"
	if !over() {
		t.Error("Bob's session is used for Ada")
	}
	failure = credential.ErrNoSession
	if !over() {
		t.Error("it goes on after signing out")
	}
}

func TestA_bug_ends_its_request_and_shows_nothing(t *testing.T) {
	s := newServer(t, http.NotFound)
	var told string
	s.Notef = func(format string, args ...any) { told = fmt.Sprintf(format, args...) }
	handler := s.guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("bbl_tok_secret") }))
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:80/", nil))
	if answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String()+told, "secret") || told == "" {
		t.Errorf("%d %s; told %q", answer.Code, answer.Body, told)
	}
}

func TestA_link_from_another_site_finds_the_cookie(t *testing.T) {
	s := newServer(t, http.NotFound)
	path := "/organizations/6f1c2b9e-0f3a-4a52-9f60-2a4f0c6f1a11/api-access?q=a"
	request := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:80"+path, nil)
	request.Header.Set("Sec-Fetch-Site", "cross-site") // and no cookie, for it is SameSite=Strict
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, request)
	if want := `content="0; url=http://127.0.0.1:80` + path; answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), want) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}
