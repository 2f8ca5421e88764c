package organization

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
)

type renameOptions struct{ organization, name, output string }

func newRename(c *connect.Connector) *cobra.Command {
	var o renameOptions
	cmd := &cobra.Command{
		Use:     "rename NAME|ID NEW_NAME",
		Short:   "Rename an organization",
		Long:    "Gives an organization another name. Its ID, members and tokens stay. Admins can do this; a token cannot.",
		Example: "  babelon organization rename Acme 'Acme Ltd.'",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.organization, o.name = args[0], args[1]
			return rename(cmd.Context(), c, o)
		},
	}
	flags.Output(cmd, &o.output)
	return cmd
}

func rename(ctx context.Context, c *connect.Connector, o renameOptions) error {
	caller, id, err := c.In(ctx, o.organization)
	if err != nil {
		return err
	}
	renamed, err := caller.RenameOrganization(ctx, id, o.name)
	if err != nil {
		return err
	}
	return c.IO.Write(o.output, result(renamed, renamed))
}
