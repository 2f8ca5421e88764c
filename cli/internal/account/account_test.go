package account_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/babelon/babelon/cli/internal/account"
	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// A server answers as Supabase Auth does and remembers what it was asked.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	status int // of every answer, unless 0
	asked  []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL.Path+r.FormValue("grant_type")+r.Header.Get("Authorization"))
	w.Header().Set("Content-Type", "application/json")
	if s.status != 0 {
		w.WriteHeader(s.status)
	}
	fmt.Fprintf(w, `{"access_token":"a%d","refresh_token":"r","expires_in":3600,"user":{"email":"ada@example.com"}}`, len(s.asked))
}

func TestA_person_signs_in_acts_and_signs_out_wherever_the_session_is_kept(t *testing.T) {
	for name, store := range map[string]func(url string) account.Store{
		"a file": func(url string) account.Store { return account.File{Dir: t.TempDir(), URL: url} },
		"memory": func(string) account.Store { return account.InMemory() },
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{}
			s.Server = httptest.NewServer(s)
			defer s.Close()
			now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
			clock := func() time.Time { return now }
			ada := account.Person{
				Project: client.New(&config.Config{URL: s.URL}, http.DefaultTransport, clock),
				Store:   store(s.URL), Now: clock,
			}
			current := func(want string) {
				t.Helper()
				got, err := ada.Current(t.Context())
				if err != nil || got.AccessToken.Reveal() != want {
					t.Errorf("%q, %v; want %s", got.AccessToken.Reveal(), err, want)
				}
			}

			if _, err := ada.Current(t.Context()); !errors.Is(err, credential.ErrNoSession) {
				t.Errorf("before: %v", err)
			}
			if err := ada.SignOut(t.Context()); !errors.Is(err, credential.ErrNoSession) {
				t.Errorf("signing out before: %v", err)
			}
			signIn := func() {
				if _, err := ada.SignIn(t.Context(), "ada@example.com", credential.NewSecret("hunter2")); err != nil {
					t.Fatal(err)
				}
			}
			signIn()
			current("a1")
			now = now.Add(time.Hour)
			current("a2")
			now = now.Add(time.Hour)
			if err := ada.SignOut(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := ada.Current(t.Context()); !errors.Is(err, credential.ErrNoSession) {
				t.Errorf("after: %v", err)
			}
			want := []string{"/auth/v1/tokenpassword", "/auth/v1/tokenrefresh_token", "/auth/v1/tokenrefresh_token", "/auth/v1/logoutBearer a3"}
			if !slices.Equal(s.asked, want) {
				t.Errorf("asked %q", s.asked)
			}

			// Whatever the server says, here it is over.
			signIn()
			s.status = http.StatusInternalServerError
			var f *fault.Error
			if err := ada.SignOut(t.Context()); !errors.As(err, &f) {
				t.Errorf("a broken server: %v", err)
			}
			if _, err := ada.Current(t.Context()); !errors.Is(err, credential.ErrNoSession) {
				t.Errorf("after a broken server: %v", err)
			}

			s.status = 0
			signIn()
			now, s.status = now.Add(2*time.Hour), http.StatusBadRequest
			if _, err := ada.Current(t.Context()); !errors.As(err, &f) || f.Kind != fault.Authentication {
				t.Errorf("an ended session: %v", err)
			}
		})
	}
}
