package command

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

func newLogout(c *connect.Connector) *cobra.Command {
	return &cobra.Command{
		Use:     "logout",
		Short:   "Sign out",
		Long:    "Forgets the session for this project's URL and, if the server can be reached, ends it there. Other sessions go on.",
		Example: "  babelon logout",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return logout(cmd.Context(), c) },
	}
}

func logout(ctx context.Context, c *connect.Connector) error {
	loaded, err := c.Config()
	if err != nil {
		return err
	}
	person, err := c.Person(loaded)
	if err != nil {
		return err
	}
	err = person.SignOut(ctx)
	var onServer *fault.Error
	switch {
	case errors.Is(err, credential.ErrNoSession):
		c.IO.Notef("nobody was signed in to %s", loaded.URL)
	case errors.As(err, &onServer):
		c.IO.Warnf("signed out here; the server still knows the session until it expires: %v", err)
	case err != nil:
		return err
	default:
		c.IO.Notef("signed out of %s", loaded.URL)
	}
	return nil
}
