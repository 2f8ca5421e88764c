package organization

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
)

func newList(c *connect.Connector) *cobra.Command {
	output := "table"
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List your organizations",
		Long:    "Lists the organizations that you, or the token, belong to, with the role there.",
		Example: "  babelon organization list",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), c, output) },
	}
	flags.Choice(cmd, &output, "output", "format", "table", "json")
	return cmd
}

func list(ctx context.Context, c *connect.Connector, output string) error {
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return err
	}
	organizations, err := caller.Organizations(ctx)
	if err != nil {
		return err
	}
	if output == "json" {
		return c.IO.JSON(organizations)
	}
	return table(c, organizations)
}

func table(c *connect.Connector, organizations []client.Organization) error {
	rows := make([][]string, len(organizations))
	for i, o := range organizations {
		rows[i] = []string{o.Name, o.ID, *cmp.Or(o.Role, new(string)), c.IO.Time(&o.CreatedAt)}
	}
	return c.IO.Table([]string{"NAME", "ID", "YOUR ROLE", "CREATED"}, rows)
}
