package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"
)

// startAndWait, in the environment, makes this test binary a program that just keeps a stack up.
const startAndWait = "BABELON_STACK_START_AND_WAIT"

func TestMain(m *testing.M) {
	if os.Getenv(startAndWait) == "" {
		os.Exit(m.Run())
	}
	s, err := Start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.Dir)
	select {}
}

func TestTwo_stacks_run_at_once_and_leave_nothing_behind(t *testing.T) {
	temporary := ownTempDir(t)
	stacks := make(chan *Stack)
	for range 2 {
		go func() {
			s, err := Start(t.Context())
			if err != nil {
				t.Error(err)
			}
			stacks <- s
		}()
	}
	first, second := <-stacks, <-stacks
	if t.Failed() {
		for _, s := range []*Stack{first, second} {
			if s != nil {
				s.Stop()
			}
		}
		return
	}
	for _, s := range []*Stack{first, second} {
		if _, err := s.SignUp(t.Context(), "a@example.com", "correct horse"); err != nil {
			t.Error(err)
		}
	}
	if status, _ := get(t, first.URL+"/rest/v1/", "apikey", second.PublishableKey); status != http.StatusUnauthorized {
		t.Errorf("one stack answers the other's key with %d", status)
	}
	started := descendants(t, os.Getpid())
	if len(started) < 6 { // of each stack, at least PostgreSQL, Auth and PostgREST
		t.Errorf("only %d processes run", len(started))
	}
	for _, s := range []*Stack{first, second, second} { // stopping twice is fine
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
	wantGone(t, started, temporary)
}

func TestA_killed_program_leaves_nothing_behind(t *testing.T) {
	temporary := ownTempDir(t)
	program := exec.Command(os.Args[0])
	program.Env = append(os.Environ(), startAndWait+"=1")
	program.Stderr = os.Stderr
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 1)
	if _, err := io.ReadFull(out, line); err != nil {
		t.Fatalf("the stack did not start: %v", err)
	}
	started := descendants(t, program.Process.Pid)
	if len(started) < 3 {
		t.Errorf("only %d processes run", len(started))
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = program.Wait() // says that it was killed
	wantGone(t, started, temporary)
}

// make passes on SIGTERM, but neither SIGINT nor SIGHUP. Nobody can pass on SIGKILL.
func TestMake_stack_leaves_nothing_behind_whichever_signal_goes_to_whichever_process(t *testing.T) {
	// A shell makes background programs ignore SIGINT, and nohup SIGHUP. Asking for both here undoes that.
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGHUP)
	defer stop()
	temporary := ownTempDir(t)
	t.Setenv("GOTMPDIR", t.TempDir()) // a killed go leaves its own folder
	repository := t.TempDir()         // the same files, with a .stack of its own
	for _, name := range []string{"Makefile", "go.mod", "go.sum", "cli", "sql", "supabase", "tests"} {
		if err := os.Symlink(filepath.Join(Root(), name), filepath.Join(repository, name)); err != nil {
			t.Fatal(err)
		}
	}
	up, env := filepath.Join(repository, ".stack", "up"), filepath.Join(repository, ".stack", "env")

	type place struct {
		command string
		sign    string // the signal is sent once this file exists
		program bool   // the signal goes to the stack's program, not to the command
	}
	for where, signals := range map[place][]syscall.Signal{
		{"make stack", env, false}:               {syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGKILL},
		{"make stack", env, true}:                {syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGKILL},
		{"make stack", up, false}:                {syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL},
		{"go run ./tests/stack/cmd", env, false}: {syscall.SIGTERM, syscall.SIGKILL},
	} {
		for _, sig := range signals {
			t.Run(fmt.Sprintf("%s, %s, program %t, %s", where.command, filepath.Base(where.sign), where.program, sig), func(t *testing.T) {
				words := strings.Fields(where.command)
				command := exec.CommandContext(ctx, words[0], words[1:]...)
				command.Dir = repository
				command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
				if err := command.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- command.Wait() }()
				eventually(t, func() error { _, err := os.Stat(where.sign); return err })
				started := append(descendants(t, command.Process.Pid), command.Process.Pid)
				receiver := command.Process.Pid
				if where.program {
					content, err := os.ReadFile(up)
					if err == nil {
						receiver, err = strconv.Atoi(string(content))
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if err := syscall.Kill(receiver, sig); err != nil {
					t.Fatal(err)
				}
				wantGone(t, started, temporary)
				eventually(t, func() error {
					left, err := filepath.Glob(filepath.Dir(up))
					if left != nil {
						err = errors.New(".stack is left behind")
					}
					return err
				})
				<-ended
			})
		}
	}
}

func TestCancelling_start_in_any_phase_leaves_nothing_behind(t *testing.T) {
	for phase, sign := range map[string]string{
		"initdb":    "postgres/data",
		"auth":      "auth.log",
		"postgrest": "postgrest.log",
	} {
		t.Run(phase, func(t *testing.T) {
			temporary := ownTempDir(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error)
			go func() {
				s, err := Start(ctx)
				if err == nil {
					s.Stop()
				}
				ended <- err
			}()
			eventually(t, func() error {
				if found, _ := filepath.Glob(filepath.Join(temporary, "*", sign)); found == nil {
					return errors.New("no " + sign)
				}
				return nil
			})
			started := descendants(t, os.Getpid())
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Start returns %v", err)
			}
			wantGone(t, started, temporary)
		})
	}
}

