package member

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/fault"
)

type setOptions struct{ who, role, organization, output string }

func newSet(c *connect.Connector) *cobra.Command {
	var o setOptions
	cmd := &cobra.Command{
		Use:   "set WHO ROLE",
		Short: "Add a member, or change a role",
		Long: `Gives somebody a role in the organization: viewer, member, admin or owner. WHO is the e-mail address that they have
signed up with and confirmed, or their user ID. Admins can do this; only owners can make or change an owner.`,
		Example: "  babelon member set grace@example.com member",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.who, o.role = args[0], args[1]
			return set(cmd.Context(), c, o)
		},
	}
	flags.Organization(cmd, &o.organization)
	flags.Output(cmd, &o.output)
	return cmd
}

func set(ctx context.Context, c *connect.Connector, o setOptions) error {
	if roles := []string{"viewer", "member", "admin", "owner"}; !slices.Contains(roles, o.role) {
		return fault.Usagef("", "ROLE must be one of %s", strings.Join(roles, ", "))
	}
	if o.who == "" {
		return errNobody()
	}
	caller, organization, err := c.In(ctx, o.organization)
	if err != nil {
		return err
	}
	member, err := caller.SetMember(ctx, organization, o.who, o.role)
	if err != nil {
		return err
	}
	return c.IO.Write(o.output, result(member, member))
}
