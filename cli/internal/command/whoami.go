package command

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/term"
)

type whoamiOptions struct{ output string }

func newWhoami(c *connect.Connector) *cobra.Command {
	var o whoamiOptions
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Show who you are to the server",
		Long: `Asks the server who it takes you for: the token of the configured pair, else the person who is signed in.
A wrong or revoked pair is an error (exit code 4), and so is a pair of another organization than tenant_id (exit code 1).`,
		Example: "  babelon whoami\n  babelon whoami --output json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return whoami(cmd.Context(), c, o) },
	}
	flags.Output(cmd, &o.output)
	return cmd
}

func whoami(ctx context.Context, c *connect.Connector, o whoamiOptions) error {
	caller, err := c.PairFirst(ctx)
	if err != nil {
		return err
	}
	me, err := caller.Whoami(ctx)
	if err != nil {
		return err
	}
	text := func(s *string) string { return *cmp.Or(s, new(string)) }
	return c.IO.Write(o.output, term.Result{
		Value:  me,
		Header: []string{"KIND", "NAME", "ID", "ROLE", "ORGANIZATION", "ORGANIZATION ID"},
		Shrink: []string{"NAME", "ORGANIZATION"},
		Rows: [][]string{{
			me.Kind,
			text(me.TokenName) + text(me.Email),
			text(me.ClientID) + text(me.UserID),
			text(me.Role), text(me.OrganizationName), text(me.OrganizationID),
		}},
	})
}
