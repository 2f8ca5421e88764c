package tests

import (
	"fmt"
	"net/http"
	"testing"
)

func TestA_standby_verifies_pairs_and_records_nothing(t *testing.T) {
	onContainers(t)
	organization := newOrganization(t)
	token, revoked := generate(t, organization, "member"), generate(t, organization, "member")
	token.caller().send(t, http.MethodPost, "deployments", "public", args{"service": "api"}).want(t, 201, "")
	replay := func() {
		t.Helper()
		if err := docker.Replay(t.Context(), project); err != nil {
			t.Fatal(err)
		}
	}
	read := func(c caller, path string) answer {
		t.Helper()
		return c.sendTo(t, docker.StandbyURL, http.MethodGet, path, "public", nil)
	}
	replay()
	eventually(t, "the standby's PostgREST has reloaded its schema", func() bool {
		return read(anonymous, "rpc/request_role").status == 200 // what was made last
	})

	reads := func() {
		t.Helper()
		var role string
		read(token.caller(), "rpc/request_role").into(t, &role)
		var rows []struct{ Service string }
		read(token.caller(), "deployments").into(t, &rows)
		if role != "babelon_token" || len(rows) != 1 || rows[0].Service != "api" {
			t.Errorf("a token is %s there, and sees %v", role, rows)
		}
	}
	reads()
	var me struct{ Kind string }
	token.caller().sendTo(t, docker.StandbyURL, http.MethodGet, "rpc/whoami", "babelon", nil).into(t, &me)
	if me.Kind != "token" {
		t.Errorf("a token is a %s there", me.Kind)
	}
	if got := token.caller().sendTo(t, docker.StandbyURL, http.MethodPost, "rpc/whoami", "babelon", args{}); got.code() != "0A000" {
		t.Errorf("a POST there gets %d %s, and docs/operations.md says 0A000", got.status, got.body)
	}
	wrong := pair{ClientID: token.ClientID, APIToken: replaceLast(token.APIToken)}
	read(wrong.caller(), "deployments").want(t, 401, "BBL_INVALID_TOKEN")
	read(revoked.caller(), "deployments").want(t, 200, "")
	revoke(t, revoked)
	replay()
	read(revoked.caller(), "deployments").want(t, 401, "BBL_TOKEN_REVOKED")
	if rows := list(t, organization); rows[token.ClientID].Uses != 1 || rows[revoked.ClientID].Uses+rows[revoked.ClientID].Denials != 0 {
		t.Errorf("one use of one token, on the primary, is listed as %+v", rows)
	}

	// Nor do the counters, where there is no journal, fail a request.
	withoutJournal(t)
	replay()
	reads()
}

func TestWhere_pg_cron_is_installed_it_collects_the_journal_every_minute(t *testing.T) {
	onContainers(t)
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	db := connect(t, project.DatabaseURL)
	count := func(of string) (n int) {
		t.Helper()
		if err := db.QueryRow(t.Context(), "select count(*) from "+of).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	withoutJournal(t)
	// As hosted projects have it. Only during this test, because others must be alone with the journal.
	apply(t, project.SuperuserDatabaseURL, "create extension pg_cron; grant usage on schema cron to postgres")
	defer apply(t, project.SuperuserDatabaseURL, "drop extension pg_cron")
	if _, err := db.Exec(t.Context(), "select babelon_private.enable_usage_journal()"); err != nil {
		t.Fatal(err)
	}

	token.caller().get(t, "deployments").want(t, 200, "")
	eventually(t, "a use is counted that nobody but pg_cron has collected", func() bool {
		settle(t)
		return count(fmt.Sprintf(`babelon_private.api_token_uses join babelon_private.api_tokens t on t.id = token_id
			where client_id = '%s' and uses = 1`, token.ClientID)) == 1
	})
	eventually(t, "pg_cron says that it has run the collector", func() bool {
		return count("cron.job_run_details where status = 'succeeded' and command like '%collect_usage%'") > 0
	})
	if _, err := db.Exec(t.Context(), "select babelon_private.disable_usage_journal()"); err != nil {
		t.Fatal(err)
	}
	if n := count("cron.job"); n != 0 {
		t.Errorf("%d jobs are left after the journal was switched off", n)
	}
}
