package organization

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
)

type createOptions struct{ name, output string }

func newCreate(c *connect.Connector) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:     "create NAME",
		Short:   "Create an organization",
		Long:    "Creates an organization that you own. Only a signed-in person can do this, not a token.",
		Example: "  babelon organization create Acme",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return create(cmd.Context(), c, o)
		},
	}
	flags.Output(cmd, &o.output)
	return cmd
}

func create(ctx context.Context, c *connect.Connector, o createOptions) error {
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return err
	}
	made, err := caller.CreateOrganization(ctx, o.name)
	if err != nil {
		return err
	}
	return c.IO.Write(o.output, result(made, made))
}
