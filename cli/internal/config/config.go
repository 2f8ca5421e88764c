// Package config finds out which project to talk to and with which token pair.
//
// A flag wins over the environment, and the environment over the file: the one that --config or
// BABELON_CONFIG names, or else the nearest .babelon.toml upward from the working directory. The pair
// always comes from one place; the other values may come from different ones.
//
// No error of this package quotes a value, because any of them may be a secret in the wrong place.
package config

import (
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// The environment variables.
const (
	EnvFile           = "BABELON_CONFIG"
	EnvURL            = "BABELON_SUPABASE_URL"
	EnvPublishableKey = "BABELON_PUBLISHABLE_KEY"
	EnvTenantID       = "BABELON_TENANT_ID"
	EnvClientID       = "BABELON_CLIENT_ID"
	EnvAPIToken       = "BABELON_API_TOKEN" //nolint:gosec // a name, not a credential
)

// Config is what a command works with; every value in it is well-formed.
type Config struct {
	URL            string           // of the project, without a trailing slash
	PublishableKey string           // "" where the gateway asks for none
	KeySource      string           // where PublishableKey comes from, for messages
	TenantID       string           // the organization that is meant; "" for the pair's own
	Pair           *credential.Pair // nil when there is none
	PairSource     string           // where Pair comes from, for messages
	Warnings       []string         // what is unwise about the file
}

// Source is where values are looked for.
type Source struct {
	File   string              // --config
	URL    string              // --url
	Getenv func(string) string // the environment
	Dir    string              // the working directory
}

// A value is text and where it comes from, such as "BABELON_CLIENT_ID" or "client_id in .babelon.toml:3".
type value struct {
	text, from string
}

// Load returns the configuration. Its errors are of kind fault.Usage and name the file and the key.
func Load(s Source) (*Config, error) {
	file, err := s.readFile()
	if err != nil {
		return nil, err
	}
	return load(s, file)
}

func load(s Source, file *file) (c *Config, err error) {
	pick := func(env, key string) value {
		if s.Getenv(env) != "" {
			return value{s.Getenv(env), env}
		}
		return file.value(key)
	}
	project, key, tenant := pick(EnvURL, keyURL), pick(EnvPublishableKey, keyPublishableKey), pick(EnvTenantID, keyTenantID)
	if s.URL != "" {
		project = value{s.URL, "--url"}
	}

	c = &Config{PublishableKey: key.text, KeySource: key.from, Warnings: file.warnings()}
	if c.URL, err = checkURL(project); err != nil {
		return nil, err
	}
	if err = checkPublishableKey(key); err != nil {
		return nil, err
	}
	if c.TenantID, err = checkTenantID(tenant); err != nil {
		return nil, err
	}
	c.Pair, c.PairSource, err = s.pair(file)
	return c, err
}

// pair returns the token pair of the environment, or else of the file, or nil.
func (s Source) pair(file *file) (*credential.Pair, string, error) {
	id, secret := value{s.Getenv(EnvClientID), EnvClientID}, value{s.Getenv(EnvAPIToken), EnvAPIToken}
	from := "the environment"
	if id.text == "" && secret.text == "" {
		id, secret, from = file.value(keyClientID), file.value(keyAPIToken), file.name
	}
	if id.text == "" && secret.text == "" {
		return nil, "", nil
	}
	if id.text == "" {
		return nil, "", half(secret, id, file.value(keyClientID))
	}
	if secret.text == "" {
		return nil, "", half(id, secret, file.value(keyAPIToken))
	}
	if err := checkWith(id, credential.CheckClientID); err != nil {
		return nil, "", err
	}
	if err := checkWith(secret, credential.CheckSecret); err != nil {
		return nil, "", err
	}
	return &credential.Pair{ClientID: id.text, Secret: credential.NewSecret(secret.text)}, from, nil
}

// half explains a pair of which one half is missing where the other one is; elsewhere is the file's.
func half(have, lack, elsewhere value) error {
	if elsewhere.text != "" {
		return fault.Usagef("Put both in the environment, or both in the file.",
			"the token pair is split over two places: %s and %s", have.from, elsewhere.from)
	}
	return fault.Usagef("A token pair is a client ID and an API token; give both.",
		"half a token pair: there is %s, but %s is missing", have.from, lack.from)
}

func checkWith(v value, check func(string) error) error {
	if err := checkText(v); err != nil {
		return err
	}
	if err := check(v.text); err != nil {
		return fault.Usagef("", "%s %w", v.from, err)
	}
	return nil
}

// checkText refuses what no value has, and what a shell or an editor leaves behind.
func checkText(v value) error {
	switch {
	case v.text != strings.TrimSpace(v.text):
		return fault.Usagef("", "%s begins or ends with a blank or a newline", v.from)
	case strings.ContainsFunc(v.text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fault.Usagef("", "%s contains a control character", v.from)
	}
	return nil
}

func checkURL(v value) (string, error) {
	if v.text == "" {
		return "", fault.Usagef("Set it there (`babelon init` writes the file), or "+EnvURL+".",
			"no Supabase project is configured: there is no %s", v.from)
	}
	if err := checkText(v); err != nil {
		return "", err
	}
	u, err := url.Parse(v.text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", fault.Usagef("It looks like https://abcdefghijklmnopqrst.supabase.co.", "%s is not a URL", v.from)
	case strings.HasPrefix(u.Hostname(), "your-project"):
		return "", fault.Usagef("Project Settings > Data API shows the URL.", "%s %w", v.from, credential.ErrSample)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fault.Usagef("", "%s must have no user, query or fragment", v.from)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", fault.Usagef("Use https://; nothing was sent.", "%s would send credentials unencrypted", v.from)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func checkPublishableKey(v value) error {
	if err := checkText(v); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(v.text, "sb_secret_"):
		return fault.Usagef("Use the publishable key: the secret key can do everything in the project.", "%s holds a secret key", v.from)
	case strings.HasPrefix(v.text, "bbl_"):
		return fault.Usagef("Project Settings > API Keys shows the publishable key.", "%s holds a part of a token pair", v.from)
	case strings.HasSuffix(v.text, "…") || strings.HasSuffix(v.text, "..."):
		return fault.Usagef("Project Settings > API Keys shows the publishable key.", "%s %w", v.from, credential.ErrSample)
	}
	return nil
}

var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// IsUUID reports whether text is a UUID in its usual form.
func IsUUID(text string) bool { return uuidPattern.MatchString(text) }

func checkTenantID(v value) (string, error) {
	if err := checkText(v); err != nil {
		return "", err
	}
	switch {
	case v.text == "":
		return "", nil
	case strings.HasPrefix(v.text, "your-tenant"):
		return "", fault.Usagef("`babelon organization list` shows the organizations' ids; or leave it out.", "%s %w", v.from, credential.ErrSample)
	case !IsUUID(v.text):
		return "", fault.Usagef("`babelon organization list` shows the organizations' ids.", "%s is not a UUID", v.from)
	}
	return strings.ToLower(v.text), nil
}
