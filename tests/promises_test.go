package tests

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Each test of this file is one of the promises that the README makes.

func TestPromise01_a_token_is_a_pair_sent_in_two_headers_on_every_request(t *testing.T) {
	organization := newOrganization(t)
	seen := map[string]bool{}
	for range 20 {
		made := generate(t, organization, "member")
		if !regexp.MustCompile(`^bbl_cid_[0-9a-f]{16}$`).MatchString(made.ClientID) {
			t.Errorf("client ID %q", made.ClientID)
		}
		if !regexp.MustCompile(`^bbl_tok_[0-9a-f]{32}$`).MatchString(made.APIToken) {
			t.Error("the secret is not bbl_tok_ and 32 lowercase hex digits")
		}
		if seen[made.ClientID] || seen[made.APIToken] {
			t.Error("a value came twice")
		}
		seen[made.ClientID], seen[made.APIToken] = true, true
	}

	token := generate(t, organization, "member")
	token.caller().send(t, http.MethodPost, "deployments", "public", args{"service": "api"}).want(t, 201, "")
	var rows []struct{ Service string }
	token.caller().get(t, "deployments").into(t, &rows)
	if len(rows) != 1 {
		t.Errorf("with the pair: %v", rows)
	}
	anonymous.get(t, "deployments").want(t, 401, "42501") // no session is left behind
	anonymous.rpc(t, "whoami", args{}).want(t, 401, "BBL_UNAUTHENTICATED")
}

func TestPromise02_only_the_hash_of_the_secret_is_stored_and_the_secret_appears_once(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "admin")
	wrong := pair{ClientID: token.ClientID, APIToken: replaceLast(token.APIToken)}

	// Every way to use the pair, rightly and wrongly.
	var answers []answer
	for _, c := range []caller{
		token.caller(), wrong.caller(),
		token.caller().with("X-Tenant-Id", token.APIToken),
		token.caller().with("Authorization", person("owner")["Authorization"]),
		{"X-Api-Token": token.APIToken}, {"X-Client-Id": token.APIToken, "X-Api-Token": token.ClientID},
	} {
		answers = append(answers,
			c.rpc(t, "whoami", args{}),
			c.rpc(t, "list_api_tokens", args{}),
			c.rpc(t, "generate_api_token", args{"name": token.APIToken}),
			c.rpc(t, "revoke_api_token", args{"client_id": token.APIToken}),
			c.get(t, "request_headers"),
			c.send(t, http.MethodPost, "rpc/request_headers", "public", args{}),
			c.send(t, http.MethodPost, "deployments", "public", args{"service": nil}),
		)
	}
	revoke(t, token)
	answers = append(answers, token.caller().rpc(t, "whoami", args{}))
	for _, a := range answers {
		if bytes.Contains(a.body, []byte(token.APIToken)) {
			t.Errorf("an answer has the secret: %d %s", a.status, a.body)
		}
		for _, values := range a.header {
			for _, value := range values {
				if bytes.Contains([]byte(value), []byte(token.APIToken)) {
					t.Errorf("a response header has the secret: %v", a.header)
				}
			}
		}
	}

	// Then every byte that the database, PostgREST, Auth and the gateway have written: tables, WAL, logs.
	if _, err := connect(t, project.SuperuserDatabaseURL).Exec(t.Context(), "checkpoint"); err != nil {
		t.Fatal(err)
	}
	places := []string{""}
	if docker != nil {
		places = []string{"postgres:", "standby:"}
		if err := docker.Replay(t.Context(), project); err != nil {
			t.Fatal(err)
		}
	}
	if where := filesWith(t, token.APIToken); len(where) > 0 {
		t.Errorf("the secret is in %v", where)
	}
	where := filesWith(t, token.ClientID)
	for _, place := range places {
		if !slices.ContainsFunc(where, func(file string) bool { return strings.HasPrefix(file, place+"/") }) {
			t.Errorf("the client ID is in %q, and in no file of %q: the search looks in the wrong place", where, place)
		}
	}
	var stored []byte
	err := connect(t, project.DatabaseURL).QueryRow(t.Context(),
		"select secret_hash from babelon_private.api_tokens where client_id = $1 and secret_hash = sha256($2)",
		token.ClientID, []byte(token.APIToken)).Scan(&stored)
	if err != nil {
		t.Errorf("the stored hash is not the SHA-256 of the whole secret: %v", err)
	}
	wrongHash := caller{"X-Client-Id": token.ClientID, "X-Api-Token": "bbl_tok_" + hex.EncodeToString(stored)[:32]}
	wrongHash.rpc(t, "whoami", args{}).want(t, 401, "BBL_INVALID_TOKEN")
}

