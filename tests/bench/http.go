package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A load is requests to PostgREST itself, without the gateway, from some connections at once.
type load struct {
	method      string
	path        string
	tokens      int // how many of the many tokens take turns; 0 sends no pair
	connections int
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

func (b *bench) request(ctx context.Context, l load) (*http.Request, error) {
	var body io.Reader
	if l.method == http.MethodPost {
		body = strings.NewReader("{}")
	}
	request, err := http.NewRequestWithContext(ctx, l.method, b.project.PostgRESTURL+l.path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if l.tokens > 0 {
		n := 1 + rand.IntN(l.tokens)
		request.Header.Set("X-Client-Id", clientID(n))
		request.Header.Set("X-Api-Token", secret(n))
	}
	return request, nil
}

// send makes one request and returns its status.
func send(request *http.Request) (int, error) {
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// perSecond returns how many requests a second succeed; one that does not ends the measurement.
func (b *bench) perSecond(ctx context.Context, l load) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, b.duration)
	defer cancel()
	var served atomic.Int64
	var failure atomic.Value
	var wait sync.WaitGroup
	for range l.connections {
		wait.Go(func() {
			for ctx.Err() == nil {
				request, err := b.request(ctx, l)
				status := 0
				if err == nil {
					status, err = send(request)
				}
				switch {
				case ctx.Err() != nil:
				case err != nil || status != http.StatusOK:
					failure.Store(fmt.Errorf("%s %s: %d %w", l.method, l.path, status, err))
					return
				default:
					served.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if err, failed := failure.Load().(error); failed {
		return 0, err
	}
	return float64(served.Load()) / b.duration.Seconds(), nil
}

// install sets PostgREST's hook, "" for none, and returns once PostgREST calls it and no other.
func (b *bench) install(ctx context.Context, hook string) error {
	_, err := b.db.Exec(ctx, fmt.Sprintf("alter role authenticator set pgrst.db_pre_request = '%s'; notify pgrst, 'reload config'", hook))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if _, err := b.db.Exec(ctx, "select pg_stat_statements_reset()"); err != nil {
			return err
		}
		request, err := b.request(ctx, load{method: http.MethodGet, path: "/rpc/nothing"})
		if err != nil {
			return err
		}
		if _, err := send(request); err != nil {
			return err
		}
		called := ""
		err = b.db.QueryRow(ctx, `
			select coalesce(string_agg(h, ','), '')
			  from unnest($1::text[]) h
			 where exists (select from pg_stat_statements where replace(query, '"', '') like 'select ' || h || '()%')`,
			[]string{ourHook, emptyHook}).Scan(&called)
		if err != nil || called == hook {
			return err
		}
	}
}

const (
	ourHook   = "babelon_private.authenticate_request"
	emptyHook = "public.empty_hook"
)

// journal switches the journal on or off.
func (b *bench) journal(ctx context.Context, on bool) error {
	function := map[bool]string{true: "enable_usage_journal", false: "disable_usage_journal"}[on]
	_, err := b.db.Exec(ctx, "set role postgres; select babelon_private."+function+"()")
	if err == nil {
		_, err = b.db.Exec(ctx, "reset role")
	}
	return err
}

// http measures requests a second with the pair against the same without any hook; and how much of the
// difference is PostgREST's own, who makes one more statement for a hook that does nothing, too.
func (b *bench) http(ctx context.Context) error {
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		variant := func(hook string, journal bool, tokens int) func() (float64, error) {
			return func() (float64, error) {
				if err := b.journal(ctx, journal); err != nil {
					return 0, err
				}
				if err := b.install(ctx, hook); err != nil {
					return 0, err
				}
				return b.perSecond(ctx, load{method: method, path: "/rpc/nothing", tokens: tokens, connections: 16})
			}
		}
		medians, err := b.takeTurns(variant("", true, 0), variant(emptyHook, true, 0), variant(ourHook, true, 1000), variant(ourHook, false, 1000))
		if err != nil {
			return err
		}
		b.add("http: RPC by "+method+", with a hook that does nothing", medians[1], "req/s", medians[0], "")
		b.add("http: RPC by "+method+", with the journal", medians[2], "req/s", medians[0], "≥ 0.90")
		b.add("http: RPC by "+method+", with counters", medians[3], "req/s", medians[0], "≥ 0.70")
	}
	return b.journal(ctx, true)
}

// hot measures one token in all requests against a thousand that take turns.
func (b *bench) hot(ctx context.Context) error {
	for _, connections := range []int{16, 64} {
		for _, milliseconds := range []int{0, 5} {
			variant := func(tokens int) func() (float64, error) {
				l := load{method: http.MethodGet, path: fmt.Sprintf("/rpc/work?ms=%d", milliseconds), tokens: tokens, connections: connections}
				return func() (float64, error) { return b.perSecond(ctx, l) }
			}
			medians, err := b.takeTurns(variant(1000), variant(1))
			if err != nil {
				return err
			}
			b.add(fmt.Sprintf("hot: one token, %d connections, %d ms of work", connections, milliseconds), medians[1], "req/s", medians[0], "≥ 0.95")
		}
	}
	return nil
}
