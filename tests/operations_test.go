package tests

import (
	"context"
	"testing"
)

func TestEvery_token_can_be_revoked_by_one_statement_after_a_restore(t *testing.T) {
	startsOwnServers(t) // whose tokens are not the other tests'
	url := installed(t, 17)
	db := connect(t, url)
	if _, err := db.Exec(t.Context(), `
		with one as (insert into babelon_private.own_organizations (name) values ('Acme') returning id)
		insert into babelon_private.api_tokens (organization_id, client_id, secret_hash, name, role, revoked_at)
		select id, 'bbl_cid_' || lpad(to_hex(n), 16, '0'), sha256(convert_to('bbl_tok_' || lpad(to_hex(n), 32, '0'), 'UTF8')), 'x', 'member',
		       case when n > 100 then timestamptz '2020-01-01' end
		  from one, generate_series(1, 110) n`); err != nil {
		t.Fatal(err)
	}
	anon := request{claims: map[string]string{"role": "anon"}, query: "select current_user", headers: map[string]string{
		"x-client-id": "bbl_cid_0000000000000001", "x-api-token": "bbl_tok_00000000000000000000000000000001"}}
	if got, err := postgRESTs[0].send(t, connect(t, asAuthenticator(url)), anon); got != "babelon_token" {
		t.Fatalf("before: %s (%v)", got, err)
	}

	apply(t, url, written(t, "docs/operations.md", "## After a restore, or in a clone")[0])

	_, err := postgRESTs[0].send(t, connect(t, asAuthenticator(url)), anon)
	if got := refusal(err); got != "BBL_TOKEN_REVOKED" {
		t.Errorf("after: %v", err)
	}
	var active, earlier int
	if err := db.QueryRow(t.Context(), `select count(*) filter (where state = 'active'), count(*) filter (where revoked_at = '2020-01-01')
		from babelon_private.api_token_states`).Scan(&active, &earlier); err != nil || active != 0 || earlier != 10 {
		t.Errorf("%d are active, and %d of 10 kept the time of their revocation (%v)", active, earlier, err)
	}
}

func TestAn_operator_can_let_nobody_create_organizations(t *testing.T) {
	person("outsider").rpc(t, "create_organization", args{"name": "before"}).want(t, 200, "")
	apply(t, project.DatabaseURL, written(t, "docs/operations.md", "## Let nobody create organizations")[0])
	defer execute(t, "create or replace function babelon_private.people_create_organizations() returns boolean language sql stable set search_path = pg_catalog, pg_temp return true")
	person("outsider").rpc(t, "create_organization", args{"name": "after"}).want(t, 403, "BBL_FORBIDDEN")
	person("owner").rpc(t, "create_organization", args{"name": "after"}).want(t, 403, "BBL_FORBIDDEN")
}

func TestTokens_are_verified_revoked_and_counted_while_the_disk_is_full(t *testing.T) {
	catchUp(t)
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	readOnly := func(value string) {
		ctx := context.Background()
		db := connect(t, project.SuperuserDatabaseURL)
		for _, statement := range []string{"alter system set default_transaction_read_only = " + value, "select pg_reload_conf()"} {
			if _, err := db.Exec(ctx, statement); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the server has reloaded its settings", func() bool {
			var now string
			err := db.QueryRow(ctx, "show default_transaction_read_only").Scan(&now)
			return err == nil && now == value
		})
	}
	readOnly("on")
	defer readOnly("off")

	token.caller().get(t, "deployments").want(t, 200, "")
	token.caller().send(t, "POST", "deployments", "public", args{"service": "api"}).want(t, 201, "")
	token.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	another := generate(t, organization, "member")
	revoke(t, another)
	another.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_TOKEN_REVOKED")
	if uses := list(t, organization)[token.ClientID].Uses; uses != 3 {
		t.Errorf("3 requests are listed as %d", uses)
	}

	// A plain session may not write, unless it says so first.
	db := connect(t, project.DatabaseURL)
	_, err := db.Exec(t.Context(), "select babelon_private.collect_usage()")
	wantSQLState(t, "collecting in a plain session", err, "25006")
	if _, err := db.Exec(t.Context(), "begin read write; select babelon_private.collect_usage(); commit"); err != nil {
		t.Error(err)
	}
}
