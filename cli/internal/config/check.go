package config

import (
	"errors"
	"net"
	"net/url"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/babelon/babelon/cli/internal/credential"
)

// ErrInsecureHTTP is what Check returns for a URL that sends secrets through a network in the clear. A Source may allow it.
var ErrInsecureHTTP = errors.New("uses http:// for another host than this one; only https:// keeps a secret on its way")

// Check returns nil if text is a good value for key. Its errors continue a sentence that begins with the key, and never
// quote the text.
func Check(key Key, text string) error {
	if text != strings.TrimSpace(text) {
		return errors.New("has white space or a line break around it")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return errors.New("has white space or an unprintable character in it")
	}
	switch key {
	case SupabaseURL:
		return checkURL(text)
	case PublishableKey:
		return credential.CheckPublishableKey(text)
	case ClientID:
		return credential.CheckClientID(text)
	case APIToken:
		return credential.CheckSecret(text)
	case TenantID:
		return checkTenantID(text)
	}
	return errors.New("is not a known key")
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return errors.New("should look like https://abcdefghijklmnopqrst.supabase.co")
	case strings.HasPrefix(u.Host, "your-project."):
		return credential.ErrSample
	case u.Hostname() == "supabase.com" || strings.HasSuffix(u.Hostname(), ".supabase.com"):
		return errors.New("is a page of the dashboard; the project's URL looks like https://abcdefghijklmnopqrst.supabase.co")
	case strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/v1"):
		return errors.New("has a path of the API; leave out what comes after the host")
	case u.User != nil:
		return errors.New("has a user name or password in it")
	case strings.ContainsAny(text, "?#"):
		return errors.New("has a query or fragment in it")
	case u.Path != u.EscapedPath(), strings.Contains(u.Path, "//"), strings.Contains(u.Path, "/."):
		return errors.New("has an unusual path")
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return ErrInsecureHTTP
	}
	return nil
}

// IsLoopback reports whether the host is this machine, by a name that nobody can point elsewhere.
func IsLoopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

func checkTenantID(text string) error {
	if text == "your-tenant-uuid" {
		return credential.ErrSample
	}
	if !IsUUID(text) {
		return errors.New("should be the organization's UUID")
	}
	return nil
}

// IsUUID reports whether text is a UUID in its usual form.
func IsUUID(text string) bool {
	return len(text) == len(uuid.Nil.String()) && uuid.Validate(text) == nil
}
