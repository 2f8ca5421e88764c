// Package member holds `babelon member …`.
package member

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/fault"
	"github.com/babelon/babelon/cli/internal/term"
)

// New returns the command with its verbs.
func New(c *connect.Connector) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "member",
		Short: "List, set and remove members of an organization",
		Long: `Members have a role: viewers read, members write, admins manage members and tokens, owners manage owners.
An organization always has at least one owner.`,
	}
	cmd.AddCommand(newList(c), newSet(c), newRemove(c))
	return cmd
}

func errNobody() error {
	return fault.Usagef("`babelon member list` shows both.", "WHO is empty; it should be an e-mail address or a user ID")
}

func result(value any, members ...client.Member) term.Result {
	r := term.Result{Value: value, Header: []string{"EMAIL", "ROLE", "USER ID", "ORGANIZATION ID"}, Shrink: []string{"EMAIL"}}
	for _, m := range members {
		r.Rows = append(r.Rows, []string{*cmp.Or(m.Email, new(string)), m.Role, m.UserID, m.OrganizationID})
	}
	return r
}
