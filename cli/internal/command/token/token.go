// Package token holds `babelon token …`.
package token

import (
	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/term"
)

// New returns the command with its verbs.
func New(c *connect.Connector) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Generate, list and revoke tokens",
		Long: `A token belongs to one organization and has a role in it. A viewer's token reads, and its transactions are read-only;
a member's also writes; an admin's also manages tokens. Admins and owners generate and revoke, everybody lists.`,
	}
	cmd.AddCommand(newGenerate(c), newList(c), newRevoke(c))
	return cmd
}

func result(io *term.IO, value any, tokens ...client.Token) term.Result {
	r := term.Result{Value: value, Header: []string{"NAME", "CLIENT ID", "ROLE", "CREATED", "LAST USED", "STATUS"}, Shrink: []string{"NAME"}}
	for _, t := range tokens {
		r.Rows = append(r.Rows, []string{t.Name, t.ClientID, t.Role, io.Time(&t.CreatedAt), io.Time(t.LastUsedAt), t.Status()})
	}
	return r
}
