package credential_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/babelon/babelon/cli/internal/credential"
)

func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims)) + ".c2lnbmF0dXJl"
}

func TestA_key_that_must_stay_on_a_server_is_no_publishable_key(t *testing.T) {
	for key, good := range map[string]bool{
		"sb_publishable_abc":             true,
		jwt(`{"role":"anon","iss":"x"}`): true,
		"my-own-gateways-key":            true,
		"sb_secret_abc":                  false,
		token:                            false,
		"bbl_cid_0123456789abcdef":       false,
		jwt(`{"role":"service_role"}`):   false,
		jwt(`{"role":"authenticated"}`):  false,
		jwt(`{}`):                        false,
		"eyJhbGciOiJIUzI1NiJ9":           false,
		"eyJhbGciOiJIUzI1NiJ9.!!.":       false,
		"sb_publishable_your-key":        false,
		"sb_publishable_abc…":            false,
	} {
		err := credential.CheckPublishableKey(key)
		if (err == nil) != good || err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestWhatever_looks_like_a_secret_is_hidden(t *testing.T) {
	const digits = "0123456789abcdef0123456789abcdef"
	for text, want := range map[string]string{ //nolint:gosec // nobody's secrets
		`unknown command "bbl_tok_` + digits + `"`: `unknown command "bbl_tok_[redacted]"`,
		"bbl_tok_" + digits[:20] + "!":             "bbl_tok_[redacted]!",
		"BBL_TOK_" + strings.ToUpper(digits):       "BBL_TOK_[redacted]",
		"token_" + digits + " is no key":           "token_[redacted] is no key",
		"sb_secret_Ab-c_1, too":                    "sb_secret_[redacted], too",
		"Bearer " + jwt(`{"role":"anon"}`) + ".":   "Bearer [redacted].",
		"organization 6f1c2b9e-0f3a-4a52-9f60-2a4f0c6f1a11, token bbl_cid_0123456789abcdef": "organization 6f1c2b9e-0f3a-4a52-9f60-2a4f0c6f1a11, token bbl_cid_0123456789abcdef",
	} {
		if got := credential.Redact(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
