package tests

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// journal writes messages to the usage journal as that many requests with the token would, at a pace that
// requests could not reach.
func journal(t *testing.T, p pair, uses int) {
	t.Helper()
	_, err := connect(t, project.DatabaseURL).Exec(t.Context(), `
		select count(pg_logical_emit_message(false, 'babelon.use',
		         uuid_send(t.id) || '\x01'::bytea || timestamptz_send(clock_timestamp())))
		  from babelon_private.api_tokens t, generate_series(1, $2) where t.client_id = $1`, p.ClientID, uses)
	if err != nil {
		t.Fatal(err)
	}
}

// collect folds the whole journal.
func collect(t *testing.T) {
	t.Helper()
	if _, err := connect(t, project.DatabaseURL).Exec(t.Context(), "select babelon_private.collect_usage()"); err != nil {
		t.Fatal(err)
	}
}

// catchUp folds the journal and moves the place where decoding begins, which earlier tests have left far behind.
func catchUp(t *testing.T) {
	t.Helper()
	db := connect(t, project.SuperuserDatabaseURL)
	for range 5 {
		if _, err := db.Exec(t.Context(), "checkpoint"); err != nil { // decoding can begin at one
			t.Fatal(err)
		}
		collect(t)
	}
	var behind int64
	err := db.QueryRow(t.Context(), "select pg_current_wal_lsn() - restart_lsn from pg_replication_slots").Scan(&behind)
	if err != nil || behind > 1<<20 {
		t.Fatalf("decoding begins %d bytes behind (%v)", behind, err)
	}
}

func TestUse_of_a_revoked_token_whose_secret_was_right_shows_in_the_list(t *testing.T) {
	catchUp(t)
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	token.caller().get(t, "deployments").want(t, 200, "")
	revoke(t, token)
	for range 3 {
		token.caller().get(t, "deployments").want(t, 401, "BBL_TOKEN_REVOKED")
	}
	pair{ClientID: token.ClientID, APIToken: replaceLast(token.APIToken)}.caller().get(t, "deployments").want(t, 401, "BBL_INVALID_TOKEN")
	row := list(t, organization)[token.ClientID]
	if row.Uses != 1 || row.Denials != 3 || row.LastDeniedAt == nil || row.LastDeniedAt.Before(*row.RevokedAt) {
		t.Errorf("1 use and 3 denials are listed as %+v", row)
	}
}

func TestA_collection_that_is_rolled_back_cancelled_or_killed_loses_nothing_and_counts_nothing_twice(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	const uses = 20_000
	for name, interrupt := range map[string]func(*testing.T, *pgx.Conn){
		"rolled back": func(t *testing.T, db *pgx.Conn) {
			tx, err := db.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), "select babelon_private.collect_usage()"); err != nil {
				t.Fatal(err)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"cancelled": func(t *testing.T, db *pgx.Conn) {
			_, err := db.Exec(t.Context(), "set statement_timeout = '2ms'; select babelon_private.collect_usage()")
			wantSQLState(t, "a collection of 2 ms", err, "57014")
		},
		"killed": func(t *testing.T, db *pgx.Conn) {
			tx, err := db.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), "select babelon_private.collect_usage()"); err != nil {
				t.Fatal(err)
			}
			_, err = tx.Exec(t.Context(), "select pg_terminate_backend(pg_backend_pid())")
			wantSQLState(t, "a killed collector", err, "57P01")
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := list(t, organization)[token.ClientID].Uses
			journal(t, token, uses)
			interrupt(t, connect(t, project.SuperuserDatabaseURL))
			collect(t)
			collect(t) // again: what was folded is not folded twice
			if counted := list(t, organization)[token.ClientID].Uses - before; counted != uses {
				t.Errorf("%d uses were counted as %d", uses, counted)
			}
		})
	}
}

