package member

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
)

type removeOptions struct {
	who, organization string
	yes               bool
}

func newRemove(c *connect.Connector) *cobra.Command {
	var o removeOptions
	cmd := &cobra.Command{
		Use:   "remove WHO",
		Short: "Remove a member",
		Long: `Removes somebody from the organization. WHO is an e-mail address or a user ID, as babelon member list shows them. The
tokens that they made belong to the organization and stay; the token list shows that their maker is gone.`,
		Example: "  babelon member remove grace@example.com",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.who = args[0]
			return remove(cmd.Context(), c, o)
		},
	}
	flags.Organization(cmd, &o.organization)
	flags.Yes(cmd, &o.yes)
	return cmd
}

func remove(ctx context.Context, c *connect.Connector, o removeOptions) error {
	if o.who == "" {
		return errNobody()
	}
	caller, organization, err := c.In(ctx, o.organization)
	if err != nil {
		return err
	}
	if !o.yes {
		if err := c.IO.Confirm(ctx, "Remove "+o.who+" from the organization?", "Use --yes.", "not removed"); err != nil {
			return err
		}
	}
	if err := caller.RemoveMember(ctx, organization, o.who); err != nil {
		return err
	}
	c.IO.Notef("removed %s", o.who)
	return nil
}
