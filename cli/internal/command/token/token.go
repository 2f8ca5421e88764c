// Package token holds `babelon token …`.
package token

import (
	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/connect"
)

// New returns the command with its verbs.
func New(c *connect.Connector) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Generate, list and revoke tokens",
		Long: `A token belongs to one organization and has a role in it: a viewer's reads, and its transactions are read-only; a
member's writes; an admin's manages tokens too. Admins and owners generate and revoke, everybody lists.`,
	}
	cmd.AddCommand(newGenerate(c), newList(c), newRevoke(c))
	return cmd
}

func table(c *connect.Connector, tokens []client.Token) error {
	rows := make([][]string, len(tokens))
	for i, t := range tokens {
		rows[i] = []string{t.Name, t.ClientID, t.Role, c.IO.Time(&t.CreatedAt), c.IO.Time(t.LastUsedAt), t.Status()}
	}
	return c.IO.Table([]string{"NAME", "CLIENT ID", "ROLE", "CREATED", "LAST USED", "STATUS"}, rows)
}
