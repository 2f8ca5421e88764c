package organization

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
)

func newCreate(c *connect.Connector) *cobra.Command {
	output := "table"
	cmd := &cobra.Command{
		Use:     "create NAME",
		Short:   "Create an organization",
		Long:    "Creates an organization that you own. For people who have signed in; a token cannot.",
		Example: "  babelon organization create Acme",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return create(cmd.Context(), c, args[0], output) },
	}
	flags.Choice(cmd, &output, "output", "format", "table", "json")
	return cmd
}

func create(ctx context.Context, c *connect.Connector, name, output string) error {
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return err
	}
	made, err := caller.CreateOrganization(ctx, name)
	if err != nil {
		return err
	}
	if output == "json" {
		return c.IO.JSON(made)
	}
	return table(c, []client.Organization{made})
}
