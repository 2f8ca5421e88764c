package tests

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Nobody slows down the others by asking about people.

func TestAn_email_is_looked_up_by_its_index_among_300_000_people(t *testing.T) {
	defer catchUp(t) // with the log that so many people are
	url, err := project.NewDatabase(t.Context(), "crowded")
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, url)
	db := connect(t, asSuperuser(url))
	ask := func(statement string) (answer string) {
		t.Helper()
		if err := db.QueryRow(t.Context(), statement).Scan(&answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	ask(`with crowd as (
		insert into auth.users (id, email, email_confirmed_at) select gen_random_uuid(), 'crowd-' || i || '@example.com', now() from generate_series(1, 300000) i
		returning 1) select count(*)::text from crowd`)
	apply(t, asSuperuser(url), "analyze auth.users")
	member := func(nr int, role string) string {
		return ask(fmt.Sprintf("insert into babelon_private.own_memberships select o.id, u.id, '%s' from babelon_private.organizations o, auth.users u where u.email = 'crowd-%d@example.com' returning user_id::text", role, nr))
	}
	ask("insert into babelon_private.own_organizations (name) values ('Acme') returning id::text")
	admin, viewer := member(1, "owner"), member(2, "viewer")

	// try makes a call as a person and takes it back. Returns how long it took, what became of it, and how often it read auth.users as a whole.
	try := func(who, call string) (took time.Duration, result string, scans int) {
		t.Helper()
		tx, err := db.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		for _, statement := range []string{
			fmt.Sprintf(`select set_config('request.jwt.claims', '{"sub": "%s"}', true), set_config('role', 'authenticated', true)`, who), "savepoint call",
		} {
			if _, err := tx.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		before := 0
		const counter = "select seq_scan from pg_stat_xact_user_tables where relid = 'auth.users'::regclass"
		if err := tx.QueryRow(t.Context(), counter).Scan(&before); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = tx.Exec(t.Context(), call)
		took = time.Since(start)
		if err != nil {
			result = refusal(err)
		}
		for _, statement := range []string{"rollback to call", "reset role"} {
			if _, err := tx.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.QueryRow(t.Context(), counter).Scan(&scans); err != nil {
			t.Fatal(err)
		}
		return took, result, scans - before
	}
	const whoami = "select babelon.whoami()"
	calls := map[string]struct{ who, call, result string }{
		"whoami":                            {viewer, whoami, ""},
		"an unknown email, by an owner":     {admin, "select babelon.set_member('nobody@example.com', 'viewer')", "BBL_NOT_FOUND"},
		"an email, by an owner":             {admin, "select babelon.set_member('Crowd-7@example.com', 'viewer')", ""},
		"an email, by a viewer":             {viewer, "select babelon.set_member('crowd-7@example.com', 'viewer')", "BBL_FORBIDDEN"},
		"an unknown email, by a viewer":     {viewer, "select babelon.set_member('nobody@example.com', 'viewer')", "BBL_FORBIDDEN"},
		"a person, by an owner":             {admin, "select babelon.set_member(user_id => '" + viewer + "', role => 'member')", ""},
		"removing an unknown email":         {admin, "select babelon.remove_member('nobody@example.com')", "BBL_NOT_FOUND"},
		"removing an email":                 {admin, "select babelon.remove_member('crowd-2@EXAMPLE.com')", ""},
		"removing an email, by a viewer":    {viewer, "select babelon.remove_member('crowd-1@example.com')", "BBL_FORBIDDEN"},
		"leaving by email":                  {viewer, "select babelon.remove_member('crowd-2@example.com')", ""},
		"the members":                       {viewer, "select * from babelon.members", ""},
		"the organization of somebody else": {viewer, "select babelon.set_member('crowd-7@example.com', 'viewer', gen_random_uuid())", "BBL_NOT_FOUND"},
	}
	times := map[string][]time.Duration{}
	for range 15 { // taking turns
		for name, c := range calls {
			took, result, scans := try(c.who, c.call)
			times[name] = append(times[name], took)
			if result != c.result || scans != 0 {
				t.Errorf("%s: got %q, want %q, and auth.users was read through %d times", name, result, c.result, scans)
			}
		}
	}
	median := func(name string) time.Duration { return slices.Sorted(slices.Values(times[name]))[len(times[name])/2] }
	for name := range calls {
		ratio := float64(median(name)) / float64(median("whoami"))
		t.Logf("%s: %v, %.1f times whoami", name, median(name), ratio)
		if ratio > 20 { // reading all of them is a hundred times that, and more
			t.Errorf("%s takes %.1f times as long as whoami", name, ratio)
		}
	}
}

func TestWho_may_change_nothing_waits_for_nobody(t *testing.T) {
	organization := newOrganization(t)
	viewer, owner := people["viewer"], people["owner"]
	refused := map[string]change{
		"a viewer, adding":   by(viewer, setRole, people["outsider"].ID, "viewer", organization),
		"a viewer, removing": by(viewer, removeMember, owner.ID, organization),
		"a viewer, renaming": by(viewer, renameOrganization, organization),
		"a viewer, deleting": by(viewer, deleteOrganization, organization),
		"a stranger, adding": by(people["outsider"], setRole, people["outsider"].ID, "viewer", organization),
		"an unknown email":   by(owner, "select babelon.set_member(email => 'nobody@example.com', role => 'viewer', organization_id => $1)", organization),
	}

	changing := by(owner, setRole, people["member"].ID, "member", organization)
	held := changing.begin(t, pgx.ReadCommitted)
	if _, err := held.Exec(t.Context(), changing.statement, changing.arguments...); err != nil {
		t.Fatal(err)
	}
	for name, c := range refused {
		tx := c.begin(t, pgx.ReadCommitted)
		if _, err := tx.Exec(t.Context(), "set local lock_timeout = '1ms'"); err != nil {
			t.Fatal(err)
		}
		if code := refusal(c.finish(t, tx)); code != "BBL_FORBIDDEN" && code != "BBL_NOT_FOUND" {
			t.Errorf("%s, while a change of the owner's is under way: %s", name, code)
		}
	}
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}
