// Package organization holds `babelon organization …`.
package organization

import (
	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/connect"
)

// New returns the command with its verbs.
func New(c *connect.Connector) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "organization",
		Short: "Create and list organizations",
		Long:  "An organization, or tenant, has members and tokens. Whoever creates one owns it.",
	}
	cmd.AddCommand(newCreate(c), newList(c))
	return cmd
}
