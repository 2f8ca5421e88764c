package command

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
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
		Long: `Writes .babelon.toml into this directory, readable by you alone, and names it in .gitignore where this is a git
work tree. Without --url, what no flag gives is asked for. The API token is never a flag, but typed or the first line
of standard input. Without a client ID the file has no pair, which suits an admin who signs in.`,
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
	if err := ignore(c.IO, path); err != nil { // first, so that git never sees the file
		return err
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

// ask fills in what no flag gave, and nothing optional where --url says that the flags are all.
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

// ignore names the file in the .gitignore beside it, where a git work tree is around it.
func ignore(io *term.IO, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	dir, name := filepath.Split(path)
	if _, _, ok := config.WorkTree(dir); !ok {
		return nil
	}
	file := filepath.Join(dir, ".gitignore")
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line == name || line == "/"+name {
			return nil
		}
	}
	if len(content) > 0 && !bytes.HasSuffix(content, []byte("\n")) {
		name = "\n" + name
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // everybody may read a .gitignore
	if err != nil {
		return err
	}
	if _, err := f.WriteString(name + "\n"); err != nil {
		return errors.Join(err, f.Close())
	}
	io.Notef("added %s to %s", filepath.Base(path), file)
	return f.Close()
}
