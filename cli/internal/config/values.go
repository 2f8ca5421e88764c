package config

import (
	"fmt"
	"strings"

	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// Values are settings to be written to a file or an environment. Empty ones are left out.
type Values struct {
	URL            string
	PublishableKey string
	ClientID       string
	APIToken       credential.Secret
	TenantID       string
}

// TOML returns a complete file with the values in the clear. It returns an error of kind fault.Usage if the file could
// not be read back.
func (v Values) TOML() ([]byte, error) {
	given := settings{}
	var text strings.Builder
	text.WriteString("# Holds a secret when it has an api_token: never commit it.\n")
	for key, value := range v.all() {
		given[key] = setting{text: value, where: string(key)}
		fmt.Fprintf(&text, "%-15s = %q\n", key, value)
	}
	if given[SupabaseURL].text == "" {
		return nil, fault.Usagef("", "supabase_url is missing")
	}
	anyHTTP := Source{InsecureHTTP: true}.Check // the address was allowed before it got here
	if err := given.check(anyHTTP); err != nil {
		return nil, err
	}
	return []byte(text.String()), nil
}

// Env returns the values in the clear as KEY=value lines, for shells, .env files and $GITHUB_ENV. A checked value needs
// no quotes.
func (v Values) Env() string {
	var text strings.Builder
	for key, value := range v.all() {
		fmt.Fprintf(&text, "%s=%s\n", key.Variable(), value)
	}
	return text.String()
}

// all yields the values that are not empty, in the order of keys.
func (v Values) all() func(yield func(Key, string) bool) {
	values := map[Key]string{
		SupabaseURL:    v.URL,
		PublishableKey: v.PublishableKey,
		ClientID:       v.ClientID,
		APIToken:       v.APIToken.Reveal(),
		TenantID:       v.TenantID,
	}
	return func(yield func(Key, string) bool) {
		for _, key := range keys() {
			if values[key] != "" && !yield(key, values[key]) {
				return
			}
		}
	}
}
