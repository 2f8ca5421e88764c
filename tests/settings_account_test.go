package tests

import (
	"testing"
)

// ofTheirOwn returns a new person and the organization that they own.
func ofTheirOwn(t *testing.T) (who, organization string) {
	t.Helper()
	who = newPerson(t)
	var made struct{ ID string }
	person(who).rpc(t, "create_organization", args{"name": "Acme"}).into(t, &made)
	return who, made.ID
}

func TestSettings_a_second_factor_that_was_not_shown_lets_one_see_and_change_nothing(t *testing.T) {
	who, organization := ofTheirOwn(t)
	var token pair
	person(who).rpc(t, "generate_api_token", args{"name": "before", "role": "viewer", "organization_id": organization}).into(t, &token)
	db := connect(t, project.SuperuserDatabaseURL)
	if _, err := db.Exec(t.Context(), `insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
		values (gen_random_uuid(), $1, 'totp', 'verified', now(), now())`, people[who].ID); err != nil {
		t.Fatal(err)
	}
	server := serveSettings(t, t.TempDir())
	b := newBrowser(t)
	for _, scripts := range []bool{true, false} {
		w := b.window()
		w.scripts(scripts)
		w.signIn(server, who, organization)
		w.shows(token.ClientID)
		w.click("#generate")
		w.until("document.getElementById('name')")
		w.enter("#name", "forbidden")
		w.click("dialog button.primary")
		w.shows("Your account has a second factor")
		w.until("document.getElementById('name').value == 'forbidden'")
		w.click("dialog [data-close]")
		w.until("!document.querySelector('dialog[open]')")
		w.click("#revoke-" + token.ClientID)
		w.until("document.querySelector('dialog button.danger')")
		w.click("dialog button.danger")
		w.shows("Your account has a second factor")
	}
	if tokens := count(t, organization); tokens != 1 {
		t.Errorf("there are %d tokens", tokens)
	}
	token.caller().rpc(t, "whoami", args{}).want(t, 200, "")
}

func TestSettings_a_session_that_was_ended_leads_to_signing_in(t *testing.T) {
	who, organization := ofTheirOwn(t)
	server := serveSettings(t, t.TempDir())
	b := newBrowser(t)
	db := connect(t, project.SuperuserDatabaseURL)
	for _, scripts := range []bool{true, false} {
		w := b.window()
		w.scripts(scripts)
		w.signIn(server, who, organization)
		w.click("#generate")
		w.until("document.getElementById('name')")
		w.enter("#name", "too late")
		if _, err := db.Exec(t.Context(), "delete from auth.sessions where user_id = $1", people[who].ID); err != nil {
			t.Fatal(err)
		}
		w.click("dialog button.primary")
		w.until("location.pathname.endsWith('/sign-in')")
		w.shows("Your session has ended. Sign in again.")
		// The page keeps no session.
		w.open(server.tokens(organization))
		w.until("location.pathname.endsWith('/sign-in')")
		w.enter("#email", people[who].Email)
		w.enter("#password", password)
		w.click("#sign-in form:last-of-type button")
		w.until("location.pathname.endsWith('/api-access')")
		w.shows("No tokens yet")
	}
	if tokens := count(t, organization); tokens != 0 {
		t.Errorf("there are %d tokens", tokens)
	}
}

// count returns how many tokens an organization has.
func count(t *testing.T, organization string) (tokens int) {
	t.Helper()
	db := connect(t, project.SuperuserDatabaseURL)
	if err := db.QueryRow(t.Context(), "select count(*) from babelon_private.api_tokens where organization_id = $1", organization).Scan(&tokens); err != nil {
		t.Fatal(err)
	}
	return tokens
}
