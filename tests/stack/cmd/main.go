// Command cmd keeps a stack up for development until it is interrupted, and leaves nothing behind, however it ends.
//
//	.stack/up   exists from the start. The stack ends when this file goes. An interrupted make removes it, because the file is
//	            make's target; make passes no SIGINT or SIGHUP on to the program that it waits for.
//	.stack/env  holds the addresses and keys, once everything is ready.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/babelon/babelon/tests/stack"
)

const (
	email    = "owner@example.com"
	password = "correct horse battery staple"
)

func main() {
	ctx, stop := stack.UntilStopped()
	err := run(ctx)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "stack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir := filepath.Join(stack.Root(), ".stack")
	up, env := filepath.Join(dir, "up"), filepath.Join(dir, "env")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(up, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	// A stack that was started here since keeps its folder.
	sweep, err := stack.AtExit(fmt.Sprintf(`case "$(cat "$0/up")" in %d|"") rm -rf "$0" ;; esac`, os.Getpid()), dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sweep()) }()
	ctx, cancel := stack.CancelWhen(ctx, func() bool {
		_, err := os.Stat(up)
		return errors.Is(err, fs.ErrNotExist)
	})
	defer cancel()

	project, err := stack.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, project.Stop()) }()
	if err := project.ApplySQL(ctx, "supabase/seed.sql"); err != nil {
		return err
	}
	organization, err := createOrganization(ctx, project)
	if err != nil {
		return fmt.Errorf("creating an organization: %w", err)
	}

	lines := append(project.Environ(),
		"OWNER_EMAIL="+email, "OWNER_PASSWORD='"+password+"'", "ORGANIZATION_ID="+organization, "")
	if err := os.WriteFile(env, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return err
	}
	fmt.Printf("Ready at %s. In another shell: set -a; . .stack/env; set +a. Ctrl-C ends it and leaves nothing behind.\n", project.URL)
	return collect(ctx, project)
}

// collect does what a scheduler does in a project with pg_cron, until the context ends.
func collect(ctx context.Context, project *stack.Stack) error {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := project.CollectUsage(ctx); err != nil && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "stack: collecting the usage journal:", err)
			}
		}
	}
}

// createOrganization signs the owner up and makes their organization. Returns its id.
func createOrganization(ctx context.Context, project *stack.Stack) (string, error) {
	owner, err := project.SignUp(ctx, email, password)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, project.URL+"/rest/v1/rpc/create_organization", bytes.NewBufferString(`{"name": "Example"}`))
	if err != nil {
		return "", err
	}
	request.Header.Set("apikey", project.PublishableKey)
	request.Header.Set("Authorization", "Bearer "+owner.AccessToken)
	request.Header.Set("Content-Profile", "babelon")
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	var made struct{ ID string }
	if err := json.Unmarshal(answer, &made); err != nil || made.ID == "" {
		return "", fmt.Errorf("%s: %s", response.Status, answer)
	}
	return made.ID, nil
}
