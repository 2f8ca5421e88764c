package token

import (
	"context"
	"fmt"
	"slices"

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
	if !yes {
		if err := confirm(ctx, c, caller, clientID); err != nil {
			return err
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

// confirm asks whether to revoke, naming the token, where the list that the caller sees by default has it.
func confirm(ctx context.Context, c *connect.Connector, caller *connect.Caller, clientID string) error {
	name := clientID
	organization, err := caller.Organization("")
	if err != nil {
		return err
	}
	if tokens, err := caller.Tokens(ctx, organization); err == nil {
		if i := slices.IndexFunc(tokens, func(t client.Token) bool { return t.ClientID == clientID }); i >= 0 {
			name = fmt.Sprintf("%q (%s)", tokens[i].Name, clientID)
		}
	}
	yes, err := c.IO.Confirm(ctx, "Revoke "+name+"? It stops at once and for good.", "Use --yes.")
	if err == nil && !yes {
		err = &fault.Error{Kind: fault.Failure, Message: "not revoked"}
	}
	return err
}