func TestCollectors_at_the_same_time_neither_wait_nor_count_twice(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	journal(t, token, 1000)
	first, err := connect(t, project.SuperuserDatabaseURL).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Exec(t.Context(), "select babelon_private.collect_usage()"); err != nil {
		t.Fatal(err)
	}
	// Meanwhile a list is content with what was committed before, and an operator's collection too.
	row := list(t, organization)[token.ClientID]
	if row.Uses != 0 || row.UsageAsOf == nil {
		t.Errorf("an uncommitted collection shows: %+v", row)
	}
	collect(t)
	if err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if row := list(t, organization)[token.ClientID]; row.Uses != 1000 {
		t.Errorf("1000 uses were counted as %d", row.Uses)
	}
}

func TestNo_backlog_makes_a_list_fail_and_usage_as_of_says_how_far_it_is(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	catchUp(t)
	defer catchUp(t)
	first := func() listed {
		t.Helper()
		var rows []listed
		person("owner").rpc(t, "list_api_tokens", args{"organization_id": organization}).into(t, &rows)
		return rows[0]
	}

	// Somebody else's gigabyte of log in between, then five million uses: neither fits into what a list may read.
	const few, many = 60_000, 5_000_000
	journal(t, token, few)
	foreign(t, 1<<30)
	journal(t, token, many)
	settle(t)
	backlogged := time.Now()

	seen := first()
	if seen.Uses == 0 || seen.Uses > few || !seen.UsageAsOf.Before(backlogged) {
		t.Errorf("the first list has %d uses, and claims to be complete as of %v", seen.Uses, seen.UsageAsOf)
	}
	for range 10 {
		next := first()
		if next.Uses < seen.Uses || next.UsageAsOf.Before(*seen.UsageAsOf) {
			t.Fatalf("after %+v comes %+v", seen, next)
		}
		seen = next
	}
	if seen.Uses != few {
		t.Errorf("eleven lists are not past the %d uses: %d", few, seen.Uses)
	}

	collect(t)
	if last := first(); last.Uses != few+many || last.UsageAsOf.Before(backlogged) {
		t.Errorf("in the end %d uses as of %v", last.Uses, last.UsageAsOf)
	}
}

// foreign writes that many bytes of log that have nothing to do with Babelon: rows of a table.
func foreign(t *testing.T, bytes int) {
	t.Helper()
	const row = 2000 // bytes, uncompressed and in the row itself
	db := connect(t, project.DatabaseURL)
	if _, err := db.Exec(t.Context(), "create table public.bulk (filler text); alter table public.bulk alter filler set storage plain"); err != nil {
		t.Fatal(err)
	}
	defer db.Exec(context.Background(), "drop table public.bulk")
	if _, err := db.Exec(t.Context(), "insert into public.bulk select repeat('x', $1) from generate_series(1, $2)", row, bytes/row); err != nil {
		t.Fatal(err)
	}
}

// listed is a row of the list, where `token` is a pair.
type listed = token

