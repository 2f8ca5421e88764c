package command

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
	"github.com/babelon/babelon/cli/internal/git"
	"github.com/babelon/babelon/cli/internal/term"
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
Without --url it asks for what no flag gives. The API token is never a flag: it is typed, or is the first line of
standard input. Without a client ID the file has no pair, which suits an admin who signs in.`,
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

	o.values.URL = c.Source.URL
	if err := ask(ctx, c.IO, &o); err != nil {
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

// ask asks for what no flag gave. With --url the flags are complete, and it asks for the secret alone.
func ask(ctx context.Context, io *term.IO, o *initOptions) (err error) {
	v := &o.values
	if v.URL == "" {
		for _, setting := range []struct {
			target            *string
			question, instead string
		}{
			{&v.URL, "Supabase URL (Project Settings > Data API):", "Use --url."},
			{&v.PublishableKey, "Publishable key (Project Settings > API Keys):", ""},
			{&v.TenantID, "Organization ID (may be empty):", ""},
			{&v.ClientID, "Client ID (empty to sign in instead):", ""},
		} {
			if *setting.target != "" {
				continue
			}
			if *setting.target, err = io.Line(ctx, setting.question, setting.instead); err != nil {
				return err
			}
		}
	}
	switch {
	case o.tokenStdin:
		v.APIToken, err = io.SecretFromStdin("API token")
	case v.ClientID != "":
		v.APIToken, err = io.Secret(ctx, "API token (not shown):", "Use --token-stdin.")
	}
	return err
}
