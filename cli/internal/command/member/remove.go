package member

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/fault"
)

func newRemove(c *connect.Connector) *cobra.Command {
	var organization string
	var yes bool
	cmd := &cobra.Command{
		Use:   "remove EMAIL",
		Short: "Remove a member",
		Long: `Removes somebody from the organization. The tokens they made are the organization's and stay; the token list
shows that their maker is gone.`,
		Example: "  babelon member remove grace@example.com",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return remove(cmd.Context(), c, organization, args[0], yes)
		},
	}
	flags.Organization(cmd, &organization)
	flags.Yes(cmd, &yes)
	return cmd
}

func remove(ctx context.Context, c *connect.Connector, organization, email string, yes bool) error {
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return err
	}
	if organization, err = caller.Organization(organization); err != nil {
		return err
	}
	if !yes {
		if yes, err = c.IO.Confirm(ctx, "Remove "+email+" from the organization?", "Use --yes."); err != nil {
			return err
		}
		if !yes {
			return &fault.Error{Kind: fault.Failure, Message: "not removed"}
		}
	}
	if err := caller.RemoveMember(ctx, organization, email); err != nil {
		return err
	}
	c.IO.Notef("removed %s", email)
	return nil
}