// filesWith returns everything that the stack has written and a text is in.
func filesWith(t *testing.T, text string) []string {
	t.Helper()
	found, err := project.FilesWith(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPromise03_the_organization_comes_from_the_tokens_own_row(t *testing.T) {
	mine, other := newOrganization(t), newOrganization(t)
	token, theirs := generate(t, mine, "admin"), generate(t, other, "member")
	theirs.caller().send(t, http.MethodPost, "deployments", "public", args{"service": "theirs"}).want(t, 201, "")
	token.caller().send(t, http.MethodPost, "deployments", "public", args{"service": "mine"}).want(t, 201, "")

	var rows []struct{ TenantID, Service string }
	token.caller().get(t, "deployments?select=tenantid:tenant_id,service").into(t, &rows)
	if len(rows) != 1 || rows[0].TenantID != mine || rows[0].Service != "mine" {
		t.Errorf("the token sees %v", rows)
	}

	asserting := token.caller().with("X-Tenant-Id", other)
	asserting.get(t, "deployments").want(t, 403, "BBL_TENANT_MISMATCH")
	asserting.rpc(t, "whoami", args{}).want(t, 403, "BBL_TENANT_MISMATCH")
	token.caller().with("X-Tenant-Id", mine).get(t, "deployments").want(t, 200, "")
	token.caller().with("X-Tenant-Id", "").get(t, "deployments").want(t, 403, "BBL_TENANT_MISMATCH")

	token.caller().send(t, http.MethodPost, "deployments", "public", args{"service": "x", "tenant_id": other}).want(t, 401, "42501") // PostgREST's 403 for a request without JWT
	unknown := "00000000-0000-4000-8000-000000000000"
	for _, id := range []string{other, unknown} { // the same answer, so that nobody can probe
		token.caller().rpc(t, "list_api_tokens", args{"organization_id": id}).want(t, 404, "BBL_NOT_FOUND")
		token.caller().rpc(t, "generate_api_token", args{"name": "x", "organization_id": id}).want(t, 404, "BBL_NOT_FOUND")
	}
	foreign := token.caller().rpc(t, "revoke_api_token", args{"client_id": theirs.ClientID}).want(t, 404, "BBL_NOT_FOUND")
	missing := token.caller().rpc(t, "revoke_api_token", args{"client_id": "bbl_cid_0000000000000000"}).want(t, 404, "BBL_NOT_FOUND")
	if string(foreign.body) != string(missing.body) {
		t.Errorf("another organization's token is told from none: %s and %s", foreign.body, missing.body)
	}
	theirs.caller().get(t, "deployments").want(t, 200, "")
}

func TestPromise04_only_admins_and_owners_generate_or_revoke_and_everybody_else_lists(t *testing.T) {
	organization := newOrganization(t)
	victim := generate(t, organization, "member")
	ask := func(c caller, function string, arguments args) answer {
		arguments["organization_id"] = organization
		return c.rpc(t, function, arguments)
	}

	for _, c := range []caller{
		person("member"), person("viewer"),
		generate(t, organization, "member").caller(), generate(t, organization, "viewer").caller(),
	} {
		ask(c, "generate_api_token", args{"name": "x"}).want(t, 403, "BBL_FORBIDDEN")
		c.rpc(t, "revoke_api_token", args{"client_id": victim.ClientID}).want(t, 403, "BBL_FORBIDDEN")
		var rows []map[string]any
		ask(c, "list_api_tokens", args{}).into(t, &rows)
		if len(rows) == 0 {
			t.Error("the list is empty")
		}
		for _, row := range rows {
			for _, column := range []string{"name", "client_id", "created_at", "last_used_at"} {
				if _, ok := row[column]; !ok {
					t.Errorf("the list has no %s", column)
				}
			}
		}
	}

	for _, c := range []caller{person("owner"), person("admin"), generate(t, organization, "admin").caller(), service()} {
		var made pair
		ask(c, "generate_api_token", args{"name": "x"}).into(t, &made)
		if made.Role != "member" || made.OrganizationID != organization {
			t.Errorf("a default token is %s of %s", made.Role, made.OrganizationID)
		}
		ask(c, "generate_api_token", args{"name": "x", "role": "owner"}).want(t, 400, "BBL_INVALID_INPUT")
		c.rpc(t, "revoke_api_token", args{"client_id": made.ClientID}).want(t, 200, "")
		c.rpc(t, "revoke_api_token", args{"client_id": made.ClientID}).want(t, 200, "") // again changes nothing
	}

	ask(person("outsider"), "generate_api_token", args{"name": "x"}).want(t, 404, "BBL_NOT_FOUND")
	ask(person("outsider"), "list_api_tokens", args{}).want(t, 404, "BBL_NOT_FOUND")
	person("outsider").rpc(t, "revoke_api_token", args{"client_id": victim.ClientID}).want(t, 404, "BBL_NOT_FOUND")
	ask(anonymous, "list_api_tokens", args{}).want(t, 401, "BBL_UNAUTHENTICATED")
	anonymous.rpc(t, "revoke_api_token", args{"client_id": victim.ClientID}).want(t, 401, "BBL_UNAUTHENTICATED")
	if list(t, organization)[victim.ClientID].RevokedAt != nil {
		t.Error("a refused revocation revoked")
	}
}

func TestPromise05_last_used_at_moves_on_every_authenticated_request(t *testing.T) {
	catchUp(t)
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	if row := list(t, organization)[token.ClientID]; row.LastUsedAt != nil || row.Uses != 0 {
		t.Errorf("an unused token: %+v", row)
	}
	var before time.Time
	for use := int64(1); use <= 6; use++ {
		if use%2 == 0 {
			token.caller().get(t, "deployments").want(t, 200, "")
		} else {
			token.caller().send(t, http.MethodPost, "deployments", "public", args{"service": "api"}).want(t, 201, "")
		}
		row := list(t, organization)[token.ClientID]
		if row.Uses != use || row.LastUsedAt == nil || !row.LastUsedAt.After(before) {
			t.Fatalf("after %d uses: %+v, before: %v", use, row, before)
		}
		before = *row.LastUsedAt
	}
	pair{ClientID: token.ClientID, APIToken: replaceLast(token.APIToken)}.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_INVALID_TOKEN")
	if row := list(t, organization)[token.ClientID]; row.Uses != 6 {
		t.Errorf("a refused request was counted: %+v", row)
	}
}

func TestPromise06_revocation_stops_every_request_that_starts_after_it_and_is_permanent(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "admin")
	type attempt struct {
		started time.Time
		answer  answer
	}
	attempts := make(chan attempt, 10_000)
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for ctx.Err() == nil {
				started := time.Now()
				attempts <- attempt{started, token.caller().rpc(t, "whoami", args{})}
			}
		})
	}
	eventually(t, "they are under way", func() bool { return len(attempts) >= 20 })
	revoke(t, token)
	revoked := time.Now()
	after := len(attempts) + 50
	eventually(t, "and go on", func() bool { return len(attempts) >= after })
	stop()
	wait.Wait()
	close(attempts)
	accepted, refused := 0, 0
	for a := range attempts {
		switch {
		case a.answer.status == 200 && a.started.After(revoked):
			t.Errorf("a request that started %v after the revocation was accepted", a.started.Sub(revoked))
		case a.answer.status == 200:
			accepted++
		default:
			a.answer.want(t, 401, "BBL_TOKEN_REVOKED")
			refused++
		}
	}
	if accepted == 0 || refused == 0 {
		t.Errorf("%d accepted, %d refused: the revocation was not in between", accepted, refused)
	}

	// By no statement, of no role that the API can reach, and not by the owner of the table either.
	statements := []string{
		"update babelon_private.api_tokens set revoked_at = null where client_id = $1",
		"update babelon_private.api_tokens set revoked_at = 'infinity' where client_id = $1",
		"delete from babelon_private.api_tokens where client_id = $1",
		"insert into babelon_private.api_tokens select * from babelon_private.api_tokens where client_id = $1 on conflict (client_id) do update set revoked_at = null",
	}
	db := connect(t, project.SuperuserDatabaseURL)
	for _, role := range []string{"anon", "authenticated", "service_role", "babelon_token"} {
		for _, statement := range statements {
			wantSQLState(t, role+": "+statement, execAs(t.Context(), db, role, statement, token.ClientID), "42501")
		}
	}
	for _, triggers := range []string{"origin", "replica"} { // those of a replica fire only where that was asked for
		if _, err := db.Exec(t.Context(), "set session_replication_role = "+triggers); err != nil {
			t.Fatal(err)
		}
		for _, statement := range statements[:2] {
			wantSQLState(t, "postgres, "+triggers+": "+statement, execAs(t.Context(), db, "postgres", statement, token.ClientID), "23001")
		}
	}
	token.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_TOKEN_REVOKED")

	replacement := generate(t, organization, "admin") // of the same name
	replacement.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	token.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_TOKEN_REVOKED")
}

