// Package command is the command line: the name, arguments and output of each command. What a command does is a call of
// package client.
package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/babelon/babelon/cli/internal/command/flags"
	"github.com/babelon/babelon/cli/internal/command/member"
	"github.com/babelon/babelon/cli/internal/command/organization"
	"github.com/babelon/babelon/cli/internal/command/token"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/fault"
)

const long = `Babelon gives the users of a Supabase project API tokens.

A token is a pair, a client ID and a secret. Keep it in .babelon.toml (see babelon init) or in the
environment; an admin signs in instead (babelon login) and manages tokens. If there are both, the
commands token, organization and member act as the person, all others as the token, unless --as token
or --as person says otherwise. A line on standard error says who acts; --quiet leaves out that line and
other notes, but no warning. babelon settings does the same in the browser.

A flag wins over the environment, and the environment over the file: --config or BABELON_CONFIG, else the
nearest .babelon.toml upward from here.

  file             environment               what
  supabase_url     BABELON_SUPABASE_URL      the project's URL
  publishable_key  BABELON_PUBLISHABLE_KEY   its publishable key, which the gateway asks for
  client_id        BABELON_CLIENT_ID         the pair, always both from one place
  api_token        BABELON_API_TOKEN
  tenant_id        BABELON_TENANT_ID         the organization that is meant; another is refused

A pair from the environment is not sent to a supabase_url in a file that was only found: set
BABELON_SUPABASE_URL too, or name the file. http:// to another host is refused without --insecure-http or
BABELON_ALLOW_HTTP=1, and always in a file that was only found.

Results go to standard output, everything else to standard error. Exit codes: 0 done; 1 refused;
2 usage or configuration; 4 credentials refused; 5 unavailable, try again later; 130 interrupted.`

// Execute runs the command that the process's arguments name. Its errors are *fault.Error.
func Execute(ctx context.Context, c *connect.Connector) error {
	running := false
	root := newRoot(c)
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		running = true
		if c.Timeout < 0 {
			return fault.Usagef("Leave it out for the default.", "--timeout is negative")
		}
		return nil
	}
	cmd, err := root.ExecuteContextC(ctx)
	var f *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		f.Hint = hint(f)
		return f
	case !running:
		return misuse(cmd, err)
	case errors.Is(err, context.Canceled):
		return &fault.Error{Kind: fault.Interrupted, Message: "interrupted", Err: err}
	default:
		return &fault.Error{Kind: fault.Failure, Message: err.Error(), Err: err}
	}
}

func newRoot(c *connect.Connector) *cobra.Command {
	root := &cobra.Command{
		Use:           "babelon",
		Short:         "API tokens for the users of a Supabase project",
		Long:          long,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.PersistentFlags().StringVar(&c.Source.File, "config", "", "configuration `file`")
	root.PersistentFlags().StringVar(&c.Source.URL, "url", "", "the project's `URL`")
	root.PersistentFlags().BoolVar(&c.Source.InsecureHTTP, "insecure-http", false, "allow http:// to another host, for a self-managed API behind no TLS")
	root.PersistentFlags().DurationVar(&c.Timeout, "timeout", 0, "how long to wait for each answer, such as 30s (default about 50s, in three tries)")
	root.PersistentFlags().BoolVarP(&c.IO.Quiet, "quiet", "q", false, "print no notes, such as who acts; only warnings and errors")
	flags.Choice(root, root.PersistentFlags(), &c.As, "as", "act as the token or as the signed-in person", connect.Token, connect.Person)
	root.AddCommand(
		newInit(c), newLogin(c), newLogout(c), newWhoami(c),
		organization.New(c), member.New(c), token.New(c),
		newRPC(c), newSettings(c), newVersion(c),
	)
	root.InitDefaultCompletionCmd()
	for _, cmd := range append(root.Commands(), root) {
		if cmd.HasSubCommands() {
			// By default cobra shows the help and succeeds, whatever verb was typed.
			cmd.Args = cobra.NoArgs
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

// misuse explains what cobra reports before a command runs: an unknown name, or wrong arguments.
func misuse(cmd *cobra.Command, err error) error {
	message, hint := err.Error(), "Usage: "+cmd.UseLine()
	var similar []string
	var unknownFlag *pflag.NotExistError
	if typed := cmd.Flags().Arg(0); cmd.HasSubCommands() && typed != "" {
		message, hint = fmt.Sprintf("unknown command %q for %q", typed, cmd.CommandPath()), "Run `"+cmd.CommandPath()+" --help`."
		similar = suggestions(cmd, typed)
	} else if errors.As(err, &unknownFlag) {
		// Cobra suggests only commands, so make commands of the flags.
		flags := &cobra.Command{}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			flags.AddCommand(&cobra.Command{Use: "--" + f.Name, Run: func(*cobra.Command, []string) {}})
		})
		similar = suggestions(flags, "--"+unknownFlag.GetSpecifiedName())
	}
	if len(similar) > 0 {
		hint = "Did you mean " + strings.Join(similar, " or ") + "?"
	}
	return fault.Usagef(hint, "%s", message)
}

func suggestions(cmd *cobra.Command, typed string) []string {
	cmd.SuggestionsMinimumDistance = 2
	return cmd.SuggestionsFor(typed)
}
