package cli_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// jwt returns a JWT of a role. Nobody has signed it.
func jwt(role string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(`{"role":"`+role+`"}`)) + ".c2lnbmF0dXJl"
}

// misplaced returns secrets by their form, each with the part that must not be shown.
func misplaced() map[string]struct{ text, hidden string } {
	digits := strings.TrimPrefix(token, "bbl_tok_")
	return map[string]struct{ text, hidden string }{
		"a token":              {token, digits},
		"a token's digits":     {digits, digits},
		"a secret key":         {"sb_secret_Misplaced", "Misplaced"},
		"a service role's JWT": {jwt("service_role"), jwt("service_role")[len("eyJ"):]},
	}
}

func TestA_secret_where_it_does_not_belong_is_never_echoed(t *testing.T) {
	const secret = "SECRET"
	home, p := t.TempDir(), newProject(t)
	signIn(t, home, p)
	for name, form := range misplaced() {
		t.Run(name, func(t *testing.T) {
			check := func(environment string, arguments ...string) {
				t.Helper()
				for i := range arguments {
					arguments[i] = strings.ReplaceAll(arguments[i], secret, form.text)
				}
				cmd := babelon(t, home, p, arguments...)
				cmd.Env = append(cmd.Env, strings.ReplaceAll(environment, secret, form.text))
				out, err := cmd.CombinedOutput()
				if err == nil && arguments[0] != "help" || strings.Contains(string(out), form.hidden) {
					t.Errorf("%s babelon %q: %v\n%s", environment, arguments, err, out)
				}
			}
			for _, arguments := range []string{
				"SECRET", "token SECRET", "help SECRET", "completion SECRET", "--SECRET", "-SECRET", "whoami SECRET",
				"token list --output SECRET", "token list --as SECRET", "token list --organization SECRET", "token revoke SECRET",
				"organization rename SECRET x", "organization delete SECRET --yes", "member set SECRET boss", "member set a@example.com SECRET",
				"member set SECRET admin", "member remove SECRET --yes", "login SECRET --password-stdin",
				"rpc SECRET", "rpc f --schema SECRET", "rpc f --data SECRET", "rpc f --data @SECRET",
				"whoami --config SECRET", "whoami --url SECRET", "whoami --url https://SECRET@example.com", "whoami --timeout SECRET",
				"settings --listen SECRET", "settings --listen SECRET:80", "settings --public-url https://example.com/SECRET",
				"init --url https://example.com --publishable-key SECRET", "init --url https://example.com --tenant-id SECRET",
				"init --url https://example.com --client-id SECRET", "init --url SECRET", "init --url https://example.com --config SECRET/x",
			} {
				if form.text == token[len("bbl_tok_"):] && strings.Contains(arguments, "--publishable-key") {
					continue // it may be some gateway's key
				}
				check("", strings.Fields(arguments)...)
			}
			for _, variable := range []string{"CONFIG", "SUPABASE_URL", "CLIENT_ID", "TENANT_ID"} {
				check("BABELON_"+variable+"=SECRET", "whoami")
			}
			for i, line := range []string{"%s = 'x'", "'%s' = 'x'", "supabase_url = '%s'", "client_id = '%s'", "tenant_id = '%s'", "x = %s", "[%s]", "%s"} {
				path := filepath.Join(home, fmt.Sprint(i, ".toml"))
				if err := os.WriteFile(path, []byte(fmt.Sprintf(line, form.text)), 0o600); err != nil {
					t.Fatal(err)
				}
				check("BABELON_SUPABASE_URL=", "whoami", "--config", path)
			}
			term := run(t, babelon(t, home, p, "login", form.text))
			term.sees("[redacted]:")
			term.types("\x03")
			if _, screen := term.ends(); strings.Contains(screen, form.hidden) {
				t.Errorf("the prompt shows it: %s", screen)
			}
		})
	}
}

func TestA_key_that_must_stay_on_a_server_is_refused_wherever_the_publishable_key_is_read(t *testing.T) {
	home, p := t.TempDir(), newProject(t)
	signIn(t, home, p)
	for _, key := range []string{jwt("service_role"), jwt("authenticated"), "sb_secret_Misplaced"} {
		path := filepath.Join(home, "key.toml")
		content := fmt.Sprintf("supabase_url = %q\npublishable_key = %q\n", p.URL, key)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, arguments := range []string{
			"token generate ci --output env", "token generate ci --output toml", "token generate ci --output json",
			"whoami", "login ada@example.com --password-stdin", "settings --no-browser", "rpc f",
		} {
			inVariable := babelon(t, home, p, strings.Fields(arguments)...)
			inVariable.Env = append(inVariable.Env, "BABELON_PUBLISHABLE_KEY="+key)
			inFile := babelon(t, home, p, append(strings.Fields(arguments), "--config", path)...)
			for where, cmd := range map[string]interface{ CombinedOutput() ([]byte, error) }{"BABELON_PUBLISHABLE_KEY": inVariable, path + ":2: publishable_key": inFile} {
				out, err := cmd.CombinedOutput()
				if exitCode(err) != 2 || !strings.HasPrefix(string(out), "error: "+where+" holds a ") || strings.Contains(string(out), key) {
					t.Errorf("%s, %s: %v\n%s", where, arguments, err, out)
				}
			}
		}
	}
	generate := babelon(t, home, p, "token", "generate", "ci", "--output", "env")
	generate.Env = append(generate.Env, "BABELON_PUBLISHABLE_KEY="+jwt("anon"))
	if out, err := generate.CombinedOutput(); err != nil || !strings.Contains(string(out), "BABELON_PUBLISHABLE_KEY="+jwt("anon")) {
		t.Errorf("a JWT of the role anon: %v\n%s", err, out)
	}
}
