// Command cmd keeps a stack up for development, with its addresses and keys in .stack/env, until it is
// interrupted.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/babelon/babelon/tests/stack"
)

const (
	email    = "owner@example.com"
	password = "correct horse battery staple"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "stack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
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

	file := filepath.Join(stack.Root(), ".stack", "env")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	lines := append(project.Environ(),
		"OWNER_EMAIL="+email, "OWNER_PASSWORD='"+password+"'", "ORGANIZATION_ID="+organization, "")
	env := []byte(strings.Join(lines, "\n"))
	if err := os.WriteFile(file, env, 0o600); err != nil {
		return err
	}
	defer func() {
		if now, err := os.ReadFile(file); err == nil && bytes.Equal(now, env) { // and not of a stack started since
			_ = os.RemoveAll(filepath.Dir(file))
		}
	}()
	fmt.Printf("Ready at %s. In another shell: set -a; . .stack/env; set +a. Ctrl-C ends it and leaves nothing behind.\n", project.URL)
	<-ctx.Done()
	return nil
}

// createOrganization signs the owner up and makes an organization of theirs. Returns its id.
func createOrganization(ctx context.Context, project *stack.Stack) (string, error) {
	owner, err := project.SignUp(ctx, email, password)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, project.URL+"/rest/v1/rpc/create_organization", bytes.NewBufferString(`{"name": "Acme"}`))
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
