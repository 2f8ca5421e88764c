package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
	"github.com/babelon/babelon/cli/internal/git"
)

type initOptions struct {
	values     config.Values
	tokenStdin bool
	force      bool
}

func newInit(c *connect.Connector) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write .babelon.toml",
		Long: `Writes .babelon.toml into this directory, readable by you alone. In a git work tree it adds the file to .gitignore.
What no flag gives it takes from the environment, and without --url it asks for the rest. The API token is never a flag:
it is BABELON_API_TOKEN beside BABELON_CLIENT_ID, is typed, or is the first line of standard input. Without a client ID
the file has no pair, which suits an admin who signs in.`,
		Example: `  babelon init
  babelon init --url https://abcdefghijklmnopqrst.supabase.co --publishable-key sb_publishable_… \
    --client-id bbl_cid_0123456789abcdef --token-stdin < token.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return initialize(cmd.Context(), c, o) },
	}
	cmd.Flags().StringVar(&o.values.PublishableKey, "publishable-key", "", "the project's publishable `key`")
	cmd.Flags().StringVar(&o.values.TenantID, "tenant-id", "", "`id` of the organization that is meant")
	cmd.Flags().StringVar(&o.values.ClientID, "client-id", "", "`id` of the token")
	cmd.Flags().BoolVar(&o.tokenStdin, "token-stdin", false, "read the API token from standard input")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace a file that is there")
	return cmd
}

func initialize(ctx context.Context, c *connect.Connector, o initOptions) error {
	path := filepath.Join(c.Source.Dir, config.FileName)
	if c.Source.File != "" {
		path = c.Source.File
	}
	if _, err := os.Lstat(path); err == nil && !o.force {
		return exists(path)
	}

	if err := o.complete(ctx, c); err != nil {
		return err
	}
	content, err := o.values.TOML()
	if err != nil {
		return err
	}
	ignoring, err := git.Ignore(path) // first, so that git never sees the file
	if err != nil {
		return err
	}
	if ignoring != "" {
		c.IO.Notef("added %s to %s", filepath.Base(path), ignoring)
	}
	if git.Tracked(path) {
		c.IO.Warnf("%s is tracked by git, whatever .gitignore says; run: git rm --cached %s", path, path)
	}
	write := credential.CreateFile
	if o.force {
		write = credential.ReplaceFile
	}
	if err := write(path, content); errors.Is(err, fs.ErrExist) {
		return exists(path)
	} else if err != nil {
		return err
	}
	c.IO.Notef("wrote %s", path)
	return nil
}

func exists(path string) error {
	return fault.Usagef("Use --force to replace it.", "%s exists already", path)
}

// complete adds what no flag gives: from the environment, else by asking. With --url the flags and the environment are
// complete, and it asks for the secret alone.
func (o *initOptions) complete(ctx context.Context, c *connect.Connector) error {
	v := &o.values
	v.URL = c.Source.URL
	settings := []struct {
		key      config.Key
		value    *string
		question string
	}{
		{config.SupabaseURL, &v.URL, "Supabase URL (Project Settings > Data API):"},
		{config.PublishableKey, &v.PublishableKey, "Publishable key (Project Settings > API Keys):"},
		{config.TenantID, &v.TenantID, "Organization ID (may be empty):"},
		{config.ClientID, &v.ClientID, "Client ID (empty to sign in instead):"},
	}
	var secret string
	if v.ClientID == "" && !o.tokenStdin { // the pair is always from one place
		if secret = c.Source.Getenv(config.APIToken.Variable()); (secret == "") != (c.Source.Getenv(config.ClientID.Variable()) == "") {
			return fault.Usagef("Set both, or neither.", "half a pair: of %s and %s only one is set", config.ClientID.Variable(), config.APIToken.Variable())
		}
	}
	for _, s := range settings {
		where := string(s.key)
		if *s.value == "" && (s.key != config.ClientID || secret != "") {
			*s.value, where = c.Source.Getenv(s.key.Variable()), s.key.Variable()
			if *s.value != "" {
				c.IO.Notef("%s is from %s", s.key, where)
			}
		}
		if *s.value != "" {
			if err := config.Check(s.key, *s.value); err != nil {
				return fault.Usagef("", "%s %w", where, err)
			}
		}
	}
	for _, s := range settings {
		if *s.value != "" || c.Source.URL != "" {
			continue
		}
		answer, err := askFor(s.key, func(problem string) (string, error) {
			return c.IO.Line(ctx, problem+s.question, "Use --url: then nothing but the secret is asked for.")
		})
		if err != nil {
			return err
		}
		*s.value = answer
	}

	var err error
	switch {
	case secret != "":
		c.IO.Notef("%s is from %s", config.APIToken, config.APIToken.Variable())
		v.APIToken = credential.NewSecret(secret)
	case o.tokenStdin:
		v.APIToken, err = c.IO.SecretFromStdin(ctx, "API token")
	case v.ClientID != "":
		secret, err = askFor(config.APIToken, func(problem string) (string, error) {
			typed, err := c.IO.Secret(ctx, problem+"API token (not shown):", "Use --token-stdin.")
			return typed.Reveal(), err
		})
		v.APIToken = credential.NewSecret(secret)
	}
	return err
}

// askFor asks until the answer is good, and says each time what is wrong with it. Two settings must not be empty.
func askFor(key config.Key, ask func(problem string) (string, error)) (string, error) {
	for problem := ""; ; {
		answer, err := ask(problem)
		if err != nil || answer == "" && key != config.SupabaseURL && key != config.APIToken {
			return answer, err
		}
		wrong := config.Check(key, answer)
		if wrong == nil {
			return answer, nil
		}
		problem = fmt.Sprintf("%s %v. ", key, wrong)
	}
}
