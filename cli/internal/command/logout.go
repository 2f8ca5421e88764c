package command

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
)

func newLogout(c *connect.Connector) *cobra.Command {
	return &cobra.Command{
		Use:     "logout",
		Short:   "Sign out",
		Long:    "Forgets the session for this project's URL and ends it on the server, where that can be reached; no other session ends.",
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
	sessions, err := c.Sessions()
	if err != nil {
		return err
	}
	unlock, err := sessions.Lock(ctx, loaded.URL)
	if err != nil {
		return err
	}
	defer unlock()
	session, err := sessions.Load(loaded.URL)
	if errors.Is(err, credential.ErrNoSession) {
		c.IO.Notef("nobody was signed in to %s", loaded.URL)
		return nil
	}
	if deleted := sessions.Delete(loaded.URL); deleted != nil || err != nil {
		return errors.Join(deleted, err)
	}
	if err := end(ctx, client.New(loaded, c.Transport, c.IO.Now), session, c.IO.Now()); err != nil {
		c.IO.Notef("warning: signed out here; the server still knows the session until it expires: %v", err)
		return nil
	}
	c.IO.Notef("signed out of %s", loaded.URL)
	return nil
}

// end ends the session on the server, which takes an access token that is still good.
func end(ctx context.Context, server *client.Client, session credential.Session, now time.Time) (err error) {
	if now.After(session.ExpiresAt) {
		if session, err = server.Refresh(ctx, session.RefreshToken); err != nil {
			return err
		}
	}
	return server.SignOut(ctx, session.AccessToken)
}
