package member

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
)

type listOptions struct{ organization, output string }

func newList(c *connect.Connector) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List members",
		Long:    "Lists the members of the organization. Without one named or configured, it lists those of all your organizations.",
		Example: "  babelon member list",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), c, o) },
	}
	flags.Organization(cmd, &o.organization)
	flags.Output(cmd, &o.output)
	return cmd
}

func list(ctx context.Context, c *connect.Connector, o listOptions) error {
	caller, organization, err := c.In(ctx, o.organization)
	if err != nil {
		return err
	}
	members, err := caller.Members(ctx, organization)
	if err != nil {
		return err
	}
	return c.IO.Write(o.output, result(members, members...))
}