func TestA_part_that_fails_is_named_with_what_it_said(t *testing.T) {
	temporary := ownTempDir(t)
	t.Setenv("POSTGREST", script(t, t.TempDir(), "postgrest", "echo 'no such luck'; exit 3"))
	s, err := Start(t.Context())
	if err == nil {
		s.Stop()
		t.Fatal("Start succeeds")
	}
	if !strings.HasPrefix(err.Error(), "postgrest: ") || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("the error is %q", err)
	}
	wantGone(t, nil, temporary)
}

func TestA_tool_that_is_missing_or_too_old_gives_one_sentence(t *testing.T) {
	empty, old, alone := t.TempDir(), t.TempDir(), t.TempDir()
	script(t, old, "node", "echo v18.20.1")
	script(t, old, "npm", "")
	script(t, alone, "node", "echo v20.0.0")
	for path, want := range map[string]string{
		empty: "the stack needs Node 20 or later with npm: node is not installed",
		alone: "the stack needs Node 20 or later with npm: npm is not installed",
		old:   "the stack needs Node 20 or later with npm, and this is v18.20.1",
	} {
		t.Setenv("PATH", path)
		if _, err := Start(t.Context()); err == nil || err.Error() != want {
			t.Errorf("Start returns %q, want %q", err, want)
		}
	}
}

