package tests

import (
	"testing"
)

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

	gone := newAccount(t, nil)
	if me := who(as(gone), "POST"); *me.Email != gone.Email || me.OrganizationID != nil {
		t.Errorf("a person in no organization is %+v", me)
	}
	execute(t, deleteAccount, gone.ID)
	as(gone).rpc(t, "whoami", args{}).want(t, 401, "BBL_UNAUTHENTICATED")
}
