package credential

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
)

// CheckPublishableKey returns nil if text may be a project's publishable key: anything but a key that must stay on a
// server. Its errors say what is wrong without quoting text.
func CheckPublishableKey(text string) error {
	const (
		publishable = "; the publishable key begins with sb_publishable_, or is the JWT called anon"
		expected    = "which must never leave a server" + publishable
	)
	switch {
	case strings.HasPrefix(text, secretPrefix), strings.HasPrefix(text, clientIDPrefix):
		return errors.New("holds half of a token pair" + publishable)
	case strings.HasPrefix(text, "sb_secret_"):
		return errors.New("holds a secret key, " + expected)
	case strings.HasPrefix(text, "eyJ") && roleOf(text) != "anon":
		return errors.New("holds a JWT of another role than anon, " + expected)
	case strings.HasPrefix(text, "sb_publishable_your-"), strings.HasSuffix(text, "…"):
		return ErrSample
	}
	return nil
}

// roleOf returns the role that a JWT claims, or "".
func roleOf(jwt string) string {
	_, rest, _ := strings.Cut(jwt, ".")
	payload, _, _ := strings.Cut(rest, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(payload)
	var claims struct{ Role string }
	if err != nil || json.Unmarshal(decoded, &claims) != nil {
		return ""
	}
	return claims.Role
}

// Redact hides whatever in text has the form of a secret: an API token, with or without its prefix, a secret key, or a
// JWT. Text that a person typed or a server answered may hold one where none belongs.
func Redact(text string) string {
	forms := regexp.MustCompile(`(?i)(bbl_tok_)[0-9a-z]+|(sb_secret_)[0-9a-z_-]+|()[0-9a-f]{32,}|()eyJ[0-9a-z_-]+\.[0-9a-z_-]+(\.[0-9a-z_-]*)?`)
	return forms.ReplaceAllString(text, "${1}${2}[redacted]")
}
