package token

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
	"github.com/babelon/babelon/cli/internal/term"
)

type generateOptions struct {
	name, role, organization, output string
}

func newGenerate(c *connect.Connector) *cobra.Command {
	o := generateOptions{role: "member"}
	cmd := &cobra.Command{
		Use:     "generate NAME",
		Aliases: []string{"create"},
		Short:   "Generate a token",
		Long: `Generates a token pair and prints it this once: the secret cannot be shown again. On a terminal it is a table. In a
pipe it is bare KEY=value lines, as a shell, an .env file or $GITHUB_ENV takes them. toml is a whole .babelon.toml;
send it to another name first, because the shell empties a file before babelon reads its settings there. A file that
others can read is warned about.

A CI job gets its pair from the secrets of its project, where logs mask it: the examples put it there. Inside a GitHub
Actions job babelon has the runner mask a new secret before it prints it. GitLab cannot mask a secret that a job makes:
generate it elsewhere.`,
		Example: `  babelon token generate "CI/CD Pipeline"
  (umask 077; babelon token generate laptop --role viewer --output toml > laptop.toml)

  # GitHub Actions: every line becomes a secret of the repository
  babelon token generate deploy | gh secret set --env-file -

  # GitLab: a masked variable; BABELON_CLIENT_ID and the others need no mask
  (umask 077; babelon token generate deploy > deploy.env)
  sed -n s/^BABELON_API_TOKEN=//p deploy.env | glab variable set BABELON_API_TOKEN --masked`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return generate(cmd.Context(), c, o)
		},
	}
	flags.Choice(cmd, cmd.Flags(), &o.role, "role", "what it may do", "viewer", "member", "admin")
	flags.Choice(cmd, cmd.Flags(), &o.output, "output", "format (default table on a terminal, else env)", "table", "env", "toml", "json")
	flags.Organization(cmd, &o.organization)
	return cmd
}

func generate(ctx context.Context, c *connect.Connector, o generateOptions) error {
	caller, organization, err := c.In(ctx, o.organization)
	if err != nil {
		return err
	}
	if err := c.IO.KeepsSecrets(); err != nil {
		return err
	}
	made, err := caller.GenerateToken(ctx, organization, o.name, o.role, uuid.NewString())
	var f *fault.Error
	if errors.As(err, &f) && f.Uncertain {
		f.Hint = "It may have been generated all the same: if `babelon token list` shows it, revoke it."
	}
	if err != nil {
		return err
	}
	if o.output == "" {
		o.output = "env"
		if c.IO.IsTerminal {
			o.output = "table"
		}
	}
	mask(c, made.APIToken)
	result, err := pair(made, caller.Config)
	if err == nil {
		err = c.IO.Write(o.output, result)
	}
	if err != nil {
		return &fault.Error{Kind: fault.Failure, Err: err,
			Message: fmt.Sprintf("token %s was generated, but its secret could not be written and is lost: %v", made.ClientID, err),
			Hint:    "Run `babelon token revoke " + made.ClientID + "`, and generate another."}
	}
	c.IO.Notef("The API token is shown this once and cannot be shown again. Store it now.")
	return nil
}

// mask tells GitHub's runner to hide the secret in this job's log, later steps included. The runner reads commands from
// both output streams of a step; the command would spoil standard output where that goes to $GITHUB_ENV. If standard
// error is a file, the runner does not read it, and the secret must not end up there.
func mask(c *connect.Connector, secret credential.Secret) {
	if c.Source.Getenv("GITHUB_ACTIONS") != "true" {
		return
	}
	if file, ok := c.IO.Err.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			c.IO.Warnf("standard error is a file, so GitHub's runner was not told to mask the API token")
			return
		}
	}
	fmt.Fprintln(c.IO.Err, "::add-mask::"+secret.Reveal())
}

// pair returns the new pair as a result. No other result has a secret in it.
func pair(made client.GeneratedToken, configured *config.Config) (term.Result, error) {
	values := config.Values{
		URL:            configured.URL,
		PublishableKey: configured.PublishableKey,
		ClientID:       made.ClientID,
		APIToken:       made.APIToken,
		TenantID:       made.OrganizationID,
	}
	file, err := values.TOML()
	secret := made.APIToken.Reveal()
	return term.Result{
		Value: map[string]any{
			"client_id": made.ClientID, "api_token": secret, "name": made.Name, "role": made.Role,
			"organization_id": made.OrganizationID, "created_at": made.CreatedAt,
		},
		Header: []string{"NAME", "CLIENT ID", "API TOKEN", "ROLE"},
		Shrink: []string{"NAME"},
		Rows:   [][]string{{made.Name, made.ClientID, secret, made.Role}},
		Text:   map[string]string{"env": values.Env(), "toml": string(file)},
		Secret: true,
	}, err
}
