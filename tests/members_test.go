package tests

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestOnly_owners_touch_owners_and_only_admins_touch_members(t *testing.T) {
	organization := newOrganization(t)
	set := func(c caller, who, role string) answer {
		return c.rpc(t, "set_member", args{"email": people[who].Email, "role": role, "organization_id": organization})
	}
	remove := func(c caller, who string) answer {
		return c.rpc(t, "remove_member", args{"email": people[who].Email, "organization_id": organization})
	}

	set(person("member"), "outsider", "viewer").want(t, 403, "BBL_FORBIDDEN")
	set(person("viewer"), "viewer", "owner").want(t, 403, "BBL_FORBIDDEN")
	set(person("outsider"), "outsider", "owner").want(t, 404, "BBL_NOT_FOUND")
	set(anonymous, "outsider", "owner").want(t, 401, "BBL_UNAUTHENTICATED")
	set(generate(t, organization, "admin").caller(), "outsider", "viewer").want(t, 403, "BBL_FORBIDDEN")

	set(person("admin"), "outsider", "admin").want(t, 200, "")
	set(person("admin"), "outsider", "owner").want(t, 403, "BBL_FORBIDDEN")
	set(person("admin"), "admin", "owner").want(t, 403, "BBL_FORBIDDEN")
	set(person("admin"), "owner", "viewer").want(t, 403, "BBL_FORBIDDEN")
	remove(person("admin"), "owner").want(t, 403, "BBL_FORBIDDEN")
	remove(person("admin"), "outsider").want(t, 204, "")
	remove(person("admin"), "outsider").want(t, 404, "BBL_NOT_FOUND")
	remove(person("viewer"), "member").want(t, 403, "BBL_FORBIDDEN")
	remove(person("viewer"), "viewer").want(t, 204, "") // everybody can leave
	remove(person("viewer"), "viewer").want(t, 404, "BBL_NOT_FOUND")
	set(person("admin"), "viewer", "viewer").want(t, 200, "")

	set(person("owner"), "owner", "admin").want(t, 409, "BBL_CONFLICT")
	remove(person("owner"), "owner").want(t, 409, "BBL_CONFLICT")
	set(person("owner"), "admin", "owner").want(t, 200, "")
	set(person("owner"), "owner", "admin").want(t, 200, "") // now there is another

	service().rpc(t, "set_member", args{"email": people["owner"].Email, "role": "owner", "organization_id": organization}).want(t, 200, "")
	person("owner").rpc(t, "set_member", args{"email": "nobody@example.com", "role": "member", "organization_id": organization}).want(t, 404, "BBL_NOT_FOUND")
	person("owner").rpc(t, "set_member", args{"email": people["member"].Email, "role": nil, "organization_id": organization}).want(t, 400, "BBL_INVALID_INPUT")
	person("owner").rpc(t, "set_member", args{"email": strings.ToUpper(people["viewer"].Email), "role": "member", "organization_id": organization}).want(t, 200, "")
}

func TestAn_organization_keeps_an_owner_when_two_owners_demote_each_other_at_once(t *testing.T) {
	organization := newOrganization(t)
	person("owner").rpc(t, "set_member", args{"email": people["admin"].Email, "role": "owner", "organization_id": organization}).want(t, 200, "")

	// The first is held open after its change, so that the second is certainly under way meanwhile.
	as := func(who string) pgx.Tx {
		tx, err := connect(t, project.SuperuserDatabaseURL).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		claims := `{"role":"authenticated","sub":"` + people[who].ID + `"}`
		if _, err := tx.Exec(t.Context(), "select set_config('request.jwt.claims', $1, true), set_config('role', 'authenticated', true)", claims); err != nil {
			t.Fatal(err)
		}
		return tx
	}
	demote := func(tx pgx.Tx, who string) error {
		_, err := tx.Exec(t.Context(), "select babelon.set_member($1, 'member', $2)", people[who].Email, organization)
		return err
	}
	first, second := as("owner"), as("admin")
	if err := demote(first, "admin"); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- demote(second, "owner") }()
	waitForLock(t)
	if err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSQLState(t, "the second demotion", <-result, "PGRST")

	var owners int
	err := connect(t, project.DatabaseURL).QueryRow(t.Context(),
		"select count(*) from babelon_private.memberships where organization_id = $1 and role = 'owner'", organization).Scan(&owners)
	if err != nil || owners != 1 {
		t.Errorf("%d owners are left (%v)", owners, err)
	}
}

// waitForLock returns once some session waits for a lock.
func waitForLock(t *testing.T) {
	t.Helper()
	db := connect(t, project.SuperuserDatabaseURL)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for waiting := false; !waiting; {
		if err := db.QueryRow(ctx, "select exists (select from pg_locks where not granted)").Scan(&waiting); err != nil {
			t.Fatalf("nobody waits for a lock: %v", err)
		}
	}
}

