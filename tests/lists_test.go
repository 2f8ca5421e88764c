package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// capRows makes PostgREST cap every answer at so many rows, as operators do, until the test ends.
func capRows(t *testing.T, rows int) {
	t.Helper()
	set := func(sql string, until int) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		db, err := pgx.Connect(ctx, project.SuperuserDatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close(ctx)
		if _, err := db.Exec(ctx, sql+"; notify pgrst, 'reload config'"); err != nil {
			t.Fatal(err)
		}
		for got := -1; got != until; {
			var all []json.RawMessage
			service().get(t, fmt.Sprintf("rpc/numbers?to=%d", rows+1)).into(t, &all)
			if got = len(all); ctx.Err() != nil {
				t.Fatalf("PostgREST did not reload its configuration: %d rows", got)
			}
		}
	}
	t.Cleanup(func() { set("alter role authenticator reset pgrst.db_max_rows", rows+1) })
	set(fmt.Sprintf("alter role authenticator set pgrst.db_max_rows = '%d'", rows), rows)
}

// numbers makes a function that returns as many rows as it is asked for.
func numbers(t *testing.T) {
	t.Helper()
	apply(t, project.DatabaseURL, `create function public.numbers("to" int) returns setof int language sql stable as 'select generate_series(1, "to")';
		notify pgrst, 'reload schema'`)
	t.Cleanup(func() {
		db, err := pgx.Connect(context.Background(), project.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close(context.Background())
		if _, err := db.Exec(context.Background(), "drop function public.numbers(int)"); err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); service().get(t, "rpc/numbers?to=1").status != 200; {
		if time.Now().After(deadline) {
			t.Fatal("PostgREST did not reload its schema")
		}
	}
}

// printed returns what `babelon <what> list` of a token prints as JSON, with more flags.
func printed(t *testing.T, p pair, what string, flags ...string) (rows []map[string]any) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{what, "list", "--output", "json"}, flags...)...)
	cmd.Env = append(environment(t.TempDir(), project.URL), "BABELON_CLIENT_ID="+p.ClientID, "BABELON_API_TOKEN="+p.APIToken)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestEvery_token_is_in_a_list_once_while_tokens_are_being_revoked(t *testing.T) {
	const total = 206
	organization := newOrganization(t)
	admin := generate(t, organization, "admin")
	ids := []string{admin.ClientID}
	for len(ids) < total {
		ids = append(ids, generate(t, organization, "viewer").ClientID)
	}
	numbers(t)
	capRows(t, 77)

	// Some are revoked during each list, however fast this machine is at either.
	revoked, listing := make(chan bool), make(chan bool, total)
	go func() {
		defer close(revoked)
		for i, id := range ids[1:] {
			if i%40 == 0 {
				<-listing
			}
			person("owner").rpc(t, "revoke_api_token", args{"client_id": id}).want(t, 200, "")
		}
	}()
	lists := 0
	for done := false; !done; lists++ {
		select {
		case <-revoked:
			done = true // one list more, of the end
		case listing <- true:
		}
		seen := map[string]int{}
		rows := printed(t, admin, "token", "--all")
		for _, row := range rows {
			seen[row["client_id"].(string)]++
		}
		for _, id := range ids {
			if seen[id] != 1 {
				t.Errorf("list %d has %s %d times", lists, id, seen[id])
			}
		}
		if len(rows) != total {
			t.Errorf("list %d has %d tokens", lists, len(rows))
		}
		if done && (rows[0]["client_id"] != admin.ClientID || rows[1]["state"] != "revoked") {
			t.Errorf("the active one is not first: %v", rows[0])
		}
	}
	if lists < 6 {
		t.Errorf("only %d lists in that time", lists)
	}
}

func TestMembers_and_organizations_are_listed_whatever_an_answer_is_capped_at(t *testing.T) {
	organization := newOrganization(t)
	admin := generate(t, organization, "admin")
	numbers(t)
	for _, rows := range []int{1, 3} {
		t.Run(fmt.Sprint("at ", rows), func(t *testing.T) {
			capRows(t, rows)
			var emails []any
			for _, row := range printed(t, admin, "member") {
				emails = append(emails, row["email"])
			}
			if fmt.Sprint(emails) != "[admin@example.com member@example.com owner@example.com viewer@example.com]" {
				t.Errorf("got %v", emails)
			}
			if organizations := printed(t, admin, "organization"); len(organizations) != 1 || organizations[0]["id"] != organization {
				t.Errorf("got %v", organizations)
			}
		})
	}
}

func TestA_purge_takes_only_what_was_revoked_before_with_its_counters(t *testing.T) {
	organization := newOrganization(t)
	tokens := map[string]pair{}
	for _, name := range []string{"active", "revoked lately", "revoked long ago"} {
		tokens[name] = generate(t, organization, "member")
		tokens[name].caller().get(t, "deployments").want(t, 200, "")
	}
	revoke(t, tokens["revoked lately"])
	list(t, organization) // collects
	db := connect(t, project.DatabaseURL)
	const bury = "update babelon_private.api_tokens set revoked_at = now() - interval '91 days' where client_id = $1"
	if _, err := db.Exec(t.Context(), bury, tokens["revoked long ago"].ClientID); err != nil {
		t.Fatal(err)
	}
	counters := func() (n int) {
		if err := db.QueryRow(t.Context(), "select count(*) from babelon_private.api_token_uses u where not exists (select from babelon_private.api_tokens t where t.id = u.token_id)"+
			" or u.token_id in (select id from babelon_private.api_tokens where organization_id = $1)", organization).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := counters()
	for _, want := range []int{1, 0} { // and again: nothing is left to purge
		var purged int
		if err := db.QueryRow(t.Context(), "select babelon_private.purge_api_tokens(now() - interval '90 days')").Scan(&purged); err != nil || purged != want {
			t.Errorf("purged %d, %v", purged, err)
		}
	}
	left := list(t, organization)
	if _, there := left[tokens["revoked long ago"].ClientID]; there || len(left) != 2 || left[tokens["active"].ClientID].Uses != 1 || left[tokens["revoked lately"].ClientID].Uses != 1 {
		t.Errorf("left are %+v", left)
	}
	if after := counters(); before != 3 || after != 2 {
		t.Errorf("%d counters before, %d after", before, after)
	}
	tokens["active"].caller().get(t, "deployments").want(t, 200, "")
	tokens["revoked long ago"].caller().get(t, "deployments").want(t, 401, "BBL_INVALID_TOKEN")
}
