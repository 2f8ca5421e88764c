// Package organization holds `babelon organization …`.
package organization

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/term"
)

// New returns the command with its verbs.
func New(c *connect.Connector) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "organization",
		Short: "Create, list, rename and delete organizations",
		Long:  "An organization, or tenant, has members and tokens. The person who creates it owns it.",
	}
	cmd.AddCommand(newCreate(c), newList(c), newRename(c), newDelete(c))
	return cmd
}

func result(value any, organizations ...client.Organization) term.Result {
	r := term.Result{Value: value, Header: []string{"NAME", "ID", "YOUR ROLE"}, Shrink: []string{"NAME"}}
	for _, o := range organizations {
		r.Rows = append(r.Rows, []string{o.Name, o.ID, *cmp.Or(o.Role, new(string))})
	}
	return r
}
