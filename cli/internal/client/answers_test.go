package client_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/fault"
)

const aTokenRow = `{"client_id":"` + clientID + `","organization_id":"` + tenant + `","name":"ci","role":"member","state":"active",
	"created_at":"2026-11-24T18:12:14.123456+00:00"}`

func TestAn_answer_that_Babelon_does_not_give_is_unavailable(t *testing.T) {
	calls := map[string]struct {
		call func(context.Context, *client.Client) error
		good string
		bad  []string // what is replaced in the good one, in turns, by null
	}{
		"whoami of a token": {func(ctx context.Context, c *client.Client) error { _, err := c.Whoami(ctx); return err },
			aToken, []string{`"token"`, `"` + clientID + `"`}},
		"whoami of a user": {func(ctx context.Context, c *client.Client) error { _, err := c.Whoami(ctx); return err },
			aUser, []string{`"user"`, `"` + requestID + `"`}},
		"create an organization": {func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateOrganization(ctx, "Acme")
			return err
		},
			`{"id":"` + tenant + `","name":"Acme","role":"owner"}`,
			[]string{`"` + tenant + `"`}},
		"set a member": {func(ctx context.Context, c *client.Client) error {
			_, err := c.SetMember(ctx, "", "ada@example.com", "admin")
			return err
		}, aMember, []string{`"` + tenant + `"`, `"` + requestID + `"`, `"admin"`}},
		"generate": {func(ctx context.Context, c *client.Client) error {
			_, err := c.GenerateToken(ctx, "", "ci", "member", requestID)
			return err
		}, aPair, []string{`"` + clientID + `"`, `"` + tenant + `"`, `"member"`, `"bbl_tok_ffffffffffffffffffffffffffffffff"`, `"2026-11-24T18:12:14.123456+00:00"`}},
		"revoke": {func(ctx context.Context, c *client.Client) error { _, err := c.RevokeToken(ctx, clientID); return err },
			aTokenRow, []string{`"` + clientID + `"`, `"` + tenant + `"`, `"member"`, `"active"`, `"2026-11-24T18:12:14.123456+00:00"`}},
	}
	for name, test := range calls {
		t.Run(name, func(t *testing.T) {
			give := func(body string) error {
				return test.call(t.Context(), serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, body) }))
			}
			if err := give(test.good); err != nil {
				t.Fatalf("the good answer: %v", err)
			}
			bad := []string{"null", "{}", "[]", `"x"`, "[" + test.good + "]"}
			for _, value := range test.bad {
				// A line break would be a second line in a file or a shell.
				bad = append(bad, strings.ReplaceAll(test.good, value, "null"), strings.ReplaceAll(test.good, value, value[:len(value)-1]+`\nX=1"`))
			}
			for _, body := range bad {
				err := give(body)
				if strings.Contains(body, `member\n`) || strings.Contains(body, `admin\n`) || strings.Contains(body, `active\n`) {
					continue // a role or state of a later version
				}
				if f := failure(t, err); f.Kind != fault.Unavailable || !f.Uncertain || strings.Contains(f.Error(), "X=1") {
					t.Errorf("%s: got %#v", body, f)
				}
			}
		})
	}
}

func TestA_backend_is_a_caller_without_an_identity(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, `{"kind":"service"}`) })
	if me, err := c.Whoami(t.Context()); err != nil || me.Kind != "service" {
		t.Errorf("got %v, %v", me, err)
	}
}
