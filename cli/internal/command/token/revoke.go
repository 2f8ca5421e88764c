package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

type revokeOptions struct {
	clientID, output string
	yes              bool
}

func newRevoke(c *connect.Connector) *cobra.Command {
	var o revokeOptions
	cmd := &cobra.Command{
		Use:   "revoke CLIENT_ID",
		Short: "Revoke a token",
		Long: `Revokes a token at once and for good: every request that starts from now on is refused. On a terminal it asks first.
A token that was revoked before stays as it is, and that is no error.`,
		Example: "  babelon token revoke bbl_cid_0123456789abcdef\n  babelon token revoke bbl_cid_0123456789abcdef --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.clientID = args[0]
			return revoke(cmd.Context(), c, o)
		},
	}
	flags.Yes(cmd, &o.yes)
	flags.Output(cmd, &o.output)
	return cmd
}

func revoke(ctx context.Context, c *connect.Connector, o revokeOptions) error {
	if err := credential.CheckClientID(o.clientID); err != nil {
		return fault.Usagef("`babelon token list` shows the client IDs.", "CLIENT_ID %w", err)
	}
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return err
	}
	known, err := find(ctx, caller, o.clientID)
	if err != nil {
		return err
	}
	if known.State == client.Revoked {
		c.IO.Notef("%q was revoked already", known.Name)
	} else if !o.yes {
		question := fmt.Sprintf("Revoke %s (%s)? It stops at once and for good.", cmp.Or(known.Name, "the token"), o.clientID)
		if err := c.IO.Confirm(ctx, question, "Use --yes.", "not revoked"); err != nil {
			return err
		}
	}
	revoked, err := caller.RevokeToken(ctx, o.clientID)
	if err != nil {
		return err
	}
	return c.IO.Write(o.output, result(c.IO, revoked, revoked))
}

// find returns the token as the list shows it. It is empty where the list is refused or does not have it, because the
// token may belong to another organization than the configured one.
func find(ctx context.Context, caller *connect.Caller, clientID string) (client.Token, error) {
	organization, err := caller.Organization(ctx, "")
	if err != nil {
		return client.Token{}, err
	}
	token, err := caller.FindToken(ctx, organization, clientID)
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Failure {
		return client.Token{}, nil
	}
	return token, err
}