func TestCollections_that_have_too_little_time_for_all_of_the_log_get_there_step_by_step(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	catchUp(t)
	defer catchUp(t) // a list of the next test would not read that much
	db := connect(t, project.SuperuserDatabaseURL)
	for range 8 {
		foreign(t, 64<<20)
		if _, err := db.Exec(t.Context(), "checkpoint"); err != nil { // else 15 seconds pass until decoding can begin further on
			t.Fatal(err)
		}
	}
	journal(t, token, 3)
	settle(t)
	began := time.Now()
	const all = `select count(*) from babelon_private.usage_journal, pg_logical_slot_peek_binary_changes(
		slot_name, null, null, 'proto_version', '1', 'publication_names', 'babelon_usage', 'messages', 'true')`
	if _, err := db.Exec(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	timeout := time.Since(began) / 2

	if _, err := db.Exec(t.Context(), fmt.Sprintf("set statement_timeout = %d", timeout.Milliseconds())); err != nil {
		t.Fatal(err)
	}
	cancelled := 0
	for range 10 {
		if _, err := db.Exec(t.Context(), "select babelon_private.collect_usage()"); err != nil {
			wantSQLState(t, "a collection that has too little time", err, "57014")
			cancelled++
		}
	}
	var uses int
	err := db.QueryRow(t.Context(), "select coalesce(sum(uses), 0) from babelon_private.api_token_uses join babelon_private.api_tokens t on t.id = token_id where client_id = $1", token.ClientID).Scan(&uses)
	if err != nil || uses != 3 {
		t.Errorf("ten collections of %v, of which %d were cancelled, have counted %d of 3 uses (%v)", timeout, cancelled, uses, err)
	}
}

func TestWhere_nobody_else_collects_lists_get_past_any_amount_of_other_log(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	catchUp(t)
	defer catchUp(t) // a list of the next test would not read that much
	foreign(t, 300<<20)
	token.caller().get(t, "deployments").want(t, 200, "")
	// Nobody has for a while.
	if _, err := connect(t, project.DatabaseURL).Exec(t.Context(), "update babelon_private.usage_journal set as_of = as_of - interval '10 minutes'"); err != nil {
		t.Fatal(err)
	}
	uses := int64(0)
	for range 4 {
		uses = list(t, organization)[token.ClientID].Uses
	}
	if uses != 1 {
		t.Errorf("after four lists one use is counted as %d", uses)
	}
}

func TestA_request_that_PostgREST_runs_again_counts_each_attempt(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	apply(t, project.DatabaseURL, `
		create sequence public.attempts;
		create function public.succeeds_at_the_third_attempt() returns bigint language plpgsql security definer as $$
		declare attempt constant bigint := nextval('public.attempts');
		begin
			if attempt < 3 then raise serialization_failure; end if;
			return attempt;
		end $$;
		grant execute on function public.succeeds_at_the_third_attempt() to babelon_token;
		notify pgrst, 'reload schema'`)
	t.Cleanup(func() {
		ctx := context.Background()
		db, err := pgx.Connect(ctx, project.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close(ctx)
		if _, err := db.Exec(ctx, "drop function public.succeeds_at_the_third_attempt(); drop sequence public.attempts"); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "PostgREST knows the function", func() bool {
		return token.caller().send(t, http.MethodPost, "rpc/succeeds_at_the_third_attempt", "public", args{}).status == 200
	})
	var attempts int
	if err := connect(t, project.DatabaseURL).QueryRow(t.Context(), "select last_value from public.attempts").Scan(&attempts); err != nil {
		t.Fatal(err)
	}
	if row := list(t, organization)[token.ClientID]; row.Uses < 3 || attempts != 3 {
		t.Errorf("%d attempts of one request are counted as %d uses", attempts, row.Uses)
	}
}

func TestA_lost_slot_fails_no_list_and_the_collector_makes_it_anew_and_says_so(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	collect(t)
	var warnings []string
	config, err := pgx.ParseConfig(project.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { warnings = append(warnings, n.Message) }
	db, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())
	if _, err := db.Exec(t.Context(), "select pg_drop_replication_slot(slot_name) from babelon_private.usage_journal"); err != nil {
		t.Fatal(err)
	}
	lost := time.Now()
	token.caller().get(t, "deployments").want(t, 200, "")
	if row := list(t, organization)[token.ClientID]; row.Uses != 0 || row.UsageAsOf.After(lost) {
		t.Errorf("without its slot the journal claims to know all uses: %+v", row)
	}

	if _, err := db.Exec(t.Context(), "select babelon_private.collect_usage()"); err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(warnings, "\n"); !strings.Contains(said, "starts anew") {
		t.Errorf("the collector said %q", said)
	}
	token.caller().get(t, "deployments").want(t, 200, "")
	later := generate(t, organization, "member")
	rows := list(t, organization)
	if row := rows[token.ClientID]; row.Uses != 1 || row.MissingBefore == nil || row.MissingBefore.Before(lost) || row.MissingBefore.After(*row.UsageAsOf) {
		t.Errorf("after a slot was lost at %v, and one use since, the list says %+v", lost, row)
	}
	if row := rows[later.ClientID]; row.MissingBefore != nil {
		t.Errorf("a token that is newer than the slot misses uses before %v", row.MissingBefore)
	}
}

func TestThe_journal_can_be_switched_off_and_on_and_without_it_reads_are_not_counted_and_the_list_says_so(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	db := connect(t, project.DatabaseURL)
	do := func(function string) {
		t.Helper()
		if _, err := db.Exec(t.Context(), "select babelon_private."+function+"()"); err != nil {
			t.Fatal(err)
		}
	}
	slots := func() (n int) {
		if err := db.QueryRow(t.Context(), "select count(*) from pg_replication_slots").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	token.caller().get(t, "deployments").want(t, 200, "")
	withoutJournal(t)
	do("disable_usage_journal") // again changes nothing
	if slots() != 0 {
		t.Error("a slot is left, which keeps the log for ever")
	}

	for range 3 {
		token.caller().get(t, "deployments").want(t, 200, "")
		token.caller().send(t, http.MethodPost, "deployments", "public", args{"service": "api"}).want(t, 201, "")
	}
	if row := list(t, organization)[token.ClientID]; row.Uses != 4 || row.UsageAsOf != nil {
		t.Errorf("1 use before and 3 writes after are listed as %+v", row)
	}

	do("enable_usage_journal")
	do("enable_usage_journal")
	if slots() != 1 {
		t.Errorf("%d slots", slots())
	}
	token.caller().get(t, "deployments").want(t, 200, "")
	if row := list(t, organization)[token.ClientID]; row.Uses != 5 || row.UsageAsOf == nil || row.MissingBefore == nil {
		t.Errorf("one read later, and three between that nobody counted: %+v", row)
	}
}

// withoutJournal switches the journal off until the test ends.
func withoutJournal(t *testing.T) {
	t.Helper()
	settle(t)
	call := func(function string) {
		ctx := context.Background()
		db, err := pgx.Connect(ctx, project.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close(ctx)
		if _, err := db.Exec(ctx, "select babelon_private."+function+"()"); err != nil {
			t.Fatal(err)
		}
	}
	call("disable_usage_journal")
	t.Cleanup(func() { call("enable_usage_journal") })
}

func TestSwitching_the_journal_on_says_what_is_missing_when_no_slot_is_free(t *testing.T) {
	ctx := t.Context()
	url, err := project.NewDatabase(ctx, "unjournalled")
	if err != nil {
		t.Fatal(err)
	}
	db := connect(t, url)
	sql, err := migration()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
	var free int
	if err := db.QueryRow(ctx, "select current_setting('max_replication_slots')::int - count(*) from pg_replication_slots").Scan(&free); err != nil {
		t.Fatal(err)
	}
	for i := range free {
		slot := fmt.Sprintf("filler_%d", i)
		if _, err := db.Exec(ctx, "select pg_create_physical_replication_slot($1)", slot); err != nil {
			t.Fatal(err)
		}
		defer db.Exec(ctx, "select pg_drop_replication_slot($1)", slot)
	}
	_, err = db.Exec(ctx, "select babelon_private.enable_usage_journal()")
	wantSQLState(t, "without a free slot", err, "53400")
	var on bool
	if err := db.QueryRow(ctx, "select exists (select from babelon_private.usage_journal)").Scan(&on); err != nil || on {
		t.Errorf("the journal is on without a slot (%v)", err)
	}
}

func TestWhat_is_no_entry_of_ours_in_the_log_is_passed_over(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	db := connect(t, project.DatabaseURL)
	for _, content := range []string{"", "x", "\x01\xff", token.ClientID, strings.Repeat("\x00", 25), strings.Repeat("\xff", 25), strings.Repeat("\x01", 24), strings.Repeat("\x00", 1000)} {
		for _, prefix := range []string{"babelon.use", "babelon.us", "babelon.used", "other"} {
			if _, err := db.Exec(t.Context(), "select pg_logical_emit_message(false, $1, $2::bytea)", prefix, []byte(content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	token.caller().get(t, "deployments").want(t, 200, "")
	collect(t)
	if row := list(t, organization)[token.ClientID]; row.Uses != 1 {
		t.Errorf("one use was counted as %d", row.Uses)
	}
}

func TestAn_entry_from_the_future_does_not_poison_the_clock(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	_, err := connect(t, project.DatabaseURL).Exec(t.Context(), `
		select pg_logical_emit_message(false, 'babelon.use', uuid_send(t.id) || outcome || timestamptz_send(now() + interval '10 years'))
		  from babelon_private.api_tokens t, unnest(array['\x01', '\x02']::bytea[]) outcome where t.client_id = $1`, token.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	collect(t)
	if row := list(t, organization)[token.ClientID]; row.Uses != 0 || row.UsageAsOf.After(time.Now().Add(time.Minute)) {
		t.Errorf("it is counted: %+v", row)
	}
}

func TestA_list_is_there_even_when_collecting_fails(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	db := connect(t, project.DatabaseURL)
	if _, err := db.Exec(t.Context(), "alter table babelon_private.api_token_uses add constraint broken check (uses < 0) not valid"); err != nil {
		t.Fatal(err)
	}
	token.caller().get(t, "deployments").want(t, 200, "")
	if row := list(t, organization)[token.ClientID]; row.Uses != 0 {
		t.Errorf("collecting did not fail: %+v", row)
	}
	if _, err := db.Exec(t.Context(), "alter table babelon_private.api_token_uses drop constraint broken"); err != nil {
		t.Fatal(err)
	}
	if row := list(t, organization)[token.ClientID]; row.Uses != 1 {
		t.Errorf("afterwards one use was counted as %d", row.Uses)
	}
}

func TestA_bounded_collection_does_not_decode_from_far_behind_an_open_transaction(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	catchUp(t)
	tx, err := connect(t, project.DatabaseURL).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	// It has written, so that decoding must begin before it, and then a lot of log follows.
	if _, err := tx.Exec(t.Context(), "insert into public.notes values ('open')"); err != nil {
		t.Fatal(err)
	}
	db := connect(t, project.DatabaseURL)
	if _, err := db.Exec(t.Context(), "create table public.bulk as select repeat('x', 500) as filler from generate_series(1, 50000); drop table public.bulk"); err != nil {
		t.Fatal(err)
	}
	collect(t) // goes past it, but the slot has to keep where it began
	token.caller().get(t, "deployments").want(t, 200, "")
	settle(t)
	uses := func(bounds string) (n int64) {
		t.Helper()
		if _, err := db.Exec(t.Context(), "select babelon_private.collect_usage("+bounds+")"); err != nil {
			t.Fatal(err)
		}
		if err := db.QueryRow(t.Context(), "select coalesce(sum(uses), 0) from babelon_private.api_token_uses u join babelon_private.api_tokens t on t.id = u.token_id and client_id = $1", token.ClientID).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const bound = "max_bytes => 10 << 20"
	if n := uses(bound); n != 0 {
		t.Errorf("it counted %d", n)
	}
	// Where no scheduler has collected for five minutes, nobody else would.
	if _, err := db.Exec(t.Context(), "update babelon_private.usage_journal set as_of = as_of - interval '5 minutes'"); err != nil {
		t.Fatal(err)
	}
	if n := uses(bound); n != 1 {
		t.Errorf("after five minutes it counted %d", n)
	}
}

func TestA_list_decodes_nothing_when_nothing_is_new(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	db := connect(t, project.SuperuserDatabaseURL)
	catchUp(t)
	// An open transaction that has written, so that decoding begins before it, and log after it that costs time to decode.
	tx, err := connect(t, project.DatabaseURL).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), "insert into public.notes values ('open')"); err != nil {
		t.Fatal(err)
	}
	foreign(t, 20<<20)

	lists := func() time.Duration {
		t.Helper()
		began := time.Now()
		if _, err := db.Exec(t.Context(), "set role service_role; select count(*) from babelon.list_api_tokens('"+organization+"'); reset role"); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	var after, idle []time.Duration
	for range 15 {
		journal(t, token, 1)
		settle(t)
		after = append(after, lists())
		lists() // it finds only what the one before has written, and passes it
		idle = append(idle, lists())
	}
	if row := list(t, organization)[token.ClientID]; row.Uses != 15 {
		t.Errorf("15 uses were counted as %d", row.Uses)
	}
	slices.Sort(after)
	slices.Sort(idle)
	if a, i := after[len(after)/2], idle[len(idle)/2]; i > a/4 {
		t.Errorf("a list takes %v after a use, and %v when nothing is new", a, i)
	} else {
		t.Logf("a list takes %v after a use, and %v when nothing is new", a, i)
	}
}
