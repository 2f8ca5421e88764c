package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/babelon/babelon/tests/stack"
)

// growth measures the hook over ever more tokens, lists of ever more, and what a million uses leave behind.
func (b *bench) growth(ctx context.Context) error {
	if err := addTokens(ctx, b.db, b.organization, 100_001, b.tokens); err != nil {
		return err
	}
	sizes := []int{1000, 100_000, b.tokens}
	var variants []func() (float64, error)
	for _, tokens := range sizes {
		url := b.project.SuperuserDatabaseURL
		if tokens < b.tokens {
			name := fmt.Sprintf("with_%d_tokens", tokens)
			if err := b.anotherDatabase(ctx, name, tokens); err != nil {
				return err
			}
			url = strings.Replace(url, "/postgres?", "/"+name+"?", 1)
		}
		variants = append(variants, func() (float64, error) { return b.meanTime(ctx, url, ourHook, tokens) })
	}
	medians, err := b.takeTurns(variants...)
	if err != nil {
		return err
	}
	b.add("growth: hook over 1,000 tokens at random", medians[0], "µs", 0, "")
	b.add("growth: hook over 100,000 tokens at random", medians[1], "µs", medians[0], "≤ 1.15")
	b.add(fmt.Sprintf("growth: hook over %d tokens at random", b.tokens), medians[2], "µs", medians[0], "≤ 1.15")

	var base float64
	for _, tokens := range []int{10, 10_000} {
		milliseconds, err := b.listTime(ctx, tokens)
		if err != nil {
			return err
		}
		b.add(fmt.Sprintf("growth: list of an organization with %d tokens", tokens), milliseconds, "ms", base, "")
		base = milliseconds
	}
	return b.bloat(ctx)
}

// anotherDatabase makes one with Babelon, its journal, and so many tokens.
func (b *bench) anotherDatabase(ctx context.Context, name string, tokens int) error {
	operator, err := b.project.NewDatabase(ctx, name)
	if err != nil {
		return err
	}
	migration, err := os.ReadFile(filepath.Join(stack.Root(), "supabase", "migrations", "20261124000000_babelon.sql"))
	if err != nil {
		return err
	}
	db, err := pgx.Connect(ctx, operator)
	if err != nil {
		return err
	}
	defer db.Close(ctx)
	for _, sql := range []string{string(migration), "select babelon_private.enable_usage_journal()"} {
		if _, err := db.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	super, err := pgx.Connect(ctx, strings.Replace(b.project.SuperuserDatabaseURL, "/postgres?", "/"+name+"?", 1))
	if err != nil {
		return err
	}
	defer super.Close(ctx)
	organization, err := newOrganization(ctx, super)
	if err != nil {
		return err
	}
	return addTokens(ctx, super, organization, 1, tokens)
}

func (b *bench) listTime(ctx context.Context, tokens int) (float64, error) {
	organization, err := b.organizationWith(ctx, tokens)
	if err != nil {
		return 0, err
	}
	medians, err := b.takeTurns(func() (float64, error) {
		milliseconds, _, err := b.listOnce(ctx, organization)
		return milliseconds, err
	})
	if err != nil {
		return 0, err
	}
	return medians[0], nil
}

// bloat counts a million uses of one token into its counters, in as many collections as a day has hours.
func (b *bench) bloat(ctx context.Context) error {
	const uses, collections = 1_000_000, 24
	began := time.Now()
	for range collections {
		if err := b.use(ctx, b.db, uses/collections); err != nil {
			return err
		}
		if err := b.collect(ctx); err != nil {
			return err
		}
	}
	took := time.Since(began)
	var rows int
	var kilobytes float64
	err := b.db.QueryRow(ctx, `
		select (select count(*) from babelon_private.api_token_uses u join babelon_private.api_tokens t on t.id = u.token_id where t.client_id = public.id_of(1)),
		       pg_total_relation_size('babelon_private.api_token_uses') / 1024.0`).Scan(&rows, &kilobytes)
	if err != nil {
		return err
	}
	b.add("growth: counter rows of a token after a million journalled uses", float64(rows), "", 0, "")
	b.add("growth: counter table after that", kilobytes, "kB", 0, "")
	b.add("growth: journalling and folding a million uses", took.Seconds(), "s", 0, "")
	return nil
}
