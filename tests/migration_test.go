package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/babelon/babelon/tests/stack"
)

// A project without Babelon, with a table of its operator's. The migration has to lock one table that there is: auth.users,
// which foreign keys refer to.
func newProject(t *testing.T) *stack.Stack {
	t.Helper()
	s, err := stack.StartWith(t.Context(), stack.Options{Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	apply(t, s.DatabaseURL, `create table public.items (name text not null);
		grant select, insert on public.items to anon; notify pgrst, 'reload schema'`)
	eventually(t, "PostgREST knows the table", func() bool {
		return caller{"apikey": s.PublishableKey}.sendTo(t, s.URL+"/rest/v1", http.MethodPost, "items", "public", args{"name": "x"}).status == 201
	})
	return s
}

// underLoad runs something while people sign up and clients read and write the operator's table, every one of whom must
// succeed: before, after, and meanwhile. It hands over a function that waits until clients have been answered anew. People
// may have to wait until something ends.
func underLoad(t *testing.T, s *stack.Stack, something func(answered func(when string))) {
	t.Helper()
	client := caller{"apikey": s.PublishableKey}
	var people atomic.Int64
	request := map[string]func(){
		"read": func() {
			client.sendTo(t, s.URL+"/rest/v1", http.MethodGet, "items?limit=1", "public", nil).want(t, 200, "")
		},
		"write": func() {
			client.sendTo(t, s.URL+"/rest/v1", http.MethodPost, "items", "public", args{"name": "x"}).want(t, 201, "")
		},
		"sign up": func() {
			email := fmt.Sprintf("%s-%d@example.com", t.Name(), people.Add(1))
			if _, err := s.SignUp(t.Context(), email, password); err != nil {
				t.Error(err)
			}
		},
	}
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	done := map[string]*atomic.Int64{}
	for name, send := range request {
		count := &atomic.Int64{}
		done[name] = count
		wait.Go(func() {
			for ctx.Err() == nil {
				send()
				count.Add(1)
			}
		})
	}
	defer wait.Wait()
	defer stop()
	more := func(when string, names ...string) {
		t.Helper()
		for _, name := range names {
			goal := done[name].Load() + 2 // one of them has certainly begun since
			eventually(t, name+", "+when, func() bool { return done[name].Load() >= goal })
		}
	}
	more("before", "read", "write", "sign up")
	something(func(when string) { t.Helper(); more(when, "read", "write") })
	more("after", "read", "write", "sign up")
}

func TestNo_request_fails_while_the_migration_is_applied(t *testing.T) {
	startsOwnServers(t)
	s := newProject(t)
	sql, err := migration()
	if err != nil {
		t.Fatal(err)
	}
	underLoad(t, s, func(answered func(string)) {
		tx, err := connect(t, s.DatabaseURL).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(context.Background())
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		answered("while it has every lock that it takes")
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		apply(t, s.DatabaseURL, "select babelon_private.enable_usage_journal()")
	})
	half := caller{"apikey": s.PublishableKey, "X-Client-Id": "bbl_cid_0123456789abcdef"}
	eventually(t, "PostgREST goes by the hook", func() bool {
		return half.sendTo(t, s.URL+"/rest/v1", http.MethodGet, "items", "public", nil).code() == "BBL_INVALID_TOKEN"
	})
}

func TestA_migration_that_cannot_have_its_lock_gives_up_leaves_nothing_and_can_be_run_again(t *testing.T) {
	startsOwnServers(t)
	s := newProject(t)
	db := connect(t, s.DatabaseURL)
	traces := func() (n int) {
		t.Helper()
		err := db.QueryRow(t.Context(), `select (select count(*) from pg_namespace where nspname like 'babelon%')
			+ (select count(*) from pg_roles where rolname = 'babelon_token')
			+ (select count(*) from pg_publication where pubname = 'babelon_usage')
			+ (select count(*) from pg_db_role_setting where setconfig::text like '%babelon%')`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	sql, err := migration()
	if err != nil {
		t.Fatal(err)
	}
	// Somebody's long transaction has written to auth.users. Who signs up queues behind the migration, until it gives up.
	long, err := connect(t, s.DatabaseURL).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer long.Rollback(context.Background())
	if _, err := long.Exec(t.Context(), "update auth.users set email = email where false"); err != nil {
		t.Fatal(err)
	}
	underLoad(t, s, func(answered func(string)) {
		migrating := connect(t, s.DatabaseURL)
		ended := make(chan error, 1)
		go func() {
			_, err := migrating.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
			ended <- err
		}()
		eventually(t, "the migration waits", func() (waits bool) {
			err := db.QueryRow(t.Context(), "select exists (select from pg_locks where pid = $1 and not granted)", migrating.PgConn().PID()).Scan(&waits)
			return err == nil && waits
		})
		answered("while it waits")
		if len(ended) > 0 {
			t.Error("they were answered only when it had ended")
		}
		wantSQLState(t, "the migration", <-ended, "55P03")
	})
	if n := traces(); n != 0 {
		t.Errorf("it left %d things behind", n)
	}
	if err := long.Rollback(t.Context()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		t.Fatal(err)
	}
	migrate(t, s.DatabaseURL)
	if n := traces(); n != 5 {
		t.Errorf("run again it makes %d of 5 things", n)
	}
}
