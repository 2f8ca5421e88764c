package member

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/fault"
)

func newSet(c *connect.Connector) *cobra.Command {
	var organization string
	output := "table"
	cmd := &cobra.Command{
		Use:   "set EMAIL ROLE",
		Short: "Add a member, or change a role",
		Long: `Gives somebody who has signed up and confirmed the address a role in the organization: viewer, member, admin or owner.
For admins; where an owner is concerned, for owners.`,
		Example: "  babelon member set grace@example.com member",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return set(cmd.Context(), c, organization, args[0], args[1], output)
		},
	}
	flags.Organization(cmd, &organization)
	flags.Choice(cmd, &output, "output", "format", "table", "json")
	return cmd
}

func set(ctx context.Context, c *connect.Connector, organization, email, role, output string) error {
	if roles := []string{"viewer", "member", "admin", "owner"}; !slices.Contains(roles, role) {
		return fault.Usagef("", "ROLE must be one of %s", strings.Join(roles, ", "))
	}
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return err
	}
	if organization, err = caller.Organization(organization); err != nil {
		return err
	}
	member, err := caller.SetMember(ctx, organization, email, role)
	if err != nil {
		return err
	}
	if output == "json" {
		return c.IO.JSON(member)
	}
	return table(c, []client.Member{member})
}
