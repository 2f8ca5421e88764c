package command

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
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
work tree. What no flag gives is asked for; the API token is never a flag, but typed or the first line of standard
input. Without a client ID the file has no pair, which suits an admin who signs in.`,
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
		return fault.Usagef("Use --force to replace it.", "%s exists already", path)
	}

	o.values.URL = c.Source.URL
	if err := ask(ctx, c, &o); err != nil {
		return err
	}
	content, err := o.values.TOML()
	if err != nil {
		return err
	}
	if o.force {
		err = credential.ReplaceFile(path, content)
	} else {
		err = credential.CreateFile(path, content)
	}
	if errors.Is(err, fs.ErrExist) {
		return fault.Usagef("Use --force to replace it.", "%s exists already", path)
	}
	if err != nil {
		return err
	}
	c.IO.Notef("wrote %s", path)
	return ignore(c, path)
}

// ask fills in what no flag gave. Where there is no terminal, what is optional stays empty.
func ask(ctx context.Context, c *connect.Connector, o *initOptions) (err error) {
	v := &o.values
	if v.URL == "" {
		if v.URL, err = c.IO.Line(ctx, "Supabase URL:", "Use --url."); err != nil {
			return err
		}
		for _, optional := range []struct {
			target   *string
			question string
		}{
			{&v.PublishableKey, "Publishable key (Project Settings > API Keys):"},
			{&v.ClientID, "Client ID (empty to sign in instead):"},
		} {
			if *optional.target == "" {
				if *optional.target, err = c.IO.Line(ctx, optional.question, ""); err != nil {
					return err
				}
			}
		}
	}
	switch {
	case o.tokenStdin:
		v.APIToken, err = c.IO.SecretFromStdin("API token")
	case v.ClientID != "":
		v.APIToken, err = c.IO.Secret(ctx, "API token:", "Use --token-stdin.")
	}
	return err
}

// ignore names the file in the .gitignore beside it, where a git work tree is around it.
func ignore(c *connect.Connector, path string) error {
	dir, name := filepath.Split(path)
	if !inWorkTree(dir) {
		return nil
	}
	file := filepath.Join(dir, ".gitignore")
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if slices.Contains(strings.Fields(string(content)), name) || slices.Contains(strings.Fields(string(content)), "/"+name) {
		return nil
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
	c.IO.Notef("added it to %s", file)
	return f.Close()
}

func inWorkTree(dir string) bool {
	for dir, err := filepath.Abs(dir); err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return false
}
