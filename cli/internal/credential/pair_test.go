package credential_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/babelon/babelon/cli/internal/credential"
)

func TestA_malformed_half_is_explained_without_its_value(t *testing.T) {
	const digits = "0123456789abcdef"
	tests := map[string]struct {
		check func(string) error
		text  string
		want  string // a part of the error; empty for none
	}{
		"a client ID":                  {credential.CheckClientID, "bbl_cid_" + digits, ""},
		"an API token":                 {credential.CheckSecret, "bbl_tok_" + digits + digits, ""},
		"empty":                        {credential.CheckClientID, "", "bbl_cid_ followed by 16"},
		"wrong prefix":                 {credential.CheckClientID, "bbl_sec_" + digits, "bbl_cid_ followed by 16"},
		"15 digits":                    {credential.CheckClientID, "bbl_cid_" + digits[1:], "followed by 16"},
		"17 digits":                    {credential.CheckClientID, "bbl_cid_" + digits + "0", "followed by 16"},
		"31 digits":                    {credential.CheckSecret, "bbl_tok_" + digits + digits[1:], "followed by 32"},
		"33 digits":                    {credential.CheckSecret, "bbl_tok_" + digits + digits + "0", "followed by 32"},
		"upper case":                   {credential.CheckClientID, "bbl_cid_0123456789ABCDEF", "lowercase"},
		"a stranger among the digits":  {credential.CheckClientID, "bbl_cid_01234567x9abcdef", "hexadecimal"},
		"full-width digits":            {credential.CheckClientID, "bbl_cid_" + strings.Repeat("１", 16), "hexadecimal"},
		"swapped, as client ID":        {credential.CheckClientID, "bbl_tok_" + digits + digits, "swapped"},
		"swapped, as token":            {credential.CheckSecret, "bbl_cid_" + digits, "swapped"},
		"the sample client ID":         {credential.CheckClientID, "bbl_cid_a1b2c3d4e5f6g7h8", "the sample value"},
		"the sample, shortened":        {credential.CheckClientID, "bbl_cid_a1b2c3d4e5f6g7h8…", "the sample value"},
		"the sample token":             {credential.CheckSecret, "bbl_tok_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6", "the sample value"},
		"any value that is shortened":  {credential.CheckSecret, "bbl_tok_0123...", "the sample value"},
		"a sample that is nothing yet": {credential.CheckSecret, "bbl_tok_…", "the sample value"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.check(test.text)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want an error with %q", err, test.want)
			case err != nil && len(test.text) > len("bbl_tok_…") && strings.Contains(err.Error(), test.text):
				t.Errorf("the error quotes the value: %v", err)
			}
		})
	}
}

func FuzzOnly_well_formed_pairs_pass(f *testing.F) {
	f.Add("bbl_cid_0123456789abcdef")
	f.Add("bbl_tok_0123456789abcdef0123456789abcdef")
	f.Add("bbl_cid_a1b2c3d4e5f6g7h8…")
	clientID, secret := regexp.MustCompile(`\Abbl_cid_[0-9a-f]{16}\z`), regexp.MustCompile(`\Abbl_tok_[0-9a-f]{32}\z`)
	f.Fuzz(func(t *testing.T, text string) {
		if got, want := credential.CheckClientID(text) == nil, clientID.MatchString(text); got != want {
			t.Errorf("client ID %q: accepted is %t", text, got)
		}
		if got, want := credential.CheckSecret(text) == nil, secret.MatchString(text); got != want {
			t.Errorf("API token %q: accepted is %t", text, got)
		}
	})
}
