package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/babelon/babelon/cli/internal/fault"
)

func TestEvery_hint_of_Babelons_is_in_the_words_of_the_command_line(t *testing.T) {
	files, err := filepath.Glob("../../../sql/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	raised := regexp.MustCompile(`(?s)raise_error\('(BBL_\w+)',\s*(?:'(?:[^']|'')*'|format\([^)]*\)),\s*'((?:[^']|'')*)'\)`)
	foreign := regexp.MustCompile(`X-[A-Z]|Authorization|JWT of that|create_organization|request_id|user_id|[Ss]ign in|\bview\b|aal2`)
	seen := map[string]bool{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range raised.FindAllStringSubmatch(string(source), -1) {
			f := &fault.Error{Code: match[1], Hint: strings.ReplaceAll(match[2], "''", "'")}
			seen[f.Code] = true
			if said := hint(f); foreign.MatchString(said) {
				t.Errorf("%s: %s", f.Code, said)
			}
		}
	}
	for _, code := range []string{"BBL_INVALID_TOKEN", "BBL_TOKEN_REVOKED", "BBL_TENANT_MISMATCH", "BBL_UNAUTHENTICATED", "BBL_SESSION_ENDED", "BBL_MFA_REQUIRED", "BBL_CONFLICT"} {
		if !seen[code] {
			t.Errorf("no hint of %s was found", code)
		}
	}
}

func TestA_hint_of_the_projects_own_functions_is_left_alone(t *testing.T) {
	if said := hint(&fault.Error{Code: "P0001", Hint: "Send X-Client-Id. Sign in."}); said != "Send X-Client-Id. Sign in." {
		t.Errorf("got %s", said)
	}
}