// execAs runs one statement as the role, in a transaction that is rolled back.
func execAs(ctx context.Context, db *pgx.Conn, role, statement string, arguments ...any) error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "set local role "+pgx.Identifier{role}.Sanitize()); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, statement, arguments...)
	return err
}

func TestPromise08_usage_is_exact_for_reads_and_for_requests_that_fail(t *testing.T) {
	catchUp(t)
	organization := newOrganization(t)
	token := generate(t, organization, "member")
	requests := []struct {
		method, path string
		body         any
		status       int
	}{
		{http.MethodGet, "deployments?limit=1", nil, 200},
		{http.MethodHead, "deployments?limit=1", nil, 200},
		{http.MethodPost, "deployments", args{"service": "api"}, 201},
		{http.MethodGet, "rpc/conflict", nil, 409},
		{http.MethodHead, "deployments?limit=1", nil, 200},
		{http.MethodPost, "deployments", args{"service": "api", "tenant_id": "00000000-0000-4000-8000-000000000000"}, 401}, // by its policy
		{http.MethodGet, "deployments?no_such_column=eq.1", nil, 400},
		{http.MethodHead, "deployments?limit=1", nil, 200},
		{http.MethodPost, "deployments", args{"service": nil}, 400},
		{http.MethodGet, "deployments?limit=1", nil, 200},
		{http.MethodHead, "deployments?no_such_column=eq.1", nil, 400},
		{http.MethodPost, "rpc/conflict", args{}, 409},
	}
	const rounds, connections = 250, 32   // a thousand of each method
	began := time.Now().Add(-time.Second) // the clocks are one, their precision is not
	work := make(chan int)
	var wait sync.WaitGroup
	for range connections {
		wait.Go(func() {
			for i := range work {
				r := requests[i%len(requests)]
				if got := token.caller().send(t, r.method, r.path, "public", r.body); got.status != r.status {
					t.Errorf("%s %s: got %d, want %d: %s", r.method, r.path, got.status, r.status, got.body)
				}
			}
		})
	}
	for i := range rounds * len(requests) {
		work <- i
	}
	close(work)
	wait.Wait()
	row := list(t, organization)[token.ClientID]
	if row.Uses != int64(rounds*len(requests)) {
		t.Fatalf("%d requests were counted as %d", rounds*len(requests), row.Uses)
	}
	if row.LastUsedAt.Before(began) || row.LastUsedAt.After(time.Now().Add(time.Second)) {
		t.Errorf("last used at %v, which is not within the run since %v", row.LastUsedAt, began)
	}
}

