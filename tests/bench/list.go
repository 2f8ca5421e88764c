package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// list measures a list of an organization with 100 tokens: on an idle server, right after a use, and on servers that
// write a lot of log while a scheduler collects the journal every minute.
func (b *bench) list(ctx context.Context) error {
	organization, err := b.organizationWith(ctx, 100)
	if err != nil {
		return err
	}
	if err := b.collect(ctx); err != nil {
		return err
	}
	list := func(use bool) func() (float64, error) {
		return func() (float64, error) {
			var took []float64
			for range 20 {
				if use {
					if err := b.use(ctx, b.db, 1); err != nil {
						return 0, err
					}
				}
				milliseconds, _, err := b.listOnce(ctx, organization)
				if err != nil {
					return 0, err
				}
				took = append(took, milliseconds)
			}
			return median(took), nil
		}
	}
	idle, err := b.takeTurns(list(false), list(true))
	if err != nil {
		return err
	}
	b.add("list: 100 tokens, nothing new", idle[0], "ms", 0, "")
	b.add("list: 100 tokens, right after a use", idle[1], "ms", idle[0], "")

	for _, rate := range []int{1, 5} {
		took, behind, err := b.listsBeside(ctx, organization, rate)
		if err != nil {
			return err
		}
		server := fmt.Sprintf("list: on a server that writes %d MB/s, ", rate)
		b.add(fmt.Sprintf("%smedian of %d", server, len(took)), median(took), "ms", 0, "≤ 50")
		b.add(server+"95th percentile", took[len(took)*95/100], "ms", 0, "")
		b.add(server+"usage_as_of behind, median", median(behind), "s", 0, "")
		b.add(server+"usage_as_of behind, at most", behind[len(behind)-1], "s", 0, "≤ 65")
	}
	return nil
}

// organizationWith makes an organization with so many tokens.
func (b *bench) organizationWith(ctx context.Context, tokens int) (id string, err error) {
	err = b.db.QueryRow(ctx, `
		with made as (insert into babelon_private.own_organizations (name) values ('listed') returning id)
		insert into babelon_private.api_tokens (organization_id, client_id, secret_hash, name, role)
		select made.id, public.id_of($1 * 10 + 300000000 + n), sha256('x'), 'listed', 'member'
		  from made, generate_series(1, $1) n returning organization_id`, tokens).Scan(&id)
	return id, err
}

// listOnce lists the organization's tokens, and returns how long that took and how far usage_as_of is behind.
func (b *bench) listOnce(ctx context.Context, organization string) (milliseconds, behind float64, err error) {
	tx, err := b.db.Begin(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "set local role service_role"); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	const query = "select extract(epoch from clock_timestamp() - max(usage_as_of)) from babelon.list_api_tokens($1)"
	if err := tx.QueryRow(ctx, query, organization).Scan(&behind); err != nil {
		return 0, 0, err
	}
	return float64(time.Since(began).Microseconds()) / 1000, behind, tx.Commit(ctx)
}

// listsBeside lists every half second for somewhat over a minute, beside that many megabytes of log a second and a
// collection at its beginning and after a minute. Both results are sorted.
func (b *bench) listsBeside(ctx context.Context, organization string, megabytes int) (took, behind []float64, err error) {
	if err := b.collect(ctx); err != nil {
		return nil, nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- b.writeLog(ctx, megabytes<<20) }()
	collected := time.Now()
	for end := collected.Add(75 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		select {
		case err := <-failed:
			return nil, nil, err
		default:
		}
		if time.Since(collected) > time.Minute {
			if err := b.collect(ctx); err != nil {
				return nil, nil, err
			}
			collected = time.Now()
		}
		milliseconds, seconds, err := b.listOnce(ctx, organization)
		if err != nil {
			return nil, nil, err
		}
		took, behind = append(took, milliseconds), append(behind, seconds)
	}
	slices.Sort(took)
	slices.Sort(behind)
	return took, behind, nil
}

// writeLog inserts rows until ctx ends, and uses tokens now and then, so that the log grows by that many bytes a second.
func (b *bench) writeLog(ctx context.Context, bytesPerSecond int) error {
	db, err := pgx.Connect(ctx, b.project.SuperuserDatabaseURL)
	if err != nil {
		return err
	}
	defer db.Close(context.WithoutCancel(ctx))
	if _, err := db.Exec(ctx, "set synchronous_commit = off; drop table if exists public.written; create table public.written (filler text)"); err != nil {
		return err
	}
	var from string
	if err := db.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&from); err != nil {
		return err
	}
	for began := time.Now(); ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		var written int
		if err := db.QueryRow(ctx, "select (pg_current_wal_insert_lsn() - $1::text::pg_lsn)::bigint", from).Scan(&written); err != nil {
			break
		}
		for missing := int(time.Since(began).Seconds()*float64(bytesPerSecond)) - written; missing > 0; missing -= 10_000 {
			if _, err := db.Exec(ctx, "insert into public.written select repeat('x', 450) from generate_series(1, 20)"); err != nil {
				break
			}
		}
		if b.use(ctx, db, 5) != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("writing log stopped")
}

// use journals so many uses of the first token.
func (b *bench) use(ctx context.Context, db *pgx.Conn, uses int) error {
	_, err := db.Exec(ctx, `
		select count(pg_logical_emit_message(false, 'babelon.use', uuid_send(t.id) || '\x01'::bytea || timestamptz_send(clock_timestamp())))
		  from babelon_private.api_tokens t, generate_series(1, $2) where t.client_id = public.id_of($1)`, 1, uses)
	return err
}

// collect folds the whole journal, as an operator's scheduler does.
func (b *bench) collect(ctx context.Context) error {
	_, err := b.db.Exec(ctx, "set role postgres; select babelon_private.collect_usage(); reset role")
	return err
}
