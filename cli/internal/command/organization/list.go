package organization

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
)

type listOptions struct{ output string }

func newList(c *connect.Connector) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List your organizations",
		Long:    "Lists the organizations that you, or the token, belong to, with the role in each.",
		Example: "  babelon organization list",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), c, o) },
	}
	flags.Output(cmd, &o.output)
	return cmd
}

func list(ctx context.Context, c *connect.Connector, o listOptions) error {
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return err
	}
	organizations, err := caller.Organizations(ctx)
	if err != nil {
		return err
	}
	return c.IO.Write(o.output, result(organizations, organizations...))
}
