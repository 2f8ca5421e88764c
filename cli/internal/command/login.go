package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
)

func newLogin(c *connect.Connector) *cobra.Command {
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "login EMAIL",
		Short: "Sign in as a person, to manage tokens",
		Long: `Signs in with the project's Supabase Auth. The password is typed on the terminal, or is the first line of
standard input. The session is kept in your configuration directory, for this project's URL only and readable by
you alone; the commands token, organization and member use it from then on.`,
		Example: "  babelon login ada@example.com\n  pass show supabase | babelon login ada@example.com --password-stdin",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return login(cmd.Context(), c, args[0], fromStdin) },
	}
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

func login(ctx context.Context, c *connect.Connector, email string, fromStdin bool) error {
	loaded, err := c.Config()
	if err != nil {
		return err
	}
	sessions, err := c.Sessions()
	if err != nil {
		return err
	}
	var password credential.Secret
	if fromStdin {
		password, err = c.IO.SecretFromStdin("password")
	} else {
		password, err = c.IO.Secret(ctx, "Password of "+email+":", "Use --password-stdin.")
	}
	if err != nil {
		return err
	}
	session, err := client.New(loaded, c.Transport, c.IO.Now).SignIn(ctx, email, password)
	if err != nil {
		return err
	}
	unlock, err := sessions.Lock(ctx, loaded.URL)
	if err != nil {
		return err
	}
	defer unlock()
	if err := sessions.Save(loaded.URL, session); err != nil {
		return err
	}
	c.IO.Notef("signed in to %s as %s", loaded.URL, session.Email)
	return nil
}
