package command

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

type loginOptions struct {
	email         string
	passwordStdin bool
}

func newLogin(c *connect.Connector) *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use:   "login EMAIL",
		Short: "Sign in as a person, to manage tokens",
		Long: `Signs in with the project's Supabase Auth. The password is typed on the terminal, or is the first line of standard
input. The session is kept in your configuration directory, readable by you alone, and is sent to this project's URL
only. From then on the commands token, organization and member use it.`,
		Example: "  babelon login ada@example.com\n  pass show supabase | babelon login ada@example.com --password-stdin",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.email = args[0]
			return login(cmd.Context(), c, o)
		},
	}
	cmd.Flags().BoolVar(&o.passwordStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

func login(ctx context.Context, c *connect.Connector, o loginOptions) error {
	if strings.TrimSpace(o.email) == "" {
		return fault.Usagef("", "EMAIL is empty")
	}
	loaded, err := c.Config()
	if err != nil {
		return err
	}
	person, err := c.Person(loaded)
	if err != nil {
		return err
	}
	var password credential.Secret
	if o.passwordStdin {
		password, err = c.IO.SecretFromStdin(ctx, "password")
	} else {
		password, err = c.IO.Secret(ctx, "Password of "+o.email+":", "Use --password-stdin.")
	}
	if err != nil {
		return err
	}
	if password.Reveal() == "" {
		return fault.Usagef("", "the password is empty")
	}
	session, err := person.SignIn(ctx, o.email, password)
	if err != nil {
		return err
	}
	c.IO.Notef("signed in to %s as %s", loaded.URL, session.Email)
	return nil
}
