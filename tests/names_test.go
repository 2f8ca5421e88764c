package tests

import (
	"strings"
	"testing"
)

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
