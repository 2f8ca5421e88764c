package tests

import (
	"fmt"
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

func TestAdmins_rename_an_organization_and_only_owners_delete_it(t *testing.T) {
	mine, kept := newOrganization(t), newOrganization(t)
	token, keptToken := generate(t, mine, "admin"), generate(t, kept, "viewer")
	name := func(organization string) (name string) {
		t.Helper()
		err := connect(t, project.DatabaseURL).QueryRow(t.Context(), "select name from babelon_private.organizations where id = $1", organization).Scan(&name)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	for role, c := range map[string]struct {
		who    caller
		status int
		code   string
	}{
		"nobody": {anonymous, 401, "BBL_UNAUTHENTICATED"}, "outsider": {person("outsider"), 404, "BBL_NOT_FOUND"},
		"viewer": {person("viewer"), 403, "BBL_FORBIDDEN"}, "member": {person("member"), 403, "BBL_FORBIDDEN"}, "token": {token.caller(), 403, "BBL_FORBIDDEN"},
		"admin": {person("admin"), 200, ""}, "owner": {person("owner"), 200, ""}, "service": {service(), 200, ""},
	} {
		before := name(mine)
		var made struct{ ID, Name string }
		got := c.who.rpc(t, "rename_organization", args{"name": role + "'s", "organization_id": mine}).want(t, c.status, c.code)
		if c.status == 200 {
			if got.into(t, &made); made.ID != mine || made.Name != role+"'s" || name(mine) != made.Name {
				t.Errorf("the %s's renaming made %+v", role, made)
			}
		} else if name(mine) != before {
			t.Errorf("refused, the %s renamed it to %s", role, name(mine))
		}
		if role == "admin" {
			c.status, c.code = 403, "BBL_FORBIDDEN"
		}
		if c.status != 200 {
			c.who.rpc(t, "delete_organization", args{"organization_id": mine}).want(t, c.status, c.code)
		}
	}
	if name(kept) != "Acme" {
		t.Errorf("another organization is called %s now", name(kept))
	}
	person("owner").rpc(t, "delete_organization", args{}).want(t, 404, "PGRST202") // none is meant by leaving it out
	person("owner").rpc(t, "delete_organization", args{"organization_id": nil}).want(t, 400, "BBL_ORGANIZATION_REQUIRED")

	token.caller().send(t, "POST", "deployments", "public", args{"service": "x"}).want(t, 201, "")
	person("owner").rpc(t, "delete_organization", args{"organization_id": mine}).want(t, 204, "")
	token.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_INVALID_TOKEN")
	for _, table := range []string{"babelon_private.organizations where id", "babelon_private.memberships where organization_id", "babelon_private.api_tokens where organization_id", "public.deployments where tenant_id"} {
		var left int
		if err := connect(t, project.DatabaseURL).QueryRow(t.Context(), "select count(*) from "+table+" = $1", mine).Scan(&left); err != nil || left != 0 {
			t.Errorf("%d rows are left of %s (%v)", left, table, err)
		}
	}
	person("owner").rpc(t, "delete_organization", args{"organization_id": mine}).want(t, 404, "BBL_NOT_FOUND")
	keptToken.caller().rpc(t, "whoami", args{}).want(t, 200, "")
	service().rpc(t, "delete_organization", args{"organization_id": kept}).want(t, 204, "")
	keptToken.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_INVALID_TOKEN")
}

func TestAn_organization_that_the_project_keeps_data_of_is_not_deleted(t *testing.T) {
	for i, rule := range []string{"", "on delete restrict", "deferrable initially deferred", "on delete no action deferrable"} {
		t.Run(rule, func(t *testing.T) {
			organization := newOrganization(t)
			token := generate(t, organization, "member")
			table := fmt.Sprintf("public.invoices_%d", i)
			execute(t, "create table "+table+" (tenant_id uuid not null references babelon_private.own_organizations (id) "+rule+")")
			defer func() { execute(t, "drop table "+table) }()
			execute(t, "insert into "+table+" values ($1)", organization)

			got := person("owner").rpc(t, "delete_organization", args{"organization_id": organization}).want(t, 409, "BBL_CONFLICT")
			t.Logf("%s", got.body)
			token.caller().rpc(t, "whoami", args{}).want(t, 200, "")
			execute(t, "delete from "+table)
			person("owner").rpc(t, "delete_organization", args{"organization_id": organization}).want(t, 204, "")
			token.caller().rpc(t, "whoami", args{}).want(t, 401, "BBL_INVALID_TOKEN")
		})
	}
}
