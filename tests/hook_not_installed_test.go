package tests

import (
	"testing"
)

func TestWhere_the_hook_is_not_installed_the_functions_verify_pairs_themselves(t *testing.T) {
	catchUp(t)
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

	// What policies ask, and the views, cannot become the token. So they refuse every pair, and never fall back to who else it is.
	for name, headers := range map[string]caller{
		"the right pair": token.caller(), "a wrong pair": wrong.caller(),
		"half a pair": {"X-Client-Id": token.ClientID}, "the other half": {"X-Api-Token": token.APIToken}, "an empty pair": {"X-Client-Id": "", "X-Api-Token": ""},
	} {
		for who, identity := range map[string]caller{"nobody": anonymous, "a person": person("owner"), "the service": service()} {
			both := headers
			for header, value := range identity {
				both = both.with(header, value)
			}
			for _, path := range []string{"rpc/tenant_ids", "rpc/tenant_ids?minimum_role=owner", "rpc/tenant_id", "organizations", "members", "members?select=user_id,email"} {
				got := both.send(t, "GET", path, "babelon", nil)
				if got.status != 401 || got.code() != "BBL_UNAUTHENTICATED" && (who != "nobody" || got.code() != "42501") {
					t.Errorf("%s beside %s, %s: got %d %s", name, who, path, got.status, got.body)
				}
			}
			if who == "a person" {
				both.get(t, "deployments").want(t, 401, "BBL_UNAUTHENTICATED") // by the table's policies
			}
		}
	}
}
