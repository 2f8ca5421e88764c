package token

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
)

type listOptions struct {
	organization, output string
	all                  bool
}

func newList(c *connect.Connector) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tokens",
		Long: `Lists the active tokens of the organization, newest first: name, client ID, role, created, last used and status.
With --all the revoked ones follow; without it, also in JSON, a note says how many there are. In a pipe these are
tab-separated values in that order, without a header and with RFC 3339 times. A person in several organizations names one.`,
		Example: "  babelon token list\n  babelon token list --all --output json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), c, o) },
	}
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "list the revoked tokens too")
	flags.Organization(cmd, &o.organization)
	flags.Output(cmd, &o.output)
	return cmd
}

func list(ctx context.Context, c *connect.Connector, o listOptions) error {
	caller, organization, err := c.In(ctx, o.organization)
	if err != nil {
		return err
	}
	read := caller.ActiveTokens
	if o.all {
		read = caller.Tokens
	}
	tokens, err := read(ctx, organization)
	if err != nil {
		return err
	}
	if !o.all && !c.IO.Quiet {
		hidden, err := caller.CountInactiveTokens(ctx, organization)
		if err != nil {
			return err
		}
		if hidden > 0 {
			c.IO.Notef("note: --all also lists the revoked tokens (%d)", hidden)
		}
	}
	if note := client.UsageNote(tokens, c.IO.Now()); note != "" && o.output == "table" {
		c.IO.Notef("note: %s", note)
	}
	return c.IO.Write(o.output, result(c.IO, tokens, tokens...))
}
