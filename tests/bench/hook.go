package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// The baselines: a hook that does nothing, with the search_path that Supabase's Advisor demands of every function, and one that only looks the pair up and compares.
const baselinesSQL = `
create function public.empty_hook() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$ begin end $$;
create function public.compare_hook() returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  headers constant json := current_setting('request.headers', true);
  hash    bytea;
begin
  select t.secret_hash into hash from babelon_private.api_tokens t where t.client_id = headers ->> 'x-client-id';
  if (hash = sha256(convert_to(headers ->> 'x-api-token', 'UTF8'))) is not true then
    raise invalid_password;
  end if;
end $$;
grant execute on function public.empty_hook(), public.compare_hook() to anon`

// requestSQL is what PostgREST does before the hook: it sets the role, the claims and the headers.
const requestSQL = `select set_config('role', 'anon', true), set_config('request.jwt.claims', '{"role":"anon"}', true), set_config('request.headers', $1, true)`

// headers returns what a client library and a gateway make PostgREST put into request.headers, as compact as PostgREST
// writes it. 0 stands for a request without a pair.
func headers(token int) (string, error) {
	all := map[string]string{
		"host": "abcdefghijklmnopqrst.supabase.co", "user-agent": "babelon", "accept": "application/json", "accept-encoding": "gzip",
		"content-type": "application/json", "content-profile": "public", "x-client-info": "postgrest-go/v0.1.1", "x-forwarded-for": "203.0.113.7",
		"x-forwarded-proto": "https", "apikey": "sb_publishable_0123456789abcdef0123456789abcdef",
		"authorization": "Bearer " + strings.Repeat("eyJhbGciOiJIUzI1NiIs", 10),
	}
	if token > 0 {
		all["x-client-id"], all["x-api-token"] = clientID(token), secret(token)
	}
	text, err := json.Marshal(all)
	return string(text), err
}

// hook measures the hook inside the database, one call a transaction as PostgREST makes it; a loop would hide
// most of what it costs.
func (b *bench) hook(ctx context.Context) error {
	many := min(100_000, b.tokens)
	measure := func(hook string, tokens int) func() (float64, error) {
		return func() (float64, error) { return b.meanTime(ctx, b.project.SuperuserDatabaseURL, hook, tokens) }
	}
	medians, err := b.takeTurns(measure(emptyHook, 0), measure(ourHook, 0), measure("public.compare_hook", many), measure(ourHook, many))
	if err != nil {
		return err
	}
	b.add("hook: empty", medians[0], "µs", 0, "")
	b.add("hook: a request without a pair", medians[1], "µs", medians[0], "< 3")
	b.add("hook: only looks up and compares", medians[2], "µs", 0, "")
	b.add("hook: with the journal", medians[3], "µs", medians[2], "≤ 1.4")
	return nil
}

// meanTime returns the mean execution time of the hook in µs, by pg_stat_statements, over so many tokens at random, or
// without a pair if there are none.
func (b *bench) meanTime(ctx context.Context, url, hook string, tokens int) (float64, error) {
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer db.Close(ctx)
	// As in a connection that has served for a while, every page is in this process's page table.
	for _, warm := range []string{
		"select count(secret_hash) from babelon_private.api_tokens",
		"set enable_seqscan = off; select count(client_id) from babelon_private.api_tokens where client_id > ''; reset enable_seqscan",
	} {
		if _, err := db.Exec(ctx, warm); err != nil {
			return 0, err
		}
	}
	query := fmt.Sprintf("select %s()", hook)
	if _, err := b.db.Exec(ctx, "select pg_stat_statements_reset()"); err != nil {
		return 0, err
	}
	for end := time.Now().Add(b.duration); time.Now().Before(end); {
		token := 0
		if tokens > 0 {
			token = 1 + rand.IntN(tokens)
		}
		text, err := headers(token)
		if err != nil {
			return 0, err
		}
		tx, err := db.Begin(ctx)
		if err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, requestSQL, text); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, query); err != nil {
			return 0, err
		}
		if err := tx.Commit(ctx); err != nil {
			return 0, err
		}
	}
	var mean float64
	err = b.db.QueryRow(ctx, "select mean_exec_time * 1000 from pg_stat_statements where query = $1", query).Scan(&mean)
	return mean, err
}