func TestPeople_and_tokens_see_only_their_own_organizations_and_members(t *testing.T) {
	mine := newOrganization(t)
	var theirs struct{ ID string }
	person("outsider").rpc(t, "create_organization", args{"name": "Others 🚀"}).into(t, &theirs)
	person("outsider").rpc(t, "set_member", args{"email": people["member"].Email, "role": "viewer", "organization_id": theirs.ID}).want(t, 200, "")
	token := generate(t, mine, "viewer")

	type row struct{ ID, Role, Email string }
	see := func(c caller, view string) map[string]row {
		t.Helper()
		var rows []row
		c.send(t, "GET", view, "babelon", nil).into(t, &rows)
		byKey := map[string]row{}
		for _, r := range rows {
			byKey[r.ID+r.Email] = r
		}
		return byKey
	}
	if got := see(person("outsider"), "organizations"); got[theirs.ID].Role != "owner" || got[mine].ID != "" {
		t.Errorf("the outsider sees %v", got)
	}
	if got := see(person("member"), "organizations"); got[theirs.ID].Role != "viewer" || got[mine].Role != "member" {
		t.Errorf("somebody in both sees %v", got)
	}
	if got := see(token.caller(), "organizations"); len(got) != 1 || got[mine].Role != "viewer" {
		t.Errorf("a token sees %v", got)
	}
	if got := see(token.caller(), "members"); len(got) != 4 || got["owner@example.com"].Role != "owner" {
		t.Errorf("a token sees the members %v", got)
	}
	if got := see(person("outsider"), "members?organization_id=eq."+mine); len(got) != 0 {
		t.Errorf("the outsider sees the members %v", got)
	}
	for _, view := range []string{"organizations", "members"} {
		anonymous.send(t, "GET", view, "babelon", nil).want(t, 401, "42501")
		token.caller().send(t, "DELETE", view, "babelon", nil).want(t, 401, "42501") // PostgREST's 403 for a request without JWT
		person("owner").send(t, "DELETE", view+"?role=eq.owner", "babelon", nil).want(t, 403, "42501")
	}
	for _, schema := range []string{"babelon_private", "auth"} {
		person("owner").send(t, "GET", "api_tokens", schema, nil).want(t, 406, "PGRST106")
	}
}

func TestWhoami_tells_tokens_people_and_the_service_role_apart(t *testing.T) {
	organization := newOrganization(t)
	token := generate(t, organization, "admin")
	type identity struct {
		Kind           string
		OrganizationID *string `json:"organization_id"`
		Role           *string
		ClientID       *string `json:"client_id"`
		TokenName      *string `json:"token_name"`
		Email          *string
	}
	who := func(c caller, method string) (me identity) {
		t.Helper()
		var body any
		if method == "POST" {
			body = args{}
		}
		c.send(t, method, "rpc/whoami", "babelon", body).into(t, &me)
		return me
	}
	for _, method := range []string{"GET", "POST"} {
		if me := who(token.caller(), method); me.Kind != "token" || *me.OrganizationID != organization || *me.Role != "admin" ||
			*me.ClientID != token.ClientID || *me.TokenName != "a admin" || me.Email != nil {
			t.Errorf("a token is %+v", me)
		}
		if me := who(person("owner"), method); me.Kind != "user" || *me.Email != "owner@example.com" || me.ClientID != nil {
			t.Errorf("a person is %+v", me)
		}
		if me := who(service(), method); me.Kind != "service" || me.OrganizationID != nil {
			t.Errorf("the service role is %+v", me)
		}
	}
}

func TestWhere_the_hook_is_not_installed_the_functions_verify_pairs_themselves(t *testing.T) {
	organization := newOrganization(t)
	token, viewer := generate(t, organization, "admin"), generate(t, organization, "viewer")
	setHook(t, "")
	t.Cleanup(func() { setHook(t, "babelon_private.authenticate_request") })

	wrong := pair{ClientID: token.ClientID, APIToken: replaceLast(token.APIToken)}
	wrong.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_INVALID_TOKEN")
	caller{"X-Client-Id": token.ClientID}.rpc(t, "whoami", args{}).want(t, 401, "BBL_INVALID_TOKEN")
	token.caller().with("Authorization", person("owner")["Authorization"]).rpc(t, "whoami", args{}).want(t, 400, "BBL_AMBIGUOUS_CREDENTIALS")
	token.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	token.caller().send(t, "GET", "rpc/whoami", "babelon", nil).want(t, 200, "")
	token.caller().rpc(t, "list_api_tokens", args{}).want(t, 200, "")
	var made pair
	token.caller().rpc(t, "generate_api_token", args{"name": "x"}).into(t, &made)
	viewer.caller().rpc(t, "generate_api_token", args{"name": "x"}).want(t, 403, "BBL_FORBIDDEN")
	token.caller().rpc(t, "revoke_api_token", args{"client_id": made.ClientID}).want(t, 200, "")
	made.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_TOKEN_REVOKED")
	if uses := list(t, organization)[token.ClientID].Uses; uses != 5 {
		t.Errorf("5 requests were counted as %d", uses)
	}
}