func TestPromise09_a_hot_token_never_makes_a_request_or_its_revocation_wait(t *testing.T) {
	t.Run("with the journal", hotToken)
	t.Run("with counters", func(t *testing.T) {
		withoutJournal(t)
		hotToken(t)
	})
}

func hotToken(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "member")

	// Requests that stay open, each in its own transaction, as PostgREST would run them.
	headers := fmt.Sprintf(`{"x-client-id": %q, "x-api-token": %q}`, token.ClientID, token.APIToken)
	begin := func() pgx.Tx {
		tx, err := connect(t, project.SuperuserDatabaseURL).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), `set local session authorization authenticator; set local role anon; set local lock_timeout = '1ms'`); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), `select set_config('request.headers', $1, true)`, headers); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), `select babelon_private.authenticate_request()`); err != nil {
			t.Fatalf("a request waited for another: %v", err)
		}
		return tx
	}
	var open []pgx.Tx
	for range 20 {
		open = append(open, begin())
	}

	revoker, err := connect(t, project.SuperuserDatabaseURL).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer revoker.Rollback(t.Context())
	if _, err := revoker.Exec(t.Context(), `set local role service_role; set local lock_timeout = '1ms'`); err != nil {
		t.Fatal(err)
	}
	if _, err := revoker.Exec(t.Context(), `select babelon.revoke_api_token($1)`, token.ClientID); err != nil {
		t.Fatalf("the revocation waited for requests under way: %v", err)
	}
	open = append(open, begin()) // nor does a request wait for the revocation
	if err := revoker.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tx := range open {
		if err := tx.Commit(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if row := list(t, organization)[token.ClientID]; row.Uses != int64(len(open)) || row.RevokedAt == nil {
		t.Errorf("%d uses were counted as %d", len(open), row.Uses)
	}
}

func TestPromise10_a_viewers_token_is_read_only_whatever_the_policies_say(t *testing.T) {
	organization := newOrganization(t)
	viewer, member := generate(t, organization, "viewer"), generate(t, organization, "member")

	member.caller().send(t, http.MethodPost, "notes", "public", args{"body": "x"}).want(t, 201, "")
	before := viewer.caller().get(t, "notes").want(t, 200, "")
	for _, write := range []struct{ method, path string }{
		{http.MethodPost, "notes"}, {http.MethodPatch, "notes"}, {http.MethodDelete, "notes"}, {http.MethodPost, "rpc/write_note"},
	} {
		viewer.caller().send(t, write.method, write.path, "public", args{"body": "y"}).want(t, 405, "25006")
	}
	if after := viewer.caller().get(t, "notes").want(t, 200, ""); string(after.body) != string(before.body) {
		t.Errorf("a viewer's token changed %s to %s", before.body, after.body)
	}

	viewer.caller().rpc(t, "list_api_tokens", args{}).want(t, 200, "") // reading is what it is for, and it counts
	if row := list(t, organization)[viewer.ClientID]; row.Uses != 7 {
		t.Errorf("7 requests, refused writes among them, were counted as %d", row.Uses)
	}
}

func TestPromise11_the_secret_leaves_the_request_before_any_other_SQL_can_read_it(t *testing.T) {
	token := generate(t, newOrganization(t), "member")
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		var body any
		if method == http.MethodPost {
			body = args{}
		}
		var headers map[string]string
		token.caller().with("X-Other", "kept").with("X-Copy", "a "+token.APIToken).send(t, method, "rpc/request_headers", "public", body).into(t, &headers)
		for name, value := range headers {
			if strings.Contains(value, token.APIToken) {
				t.Errorf("%s: the secret is still in request.headers, as %s", method, name)
			}
		}
		if headers["x-other"] != "kept" || headers["x-client-id"] != token.ClientID {
			t.Errorf("%s: other headers were lost: %v", method, headers)
		}
	}
}

