package credential

import (
	"fmt"
	"log/slog"
	"strings"
)

// A Secret is text that shows itself only to Reveal: printed, logged or marshalled it is redacted.
type Secret struct {
	// A function, because fmt prints unexported fields without asking their methods.
	reveal func() string
}

// NewSecret wraps text.
func NewSecret(text string) Secret {
	return Secret{func() string { return text }}
}

// Reveal returns the text; every place where a secret leaves the program calls it.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// String returns the redacted form.
func (s Secret) String() string {
	if strings.HasPrefix(s.Reveal(), secretPrefix) {
		return secretPrefix + "[redacted]"
	}
	return "[redacted]"
}

// GoString returns the redacted form.
func (s Secret) GoString() string { return s.String() }

// Format writes the redacted form, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue returns the redacted form.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the redacted form; encoding/json uses it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText makes a secret of text; encoding/json uses it too.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// Scrub replaces every occurrence of the secret in text by its redacted form.
func (s Secret) Scrub(text string) string {
	if s.Reveal() == "" {
		return text
	}
	return strings.ReplaceAll(text, s.Reveal(), s.String())
}
