package member

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
		Use:     "list",
		Short:   "List members",
		Long:    "Lists the members of the organization; without one named or configured, of all of yours.",
		Example: "  babelon member list",
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
	members, err := caller.Members(ctx, organization)
	if err != nil {
		return err
	}
	if output == "json" {
		return c.IO.JSON(members)
	}
	return table(c, members)
}
