package organization

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/fault"
)

type deleteOptions struct {
	organization string
	yes          bool
}

func newDelete(c *connect.Connector) *cobra.Command {
	var o deleteOptions
	cmd := &cobra.Command{
		Use:   "delete NAME|ID",
		Short: "Delete an organization with its members and tokens",
		Long: `Deletes an organization for good, with its memberships and tokens: every later request with one of its tokens is refused.
People keep their accounts. Only owners can do this. It asks you to type the organization's name first.`,
		Example: "  babelon organization delete Acme",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.organization = args[0]
			return remove(cmd.Context(), c, o)
		},
	}
	flags.Yes(cmd, &o.yes)
	return cmd
}

func remove(ctx context.Context, c *connect.Connector, o deleteOptions) error {
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return err
	}
	meant := client.Organization{ID: o.organization, Name: o.organization}
	if !o.yes || !config.IsUUID(o.organization) {
		if meant, err = caller.FindOrganization(ctx, o.organization); err != nil {
			return err
		}
	}
	if !o.yes {
		question := fmt.Sprintf("Delete %s (%s)? Its members lose access and its tokens stop, at once and for good. Type its name:", meant.Name, meant.ID)
		typed, err := c.IO.Line(ctx, question, "Use --yes.")
		if err != nil {
			return err
		}
		if typed != strings.TrimSpace(meant.Name) {
			return &fault.Error{Kind: fault.Failure, Message: "that is another name; not deleted"}
		}
	}
	if err := caller.DeleteOrganization(ctx, meant.ID); err != nil {
		return err
	}
	c.IO.Notef("deleted %s", meant.Name)
	return nil
}