func TestPromise13_a_wrong_pair_never_falls_back_to_another_identity(t *testing.T) {
	token := generate(t, newOrganization(t), "member")
	var role string
	token.caller().get(t, "rpc/request_role").into(t, &role)
	if role != "babelon_token" {
		t.Errorf("a token's request runs as %s", role)
	}

	anonymous.get(t, "announcements").want(t, 200, "")
	for _, wrong := range []caller{
		{"X-Client-Id": token.ClientID}, {"X-Api-Token": token.APIToken},
		{"X-Client-Id": token.ClientID, "X-Api-Token": replaceLast(token.APIToken)},
		{"X-Client-Id": replaceLast(token.ClientID), "X-Api-Token": token.APIToken},
		{"X-Client-Id": "", "X-Api-Token": ""},
	} {
		wrong.get(t, "announcements").want(t, 401, "BBL_INVALID_TOKEN")
		for _, identity := range []caller{person("owner"), service()} {
			both := wrong
			for name, value := range identity {
				both = both.with(name, value)
			}
			both.get(t, "announcements").want(t, 400, "BBL_AMBIGUOUS_CREDENTIALS")
			both.rpc(t, "whoami", args{}).want(t, 400, "BBL_AMBIGUOUS_CREDENTIALS")
		}
	}
	both := token.caller().with("Authorization", person("owner")["Authorization"])
	both.get(t, "announcements").want(t, 400, "BBL_AMBIGUOUS_CREDENTIALS")
}
