package credential_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/babelon/babelon/cli/internal/credential"
)

const token = "bbl_tok_0123456789abcdef0123456789abcdef"

func TestA_secret_shows_itself_only_when_revealed(t *testing.T) {
	secret := credential.NewSecret(token)
	type holder struct {
		Exported   credential.Secret
		unexported credential.Secret
	}
	held := holder{secret, secret}
	shown := map[string]string{"String": secret.String(), "GoString": secret.GoString()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.50s"} {
		shown["fmt "+verb] = fmt.Sprintf(verb, secret)
		shown["fmt of a struct "+verb] = fmt.Sprintf(verb, held)
		shown["fmt of a pointer "+verb] = fmt.Sprintf(verb, &held)
		shown["fmt of a slice "+verb] = fmt.Sprintf(verb, []credential.Secret{secret})
	}
	marshalled, err := json.Marshal(map[string]any{"secret": secret, "held": held})
	if err != nil {
		t.Fatal(err)
	}
	shown["JSON"] = string(marshalled)
	for name, handler := range map[string]func(*strings.Builder) slog.Handler{
		"log as text": func(w *strings.Builder) slog.Handler { return slog.NewTextHandler(w, nil) },
		"log as JSON": func(w *strings.Builder) slog.Handler { return slog.NewJSONHandler(w, nil) },
	} {
		var log strings.Builder
		slog.New(handler(&log)).Info("made", "secret", secret, "held", held)
		shown[name] = log.String()
	}
	hexadecimal := fmt.Sprintf("%x", token)
	for where, text := range shown {
		if lower := strings.ToLower(text); strings.Contains(text, token) || strings.Contains(lower, hexadecimal) {
			t.Errorf("%s shows it: %s", where, text)
		}
	}
	if secret.Reveal() != token {
		t.Errorf("Reveal returns %q", secret.Reveal())
	}
}

func TestA_secret_names_its_kind_when_redacted(t *testing.T) {
	if got := credential.NewSecret(token).String(); got != "bbl_tok_[redacted]" {
		t.Errorf("a token shows as %q", got)
	}
	if got := credential.NewSecret("hunter2").String(); got != "[redacted]" {
		t.Errorf("a password shows as %q", got)
	}
}

func TestA_secret_is_scrubbed_from_text(t *testing.T) {
	got := credential.NewSecret(token).Scrub("you sent " + token + ", yes " + token)
	if want := "you sent bbl_tok_[redacted], yes bbl_tok_[redacted]"; got != want {
		t.Errorf("got %q", got)
	}
	if got := (credential.Secret{}).Scrub("nothing to hide"); got != "nothing to hide" {
		t.Errorf("the zero secret changes text to %q", got)
	}
}