func TestThe_gateway_acts_as_the_hosted_one(t *testing.T) {
	s, err := Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	if err := execute(t.Context(), s.DatabaseURL, `
		create function public.caller() returns json stable language sql as $$
			select json_build_object('role', current_user, 'id', auth.uid(), 'email', auth.email(), 'claimed', auth.role()) $$;
		create table public.notes (body text);
		insert into public.notes values ('a;b'), ('c');
		notify pgrst, 'reload schema'`); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if status, body := get(t, s.PostgRESTURL+"/rpc/caller"); status != http.StatusOK {
			return fmt.Errorf("PostgREST does not know the function yet: %d %s", status, body)
		}
		return nil
	})
	person, err := s.SignUp(t.Context(), "person@example.com", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	anonJWT, err := s.apiKeyJWT("anon")
	if err != nil {
		t.Fatal(err)
	}
	caller := s.URL + "/rest/v1/rpc/caller"
	const noKey = `{"message":"No API key found in request","hint":"No ` + "`apikey`" + ` request header or url param was found."}`
	const wrongKey = `{"message":"Invalid API key","hint":"Double check your Supabase ` + "`anon` or `service_role`" + ` API key."}`

	t.Run("refuses a request without a key or with an unknown one", func(t *testing.T) {
		for _, path := range []string{"/rest/v1/", "/auth/v1/settings"} {
			for _, c := range []struct {
				headers []string
				want    string
			}{
				{nil, noKey},
				{[]string{"Authorization", "Bearer " + person.AccessToken}, noKey},
				{[]string{"apikey", "sb_publishable_unknown"}, wrongKey},
				{[]string{"apikey", person.AccessToken}, wrongKey},
			} {
				status, body := get(t, s.URL+path, c.headers...)
				if status != http.StatusUnauthorized || !sameJSON(t, body, c.want) {
					t.Errorf("%s with %d headers: %d %s", path, len(c.headers)/2, status, body)
				}
			}
		}
	})

	t.Run("lets a preflight through without a key, and every origin", func(t *testing.T) {
		for _, c := range []struct {
			method  string
			headers []string
			status  int
			origin  string
		}{
			{http.MethodOptions, []string{"Origin", "https://product.example", "Access-Control-Request-Method", "POST"}, http.StatusOK, "*"},
			{http.MethodOptions, []string{"Origin", "https://product.example"}, http.StatusUnauthorized, "*"},
			{http.MethodOptions, []string{"Access-Control-Request-Method", "POST"}, http.StatusUnauthorized, ""},
			{http.MethodGet, []string{"Origin", "https://product.example"}, http.StatusUnauthorized, "*"},
			{http.MethodGet, []string{"Origin", "https://product.example", "apikey", s.PublishableKey}, http.StatusOK, "*"},
		} {
			for _, path := range []string{"/rest/v1/", "/auth/v1/settings"} {
				status, header, _ := send(t, c.method, s.URL+path, "", append(c.headers, "Access-Control-Request-Headers", "apikey,x-client-id")...)
				if got := header.Values("Access-Control-Allow-Origin"); status != c.status || strings.Join(got, " ") != c.origin {
					t.Errorf("%s %s %q: %d for the origins %q, want %d for %q", c.method, path, c.headers, status, got, c.status, c.origin)
				}
				if got := header.Get("Access-Control-Allow-Headers"); c.method == http.MethodOptions && c.status == http.StatusOK && got != "apikey,x-client-id" {
					t.Errorf("%s: the preflight allows the headers %q", path, got)
				}
			}
		}
	})

	t.Run("gives each key its role, and a person theirs", func(t *testing.T) {
		for name, c := range map[string]struct {
			url     string
			headers []string
			want    string
		}{
			"publishable":            {caller, []string{"apikey", s.PublishableKey}, "anon"},
			"publishable in the URL": {caller + "?apikey=" + s.PublishableKey, nil, "anon"},
			"publishable repeated":   {caller, []string{"apikey", s.PublishableKey, "Authorization", "Bearer " + s.PublishableKey}, "anon"},
			"older anon":             {caller, []string{"apikey", anonJWT, "Authorization", "Bearer " + anonJWT}, "anon"},
			"secret":                 {caller, []string{"apikey", s.SecretKey}, "service_role"},
			"secret repeated":        {caller, []string{"apikey", s.SecretKey, "Authorization", "Bearer " + s.SecretKey}, "service_role"},
			"person":                 {caller, []string{"apikey", s.PublishableKey, "Authorization", "Bearer " + person.AccessToken}, "authenticated"},
		} {
			status, body := get(t, c.url, c.headers...)
			var is struct{ Role, Claimed, ID, Email string }
			if err := json.Unmarshal([]byte(body), &is); err != nil || status != http.StatusOK {
				t.Errorf("%s: %d %s", name, status, body)
				continue
			}
			if is.Role != c.want || is.Claimed != c.want {
				t.Errorf("%s: the role is %s, and auth.role() %s, want %s", name, is.Role, is.Claimed, c.want)
			}
			if name == "person" && (is.ID != person.ID || is.Email != person.Email) {
				t.Errorf("a person is %s to auth.uid() and %s to auth.email()", is.ID, is.Email)
			}
		}
	})

	t.Run("refuses a person's session that is forged", func(t *testing.T) {
		status, body := get(t, caller, "apikey", s.PublishableKey, "Authorization", "Bearer "+person.AccessToken+"x")
		if status != http.StatusUnauthorized {
			t.Errorf("%d %s", status, body)
		}
	})

	t.Run("hands a query on as it came, without the key", func(t *testing.T) {
		for _, query := range []string{"body=eq.a%3Bb", "body=eq.a;b", "body=eq.%zz", "order=body&body=neq.x&order=body.desc"} {
			wantStatus, want := get(t, s.PostgRESTURL+"/notes?"+query)
			for _, keyed := range []string{query, "apikey=" + s.PublishableKey + "&" + query, query + "&apikey=" + s.PublishableKey} {
				status, body := get(t, s.URL+"/rest/v1/notes?"+keyed, "apikey", s.PublishableKey)
				if status != wantStatus || body != want {
					t.Errorf("%s: %d %s, and PostgREST itself: %d %s", keyed, status, body, wantStatus, want)
				}
			}
		}
	})

	t.Run("makes Auth's times RFC 3339", func(t *testing.T) {
		status, body := get(t, s.URL+"/auth/v1/user", "apikey", s.PublishableKey, "Authorization", "Bearer "+person.AccessToken)
		var user map[string]any
		if err := json.Unmarshal([]byte(body), &user); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		for _, field := range []string{"created_at", "updated_at", "last_sign_in_at", "email_confirmed_at"} {
			text, _ := user[field].(string)
			if _, err := time.Parse(time.RFC3339, text); err != nil {
				t.Error(field, err)
			}
		}
		if left := regexp.MustCompile(`"\d{4}-\d\d-\d\d \d`).FindString(body); left != "" {
			t.Errorf("a time is left as PostgreSQL writes it: %s", body)
		}
	})

	t.Run("keeps a session in auth.sessions from sign-in to sign-out", func(t *testing.T) {
		db, err := pgx.Connect(t.Context(), s.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close(context.Background())
		want := func(step, accessToken string, want int) {
			t.Helper()
			var claims struct {
				jwt.RegisteredClaims
				SessionID string `json:"session_id"`
			}
			if _, _, err := jwt.NewParser().ParseUnverified(accessToken, &claims); err != nil {
				t.Fatalf("%s: %v", step, err)
			}
			var rows int
			if err := db.QueryRow(t.Context(), "select count(*) from auth.sessions where id = $1 and user_id = $2 and aal = 'aal1'",
				claims.SessionID, claims.Subject).Scan(&rows); err != nil || rows != want {
				t.Errorf("%s: auth.sessions has %d rows of this session, want %d: %v", step, rows, want, err)
			}
		}
		signIn := func(grant, body string) (session struct {
			AccessToken  string `json:"access_token"`
			RefreshToken string `json:"refresh_token"`
		}) {
			t.Helper()
			status, answer := ask(t, http.MethodPost, s.URL+"/auth/v1/token?grant_type="+grant, body, "apikey", s.PublishableKey)
			if err := json.Unmarshal([]byte(answer), &session); err != nil || status != http.StatusOK {
				t.Fatalf("%s: %d %s", grant, status, answer)
			}
			return session
		}
		want("signed up", person.AccessToken, 1)
		session := signIn("password", `{"email": "person@example.com", "password": "correct horse"}`)
		want("signed in", session.AccessToken, 1)
		session = signIn("refresh_token", `{"refresh_token": "`+session.RefreshToken+`"}`)
		want("refreshed", session.AccessToken, 1)
		if status, answer := ask(t, http.MethodPost, s.URL+"/auth/v1/logout?scope=local", "",
			"apikey", s.PublishableKey, "Authorization", "Bearer "+session.AccessToken); status != http.StatusNoContent {
			t.Errorf("signing out: %d %s", status, answer)
		}
		want("signed out", session.AccessToken, 0)
		want("the session from signing up", person.AccessToken, 1)
	})

	t.Run("no log holds a key, a session or a password", func(t *testing.T) {
		logs, err := filepath.Glob(filepath.Join(s.Dir, "*.log"))
		if err != nil || len(logs) < 4 {
			t.Fatalf("the logs are %v: %v", logs, err)
		}
		for _, path := range logs {
			log, err := os.ReadFile(path)
			if err != nil {
				t.Error(err)
			}
			for _, secret := range []string{s.PublishableKey, s.SecretKey, s.JWTSecret, s.Password, anonJWT, person.AccessToken, "correct horse"} {
				if bytes.Contains(log, []byte(secret)) {
					t.Errorf("%s holds one: %s", filepath.Base(path), log)
				}
			}
		}
	})

	t.Run("postgres may do what it may on hosted Supabase, and is no superuser", func(t *testing.T) {
		fresh, err := s.NewDatabase(t.Context(), "fresh")
		if err != nil {
			t.Fatal(err)
		}
		for _, url := range []string{s.DatabaseURL, fresh} {
			db, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close(context.Background())
			for question, want := range map[string]string{
				"select concat_ws(' ', rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls) from pg_roles where rolname = current_user":               "f t t t t",
				"select concat_ws(' ', has_table_privilege('auth.users', 'select'), has_table_privilege('auth.users', 'references'))":                                "t t",
				"select count(*)::text from pg_namespace where nspname = 'supabase_migrations'":                                                                      "0",
				"select coalesce(auth.uid()::text, 'nobody')":                                                                                                        "nobody",
				"select count(instance_id)::text from auth.users where is_sso_user or is_anonymous":                                                                  "0",
				"select string_agg(indexname, ' ' order by indexname) from pg_indexes where indexname in ('users_email_partial_key', 'users_instance_id_email_idx')": "users_email_partial_key users_instance_id_email_idx",
				"select count(*)::text from auth.mfa_factors f join auth.sessions s using (user_id) where s.aal = 'aal2' and f.status = 'verified'":                  "0",
			} {
				var got string
				if err := db.QueryRow(t.Context(), question).Scan(&got); err != nil || got != want {
					t.Errorf("%s: %q %v, want %q", question, got, err, want)
				}
			}
			if _, err := db.Exec(t.Context(), `begin; create schema mine; create table mine.notes (author uuid references auth.users (id));
				alter role authenticator set pgrst.db_pre_request = 'mine.check'; rollback`, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Error(err)
			}
			// A column's default and a policy call these for a role that may not use schema auth.
			if _, err := db.Exec(t.Context(), `begin; create role stranger; grant stranger to postgres; create schema mine; grant usage on schema mine to stranger;
				create table mine.notes (author uuid default auth.uid()); alter table mine.notes enable row level security;
				create policy notes_insert_stranger on mine.notes for insert to stranger
					with check (author is null and auth.uid() is null and auth.role() is null and auth.email() is null);
				grant insert on mine.notes to stranger; set local role stranger; insert into mine.notes default values; rollback`,
				pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Error(err)
			}
		}
	})
}

// get returns the status and the body of a GET with these headers, names and values in turn.
func get(t *testing.T, url string, headers ...string) (int, string) {
	t.Helper()
	return ask(t, http.MethodGet, url, "", headers...)
}

// ask sends JSON with any method.
func ask(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	status, _, answer := send(t, method, url, body, headers...)
	return status, answer
}

// send is ask that also returns the answer's headers.
func send(t *testing.T, method, url, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(answer)
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	compact := func(text string) string {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		out, _ := json.Marshal(value)
		return string(out)
	}
	return compact(a) == compact(b)
}

// ownTempDir makes stacks of this test live in a folder of its own, so that what they leave behind shows.
func ownTempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	// PostgreSQL, run as another user where the tests run as root, must get through.
	if err := errors.Join(os.Chmod(dir, 0o711), os.Chmod(filepath.Dir(dir), 0o711)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	return dir
}

func script(t *testing.T, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// descendants returns a process's children, their children, and so on. It asks each thread of the process, since a child
// belongs to the thread that started it.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, list := range lists {
		content, err := os.ReadFile(list)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, field := range strings.Fields(string(content)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			all = append(append(all, child), descendants(t, child)...)
		}
	}
	return all
}

// wantGone waits until all the processes have ended and the folder is empty.
func wantGone(t *testing.T, processes []int, dir string) {
	t.Helper()
	eventually(t, func() error {
		for _, pid := range processes {
			if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil && !bytes.Contains(status, []byte("State:\tZ")) {
				return fmt.Errorf("process %d is left behind: %s", pid, status)
			}
		}
		left, err := os.ReadDir(dir)
		if len(left) > 0 {
			return fmt.Errorf("left behind in the temporary folder: %v", left)
		}
		return err
	})
}

// eventually waits for a condition, as long as for a part of the stack to start. If it never holds, the test fails with the
// condition's last error.
func eventually(t *testing.T, condition func() error) {
	t.Helper()
	if err := poll(t.Context(), &process{}, func(context.Context) error { return condition() }); err != nil {
		t.Fatal(err)
	}
}
