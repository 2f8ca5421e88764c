package config

import (
	"fmt"
	"strings"

	"github.com/babelon/babelon/cli/internal/credential"
)

// Values are what somebody can put into a file or an environment. Empty ones are left out.
type Values struct {
	URL            string
	PublishableKey string
	ClientID       string
	APIToken       credential.Secret
	TenantID       string
}

// TOML returns the file with the values, which pass the same checks as when it is read.
func (v Values) TOML() ([]byte, error) {
	f := &file{name: FileName, values: map[string]string{}}
	var content strings.Builder
	for _, line := range []struct{ key, text string }{
		{keyURL, v.URL}, {keyPublishableKey, v.PublishableKey},
		{keyClientID, v.ClientID}, {keyAPIToken, v.APIToken.Reveal()}, {keyTenantID, v.TenantID},
	} {
		if line.text != "" {
			f.values[line.key] = line.text
			fmt.Fprintf(&content, "%s = %q\n", line.key, line.text)
		}
	}
	_, err := load(Source{Getenv: func(string) string { return "" }}, f)
	return []byte(content.String()), err
}

// Env returns the values as KEY=value lines. None of them needs quoting.
func (v Values) Env() string {
	var lines strings.Builder
	for _, line := range []struct{ name, text string }{
		{EnvURL, v.URL}, {EnvPublishableKey, v.PublishableKey},
		{EnvClientID, v.ClientID}, {EnvAPIToken, v.APIToken.Reveal()}, {EnvTenantID, v.TenantID},
	} {
		if line.text != "" {
			fmt.Fprintf(&lines, "%s=%s\n", line.name, line.text)
		}
	}
	return lines.String()
}
