// Package command is the command line: what each command is called, takes and prints. What it does is a
// call of package client.
package command

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/command/member"
	"github.com/babelon/babelon/cli/internal/command/organization"
	"github.com/babelon/babelon/cli/internal/command/token"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/fault"
)

const long = `Babelon gives the users of a Supabase project API tokens.

A token is a pair, a client ID and a secret. Keep it in .babelon.toml (see babelon init) or in the
environment; an admin signs in instead (babelon login) and manages tokens.

A flag wins over the environment, and the environment over the file: --config or BABELON_CONFIG, else the
nearest .babelon.toml upward from here.

  file             environment               what
  supabase_url     BABELON_SUPABASE_URL      the project's URL
  publishable_key  BABELON_PUBLISHABLE_KEY   its publishable key, which the gateway asks for
  client_id        BABELON_CLIENT_ID         the pair, always both from one place
  api_token        BABELON_API_TOKEN
  tenant_id        BABELON_TENANT_ID         the organization that is meant; another is refused

Results go to standard output, everything else to standard error. Exit codes: 0 done; 1 refused;
2 usage or configuration; 4 not authenticated; 5 unavailable, try again later; 130 interrupted.`

// New returns the babelon command. Its errors are *fault.Error, or cobra's own for a wrong command line.
func New(c *connect.Connector) *cobra.Command {
	root := &cobra.Command{
		Use:           "babelon",
		Short:         "API tokens for the users of a Supabase project",
		Long:          long,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().StringVar(&c.Source.File, "config", "", "configuration `file`")
	root.PersistentFlags().StringVar(&c.Source.URL, "url", "", "the project's `URL`")
	root.AddCommand(
		newInit(c), newLogin(c), newLogout(c), newWhoami(c),
		organization.New(c), member.New(c), token.New(c),
		newRPC(c), newVersion(c),
	)
	root.InitDefaultCompletionCmd()
	tell(root)
	return root
}

// tell makes every error of a command that has begun to run a *fault.Error, so that cobra's complaints
// about the command line are the only others.
func tell(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			var f *fault.Error
			if err == nil || errors.As(err, &f) {
				return err
			}
			return &fault.Error{Kind: fault.Failure, Message: err.Error(), Err: err}
		}
	}
	for _, child := range cmd.Commands() {
		tell(child)
	}
}
