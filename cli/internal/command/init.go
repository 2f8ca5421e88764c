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
It takes from the environment what no flag gives, and asks for the rest unless --url is given. The API token is never a
flag: it is BABELON_API_TOKEN beside BABELON_CLIENT_ID, is typed, or is the first line of standard input. Without a
client ID the file has no pair, which suits an admin who signs in.`,
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

// complete adds what no flag gives: it takes it from the environment, or else asks. With --url it asks for nothing but
// the secret.
func (o *initOptions) complete(ctx context.Context, c *connect.Connector) error {
	v := &o.values
	v.URL = c.Source.URL
	var secret string
	mayBeSet := v.ClientID == "" && !o.tokenStdin // beside --client-id the environment's secret is another pair's
	settings := []struct {
		key      config.Key
		value    *string
		question string
	}{
		{config.SupabaseURL, &v.URL, "Supabase URL (Project Settings > Data API):"},
		{config.PublishableKey, &v.PublishableKey, "Publishable key (Project Settings > API Keys):"},
		{config.TenantID, &v.TenantID, "Organization ID (may be empty):"},
		{config.ClientID, &v.ClientID, "Client ID (empty to sign in instead):"},
		{config.APIToken, &secret, "API token (not shown):"},
	}
	for _, s := range settings {
		if *s.value == "" && (s.key != config.APIToken || mayBeSet) {
			if *s.value = c.Source.Env(s.key.Variable()); *s.value != "" {
				c.IO.Notef("%s is from %s", s.key, s.key.Variable())
			}
		}
		if *s.value != "" {
			if err := c.Source.Check(s.key, *s.value); err != nil {
				return fault.Usagef(config.HintFor(err), "%s %w", s.key, err)
			}
		}
	}
	if o.tokenStdin {
		read, err := c.IO.SecretFromStdin(ctx, "API token")
		if err != nil {
			return err
		}
		secret = read.Reveal()
	}
	for _, s := range settings {
		wanted := c.Source.URL == ""
		if s.key == config.APIToken {
			wanted = v.ClientID != ""
		}
		if *s.value == "" && wanted {
			var err error
			if *s.value, err = askFor(ctx, c, s.key, s.question); err != nil {
				return err
			}
		}
	}
	v.APIToken = credential.NewSecret(secret)
	if warning := config.WarningOf(v.URL); warning != "" {
		c.IO.Warnf("%s", warning)
	}
	return nil
}

// askFor asks until the answer is good, and says each time what is wrong with it.
func askFor(ctx context.Context, c *connect.Connector, key config.Key, question string) (answer string, err error) {
	for problem := ""; ; {
		if key == config.APIToken {
			var typed credential.Secret
			typed, err = c.IO.Secret(ctx, problem+question, "Use --token-stdin.")
			answer = typed.Reveal()
		} else {
			answer, err = c.IO.Line(ctx, problem+question, "Use --url: then nothing but the secret is asked for.")
		}
		mayBeEmpty := key != config.SupabaseURL && key != config.APIToken
		if err != nil || answer == "" && mayBeEmpty {
			return answer, err
		}
		wrong := c.Source.Check(key, answer)
		if wrong == nil {
			return answer, nil
		}
		problem = fmt.Sprintf("%s %v. ", key, wrong)
	}
}
