// Command bench measures what Babelon costs, on a throwaway Supabase stack. Every figure is a ratio to a
// baseline of the same run, and the median of runs that took turns, because the machine is never quiet.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/babelon/babelon/tests/stack"
)

func main() {
	var o options
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "of each run")
	flag.IntVar(&o.rounds, "rounds", 5, "in which the runs take turns")
	flag.IntVar(&o.trials, "trials", 300, "revocations of a hot token")
	flag.IntVar(&o.tokens, "tokens", 1_000_000, "to grow to")
	flag.StringVar(&o.only, "only", "", "the sections to run, separated by commas: "+strings.Join(sectionNames(), ","))
	flag.StringVar(&o.json, "json", "", "file to write the results to")
	flag.Parse()

	ctx, stop := stack.UntilStopped()
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	duration               time.Duration
	rounds, trials, tokens int
	only, json             string
}

// A result is one line of the report.
type result struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Baseline float64 `json:"baseline,omitempty"` // in the same unit
	Ratio    float64 `json:"ratio,omitempty"`
	Target   string  `json:"target,omitempty"`
}

type bench struct {
	options
	project      *stack.Stack
	db           *pgx.Conn // as the superuser
	organization string
	results      []result
}

var sections = []struct {
	name    string
	measure func(*bench, context.Context) error
}{
	{"hook", (*bench).hook}, {"policies", (*bench).policies}, {"http", (*bench).http}, {"hot", (*bench).hot},
	{"revoke", (*bench).revoke}, {"list", (*bench).list}, {"growth", (*bench).growth}, {"cli", (*bench).cli},
}

func sectionNames() (names []string) {
	for _, section := range sections {
		names = append(names, section.name)
	}
	return names
}

// chosen returns the sections to run, or an error if one does not exist.
func (o options) chosen() ([]string, error) {
	if o.only == "" {
		return sectionNames(), nil
	}
	chosen := strings.Split(o.only, ",")
	for _, name := range chosen {
		if !slices.Contains(sectionNames(), name) {
			return nil, fmt.Errorf("-only: no section %q; there are %s", name, strings.Join(sectionNames(), ", "))
		}
	}
	return chosen, nil
}

func run(ctx context.Context, o options) error {
	chosen, err := o.chosen()
	if err != nil {
		return err
	}
	project, err := stack.Start(ctx)
	if err != nil {
		return err
	}
	defer project.Stop()
	db, err := pgx.Connect(ctx, project.SuperuserDatabaseURL)
	if err != nil {
		return err
	}
	defer db.Close(context.WithoutCancel(ctx))

	b := &bench{options: o, project: project, db: db}
	if err := b.prepare(ctx); err != nil {
		return fmt.Errorf("preparing: %w", err)
	}
	for _, section := range sections {
		if !slices.Contains(chosen, section.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring", section.name, "…")
		if err := section.measure(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
	}
	return b.report(ctx)
}

// clientID and secret are the pair of the n-th of the many tokens.
func clientID(n int) string { return fmt.Sprintf("bbl_cid_%016x", n) }
func secret(n int) string   { return fmt.Sprintf("bbl_tok_%032x", n) }

// pairsSQL knows them too.
const pairsSQL = `
create function public.id_of(n int) returns text language sql immutable as $$ select 'bbl_cid_' || lpad(to_hex(n), 16, '0') $$;
create function public.secret_of(n int) returns text language sql immutable as $$ select 'bbl_tok_' || lpad(to_hex(n), 32, '0') $$;
create function public.work(ms int default 0) returns int language sql volatile as $$ select 1 from pg_sleep(ms / 1000.0) where ms > 0 union all select 1 where ms = 0 $$;
create function public.nothing() returns int language sql volatile as $$ select 1 $$;
grant execute on all functions in schema public to anon, babelon_token;
create extension pg_stat_statements;
notify pgrst, 'reload schema';`

// prepare makes an organization and 100,000 tokens in it.
func (b *bench) prepare(ctx context.Context) (err error) {
	if _, err := b.db.Exec(ctx, pairsSQL+baselinesSQL); err != nil {
		return err
	}
	if b.organization, err = newOrganization(ctx, b.db); err != nil {
		return err
	}
	return addTokens(ctx, b.db, b.organization, 1, min(100_000, b.tokens))
}

func newOrganization(ctx context.Context, db *pgx.Conn) (id string, err error) {
	err = db.QueryRow(ctx, `insert into babelon_private.own_organizations (name) values ('bench') returning id`).Scan(&id)
	return id, err
}

// addTokens makes tokens, and brings them into memory as on a server that has run for a while.
func addTokens(ctx context.Context, db *pgx.Conn, organization string, from, to int) error {
	_, err := db.Exec(ctx, `
		insert into babelon_private.api_tokens (organization_id, client_id, secret_hash, name, role)
		select $1, 'bbl_cid_' || lpad(to_hex(n), 16, '0'), sha256(convert_to('bbl_tok_' || lpad(to_hex(n), 32, '0'), 'UTF8')), 'bench', 'member'
		  from generate_series($2::int, $3::int) n`, organization, from, to)
	if err != nil {
		return err
	}
	for _, statement := range []string{
		"vacuum analyze babelon_private.api_tokens",
		"create extension if not exists pg_prewarm",
		"select pg_prewarm('babelon_private.api_tokens'), pg_prewarm('babelon_private.api_tokens_client_id_key')",
	} {
		if _, err := db.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) add(name string, value float64, unit string, baseline float64, target string) {
	r := result{Name: name, Value: value, Unit: unit, Baseline: baseline, Target: target}
	if baseline > 0 {
		r.Ratio = value / baseline
	}
	b.results = append(b.results, r)
}

func (b *bench) report(ctx context.Context) error {
	var postgres string
	if err := b.db.QueryRow(ctx, "show server_version").Scan(&postgres); err != nil {
		return err
	}
	machine := fmt.Sprintf("%s, %d cores of %s, PostgreSQL %s, PostgREST 12.0.2, %s; the load is made on the same cores; medians of %d runs of %v",
		time.Now().Format(time.DateOnly), runtime.NumCPU(), processor(), postgres, runtime.Version(), b.rounds, b.duration)
	fmt.Println(machine)
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "WHAT\tMEASURED\tBASELINE\tRATIO\tTARGET")
	number := func(v float64) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf("%.3g", v)
	}
	for _, r := range b.results {
		fmt.Fprintf(table, "%s\t%s %s\t%s\t%s\t%s\n", r.Name, number(r.Value), r.Unit, number(r.Baseline), number(r.Ratio), r.Target)
	}
	if err := table.Flush(); err != nil || b.json == "" {
		return err
	}
	content, err := json.MarshalIndent(map[string]any{"machine": machine, "results": b.results}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(b.json, append(content, '\n'), 0o644)
}

func processor() string {
	content, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(content)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, " \t:\n")
		}
	}
	return "an unknown processor"
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// takeTurns runs each variant once a round and returns the median of each.
func (b *bench) takeTurns(variants ...func() (float64, error)) ([]float64, error) {
	measured := make([][]float64, len(variants))
	for range b.rounds {
		for i, variant := range variants {
			value, err := variant()
			if err != nil {
				return nil, err
			}
			measured[i] = append(measured[i], value)
		}
	}
	medians := make([]float64, len(variants))
	for i, values := range measured {
		medians[i] = median(values)
	}
	return medians, nil
}
