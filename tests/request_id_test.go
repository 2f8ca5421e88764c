package tests

import (
	"sync"
	"testing"
)

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
