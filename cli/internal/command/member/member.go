// Package member holds `babelon member …`.
package member

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/connect"
)

// New returns the command with its verbs.
func New(c *connect.Connector) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "member",
		Short: "List, set and remove members of an organization",
		Long: `Members have a role: viewers read, members write, admins manage members and tokens, owners manage owners.
An organization keeps at least one owner.`,
	}
	cmd.AddCommand(newList(c), newSet(c), newRemove(c))
	return cmd
}

func table(c *connect.Connector, members []client.Member) error {
	rows := make([][]string, len(members))
	for i, m := range members {
		rows[i] = []string{*cmp.Or(m.Email, new(string)), m.Role, c.IO.Time(&m.CreatedAt), m.UserID, m.OrganizationID}
	}
	return c.IO.Table([]string{"EMAIL", "ROLE", "SINCE", "USER ID", "ORGANIZATION ID"}, rows)
}
