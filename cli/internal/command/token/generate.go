package token

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/connect"
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
others can read is warned about.`,
		Example: `  babelon token generate "CI/CD Pipeline"
  (umask 077; babelon token generate laptop --role viewer --output toml > laptop.toml)
  babelon token generate deploy >> "$GITHUB_ENV"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return generate(cmd.Context(), c, o)
		},
	}
	flags.Choice(cmd, &o.role, "role", "what it may do", "viewer", "member", "admin")
	flags.Choice(cmd, &o.output, "output", "format (default table on a terminal, else env)", "table", "env", "toml", "json")
	flags.Organization(cmd, &o.organization)
	return cmd
}

func generate(ctx context.Context, c *connect.Connector, o generateOptions) error {
	caller, organization, err := c.In(ctx, o.organization)
	if err != nil {
		return err
	}
	made, err := caller.GenerateToken(ctx, organization, o.name, o.role, uuid.NewString())
	var f *fault.Error
	if errors.As(err, &f) && (f.Kind == fault.Unavailable || f.Kind == fault.Interrupted) {
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
		Rows:   [][]string{{made.Name, made.ClientID, secret, made.Role}},
		Text:   map[string]string{"env": values.Env(), "toml": string(file)},
		Secret: true,
	}, err
}
