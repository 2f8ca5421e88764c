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

func newRevoke(c *connect.Connector) *cobra.Command {
	var yes bool
	output := "table"
	cmd := &cobra.Command{
		Use:   "revoke CLIENT_ID",
		Short: "Revoke a token",
		Long: `Revokes a token, at once and for good: every request that starts from now on is refused. Asks first on a terminal.
A token that was revoked before stays as it is, and that is no error.`,
		Example: "  babelon token revoke bbl_cid_0123456789abcdef\n  babelon token revoke bbl_cid_0123456789abcdef --yes",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return revoke(cmd.Context(), c, args[0], yes, output) },
	}
	flags.Yes(cmd, &yes)
	flags.Choice(cmd, &output, "output", "format", "table", "json")
	return cmd
}

func revoke(ctx context.Context, c *connect.Connector, clientID string, yes bool, output string) error {
	if err := credential.CheckClientID(clientID); err != nil {
		return fault.Usagef("`babelon token list` shows the client IDs.", "CLIENT_ID %w", err)
	}
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return err
	}
	known, err := find(ctx, caller, clientID)
	if err != nil {
		return err
	}
	if known.RevokedAt != nil {
		c.IO.Notef("%q was revoked already", known.Name)
	} else if !yes {
		yes, err := c.IO.Confirm(ctx, fmt.Sprintf("Revoke %s (%s)? It stops at once and for good.", cmp.Or(known.Name, "the token"), clientID), "Use --yes.")
		if err != nil {
			return err
		}
		if !yes {
			return &fault.Error{Kind: fault.Failure, Message: "not revoked"}
		}
	}
	revoked, err := caller.RevokeToken(ctx, clientID)
	if err != nil {
		return err
	}
	if output == "json" {
		return c.IO.JSON(revoked)
	}
	return table(c, []client.Token{revoked})
}

// find returns what the list says of the token. It is empty where the list does not have it or is refused:
// the token can be one of another organization than the configured one.
func find(ctx context.Context, caller *connect.Caller, clientID string) (client.Token, error) {
	organization, err := caller.Organization("")
	if err != nil {
		return client.Token{}, err
	}
	tokens, err := caller.Tokens(ctx, organization)
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Failure {
		return client.Token{}, nil
	}
	for _, token := range tokens {
		if token.ClientID == clientID {
			return token, nil
		}
	}
	return client.Token{}, err
}