// setHook installs PostgREST's pre-request hook, and returns once PostgREST goes by it.
func setHook(t *testing.T, function string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, project.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(ctx)
	set := "alter role authenticator reset pgrst.db_pre_request"
	if function != "" {
		set = "alter role authenticator set pgrst.db_pre_request = '" + function + "'"
	}
	if _, err := db.Exec(ctx, set+"; notify pgrst, 'reload config'"); err != nil {
		t.Fatal(err)
	}
	half := caller{"X-Client-Id": "bbl_cid_0123456789abcdef"}
	for installed := function == ""; installed != (function != ""); {
		installed = half.get(t, "announcements").status == 401
		if ctx.Err() != nil {
			t.Fatal("PostgREST did not reload its configuration")
		}
	}
}

func TestA_retry_with_the_same_request_id_replaces_and_never_orphans(t *testing.T) {
	organization := newOrganization(t)
	request := args{"name": "CI", "organization_id": organization, "request_id": "11111111-2222-4333-8444-555555555555"}
	var first, second pair
	person("owner").rpc(t, "generate_api_token", request).into(t, &first)
	person("owner").rpc(t, "generate_api_token", request).into(t, &second)
	if first.ClientID != second.ClientID || first.APIToken == second.APIToken || len(list(t, organization)) != 1 {
		t.Errorf("the retry made another token")
	}
	first.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_INVALID_TOKEN")
	second.caller().rpc(t, "whoami", args{}).want(t, 200, "")

	person("admin").rpc(t, "generate_api_token", request).want(t, 409, "BBL_CONFLICT") // somebody else's
	request["name"] = "another"
	person("owner").rpc(t, "generate_api_token", request).want(t, 409, "BBL_CONFLICT")
	request["name"] = "CI"
	revoke(t, second)
	person("owner").rpc(t, "generate_api_token", request).want(t, 409, "BBL_CONFLICT")

	// Retries that run at the same time leave one token, and one of the answers is its pair.
	request["request_id"] = "99999999-2222-4333-8444-555555555555"
	made := make([]pair, 8)
	var wait sync.WaitGroup
	for i := range made {
		wait.Go(func() { person("owner").rpc(t, "generate_api_token", request).into(t, &made[i]) })
	}
	wait.Wait()
	valid := 0
	for _, p := range made {
		if p.caller().rpc(t, "whoami", args{}).status == 200 {
			valid++
		}
	}
	if tokens := len(list(t, organization)); valid != 1 || tokens != 2 {
		t.Errorf("%d valid pairs and %d tokens, not 1 and 2", valid, tokens)
	}
}

func TestNames_are_1_to_100_visible_characters(t *testing.T) {
	organization := newOrganization(t)
	for name, ok := range map[string]bool{
		"": false, " ": false, "\u00a0\u3000": false, "\u200b": false,
		"a\nb": false, "a\tb": false, "a\x7fb": false, "a\u0085b": false, "a\u202eb": false, "a\u2066b": false, "a\u2028b": false,
		strings.Repeat("x", 100): true, strings.Repeat("x", 101): false,
		strings.Repeat("🚀", 100): true, "👩‍👩‍👧": true, "CI/CD Pipeline": true, "'; drop table x; --": true, "日本語": true,
		"bbl_tok_0123456789abcdef0123456789abcdef": false,
	} {
		status, code := 400, "BBL_INVALID_INPUT"
		if ok {
			status, code = 200, ""
		}
		person("owner").rpc(t, "generate_api_token", args{"name": name, "organization_id": organization}).want(t, status, code)
		person("outsider").rpc(t, "create_organization", args{"name": name}).want(t, status, code)
	}
	person("owner").rpc(t, "generate_api_token", args{"name": nil, "organization_id": organization}).want(t, 400, "BBL_INVALID_INPUT")
}

func TestA_person_in_several_organizations_must_name_one(t *testing.T) {
	newOrganization(t)
	newOrganization(t)
	person("owner").rpc(t, "list_api_tokens", args{}).want(t, 400, "BBL_ORGANIZATION_REQUIRED")
	service().rpc(t, "list_api_tokens", args{}).want(t, 400, "BBL_ORGANIZATION_REQUIRED")
}

func TestA_token_whose_maker_was_demoted_is_shown_as_such_and_still_works(t *testing.T) {
	organization := newOrganization(t)
	var made pair
	person("admin").rpc(t, "generate_api_token", args{"name": "x", "organization_id": organization}).into(t, &made)
	if role := list(t, organization)[made.ClientID].CreatedByRole; role == nil || *role != "admin" {
		t.Errorf("its maker is %v", role)
	}
	person("owner").rpc(t, "remove_member", args{"email": people["admin"].Email, "organization_id": organization}).want(t, 204, "")
	if role := list(t, organization)[made.ClientID].CreatedByRole; role != nil {
		t.Errorf("its removed maker is %v", *role)
	}
	made.caller().rpc(t, "whoami", args{}).want(t, 200, "")
}
