package tests

import (
	"testing"
)

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

func TestA_person_in_several_organizations_must_name_one(t *testing.T) {
	newOrganization(t)
	newOrganization(t)
	person("owner").rpc(t, "list_api_tokens", args{}).want(t, 400, "BBL_ORGANIZATION_REQUIRED")
	service().rpc(t, "list_api_tokens", args{}).want(t, 400, "BBL_ORGANIZATION_REQUIRED")
}
