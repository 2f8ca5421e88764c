package token

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
)

func newList(c *connect.Connector) *cobra.Command {
	var organization string
	output := "table"
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tokens",
		Long: `Lists the tokens of the organization, active ones first, newest first: name, client ID, role, created, last used and
status. Piped, it is tab-separated values in that order, without a header and with RFC 3339 times.`,
		Example: "  babelon token list\n  babelon token list --output json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), c, organization, output) },
	}
	flags.Organization(cmd, &organization)
	flags.Choice(cmd, &output, "output", "format", "table", "json")
	return cmd
}

func list(ctx context.Context, c *connect.Connector, organization, output string) error {
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return err
	}
	if organization, err = caller.Organization(organization); err != nil {
		return err
	}
	tokens, err := caller.Tokens(ctx, organization)
	if err != nil {
		return err
	}
	if output == "json" {
		return c.IO.JSON(tokens)
	}
	if len(tokens) > 0 && tokens[0].UsageAsOf == nil {
		c.IO.Notef("note: this project counts read-write requests only; its operator can switch the usage journal on")
	}
	return table(c, tokens)
}
