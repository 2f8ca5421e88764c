package command

import (
	"strings"

	"github.com/babelon/babelon/cli/internal/fault"
)

// hint returns the error's hint in the words of the command line. Babelon's own speak to a programmer, of headers and
// functions; a user of the command line has set variables or keys and runs commands.
func hint(f *fault.Error) string {
	switch {
	case f.Code == "BBL_ORGANIZATION_REQUIRED":
		return "Name one with --organization, or set tenant_id; `babelon organization list` shows the names and IDs."
	case f.Code == "BBL_MFA_REQUIRED":
		return "This version of babelon cannot ask for a second factor: act as an admin's token, or as an admin without one."
	case f.Code == "BBL_SESSION_ENDED":
		return "Run `babelon login`."
	case !strings.HasPrefix(f.Code, "BBL_") && !strings.HasPrefix(f.Code, "PGRST"):
		return f.Hint
	}
	return strings.NewReplacer(
		", without a JWT of that role", "",
		"Send X-Client-Id", "Set BABELON_CLIENT_ID",
		"Send both X-Client-Id", "Set both BABELON_CLIENT_ID",
		"Send either X-Client-Id and X-Api-Token, or a user's or service key's Authorization, not both.",
		"Give babelon the publishable key only, and no other key or JWT.",
		"X-Client-Id", "BABELON_CLIENT_ID",
		"X-Api-Token", "BABELON_API_TOKEN",
		"X-Tenant-Id", "tenant_id (BABELON_TENANT_ID)",
		"Sign in again.", "Run `babelon login`.",
		"Sign in.", "Run `babelon login`.",
		"or sign in", "or run `babelon login`",
		"Create one with create_organization", "Run `babelon organization create`",
		"the view organizations lists them", "`babelon organization list` lists them",
		"Name one by user_id.", "Use the USER ID that `babelon member list` shows.",
		"Send a new request_id.", "Run the command again.",
		"Generate a new one.", "Ask an admin to run `babelon token generate`.",
	).Replace(f.Hint)
}
