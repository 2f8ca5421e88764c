package tests

import (
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/babelon/babelon/tests/stack"
)

// A JWT is valid for an hour, whatever becomes of the session it was made for. What it makes here would last longer.

// everyChange tries everything that makes or changes tokens, members or organizations, and wants one answer to all of it.
// Where it is "", each succeeds: so the organization is gone afterwards.
func everyChange(t *testing.T, who caller, organization string, token pair, member stack.User, status int, code string) {
	t.Helper()
	for _, change := range []struct {
		function string
		success  int
		args     args
	}{
		{"generate_api_token", 200, args{"name": "x", "organization_id": organization}},
		{"revoke_api_token", 200, args{"client_id": token.ClientID}},
		{"set_member", 200, args{"user_id": member.ID, "role": "member", "organization_id": organization}},
		{"remove_member", 204, args{"user_id": member.ID, "organization_id": organization}},
		{"create_organization", 200, args{"name": "x"}},
		{"rename_organization", 200, args{"name": "x", "organization_id": organization}},
		{"delete_organization", 204, args{"organization_id": organization}},
	} {
		want := status
		if code == "" {
			want = change.success
		}
		t.Log(change.function)
		who.rpc(t, change.function, change.args).want(t, want, code)
	}
}

// everyRead reads what a viewer may.
func everyRead(t *testing.T, who caller, organization string) {
	t.Helper()
	who.rpc(t, "whoami", args{}).want(t, 200, "")
	who.rpc(t, "list_api_tokens", args{"organization_id": organization}).want(t, 200, "")
	for _, view := range []string{"organizations?id=eq.", "members?role=eq.owner&organization_id=eq."} {
		var rows []any
		who.send(t, "GET", view+organization, "babelon", nil).into(t, &rows)
		if len(rows) != 1 {
			t.Errorf("%s: got %d rows", view, len(rows))
		}
	}
}

// signedIn returns somebody who has just signed up with Auth, an organization of theirs with a member, and a token of it.
func signedIn(t *testing.T) (me stack.User, organization string, token pair, member stack.User) {
	t.Helper()
	me, member = people[newPerson(t)], newAccount(t, nil)
	organization = ownedBy(t, me)
	join(t, organization, member, "viewer")
	as(me).rpc(t, "generate_api_token", args{"name": "x", "organization_id": organization}).into(t, &token)
	return me, organization, token, member
}

func TestA_session_that_has_ended_changes_nothing(t *testing.T) {
	for name, end := range map[string]func(stack.User){
		"signed out everywhere": func(me stack.User) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, project.URL+"/auth/v1/logout?scope=global", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header = http.Header{"Apikey": {project.PublishableKey}, "Authorization": {"Bearer " + me.AccessToken}}
			response, err := connections.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusNoContent {
				t.Fatalf("signing out: %s", response.Status)
			}
		},
		"past its end": func(me stack.User) {
			execute(t, "update auth.sessions set not_after = now() - interval '1 second' where user_id = $1", me.ID)
		},
		"banned": func(me stack.User) {
			execute(t, "update auth.users set banned_until = 'infinity' where id = $1", me.ID)
		},
		"account marked deleted": func(me stack.User) { execute(t, "update auth.users set deleted_at = now() where id = $1", me.ID) },
		"account deleted":        func(me stack.User) { execute(t, deleteAccount, me.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			me, organization, token, member := signedIn(t)
			end(me)
			everyChange(t, as(me), organization, token, member, 401, "BBL_SESSION_ENDED")
			token.caller().rpc(t, "whoami", args{}).want(t, 200, "") // what was made before stays
		})
	}
}

func TestA_session_that_goes_on_changes_everything(t *testing.T) {
	me, organization, token, member := signedIn(t)
	execute(t, "update auth.sessions set not_after = now() + interval '1 hour' where user_id = $1", me.ID)
	execute(t, "update auth.users set banned_until = now() - interval '1 second' where id = $1", me.ID) // a ban that is over
	everyChange(t, as(me), organization, token, member, 0, "")
}

func TestA_JWT_with_a_session_that_is_not_its_persons_changes_nothing(t *testing.T) {
	me, organization, token, member := signedIn(t)
	var others string
	if err := connect(t, project.SuperuserDatabaseURL).QueryRow(t.Context(), "select id from auth.sessions where user_id = $1", people["outsider"].ID).Scan(&others); err != nil {
		t.Fatal(err)
	}
	for name, session := range map[string]any{
		"another person's": others, "unknown": uuid.NewString(), "no UUID": "x", "empty": "", "a number": 1, "an object": args{"id": others}, "SQL": "' or true --",
	} {
		t.Run(name, func(t *testing.T) {
			forged := bearing(t, jwt.MapClaims{"role": "authenticated", "sub": me.ID, "session_id": session, "exp": time.Now().Add(time.Hour).Unix()})
			everyChange(t, forged, organization, token, member, 401, "BBL_SESSION_ENDED")
			everyRead(t, forged, organization)
		})
	}
}

func TestWho_has_a_second_factor_must_have_shown_it_to_change_anything(t *testing.T) {
	me, organization, token, member := signedIn(t)
	at := func(aal any) caller {
		claims := jwt.MapClaims{"role": "authenticated", "sub": me.ID, "exp": time.Now().Add(time.Hour).Unix()}
		if aal != nil {
			claims["aal"] = aal
		}
		return bearing(t, claims)
	}
	factor := func(status string) {
		execute(t, "delete from auth.mfa_factors where user_id = $1", me.ID)
		execute(t, `insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
			values ($1, $2, 'totp', $3::text::auth.factor_status, now(), now())`, uuid.NewString(), me.ID, status)
	}

	factor("verified")
	for _, weak := range []caller{at("aal1"), at(nil), at(""), at("AAL2"), at(2), as(me)} { // the last is what Auth gave for a password
		everyChange(t, weak, organization, token, member, 403, "BBL_MFA_REQUIRED")
		everyRead(t, weak, organization)
	}
	token.caller().rpc(t, "generate_api_token", args{"name": "x"}).want(t, 403, "BBL_FORBIDDEN")                     // a token has no factor, and is a member's
	as(member).rpc(t, "remove_member", args{"user_id": member.ID, "organization_id": organization}).want(t, 204, "") // nor is anybody else asked
	join(t, organization, member, "viewer")

	factor("unverified")
	as(me).rpc(t, "rename_organization", args{"name": "x", "organization_id": organization}).want(t, 200, "")
	factor("verified")
	everyChange(t, at("aal2"), organization, token, member, 0, "")
}
