// Package tests drives the real babelon binary and the real API against a real stack: PostgreSQL,
// PostgREST, Auth and a gateway, started once for all tests of the package.
package tests

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/babelon/babelon/tests/stack"
	"github.com/babelon/babelon/tests/stack/containers"
)

var (
	project *stack.Stack         // the Supabase project under test
	docker  *containers.Provider // runs it, where BABELON_STACK is containers
	binary  string               // the babelon that was built for this run
	people  map[string]stack.User
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "babelon-tests-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "babelon")
	if out, err := exec.Command("go", "build", "-o", binary, "../cli/babelon").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building babelon: %w\n%s", err, out)
	}
	var options stack.Options
	if os.Getenv("BABELON_STACK") == "containers" {
		docker = &containers.Provider{}
		options.Provider = docker
	}
	project, err = stack.StartWith(ctx, options)
	if err != nil {
		return 0, err
	}
	defer project.Stop()
	// The operator's own table, and what only the tests look through.
	for _, file := range []string{"supabase/seed.sql", "tests/testdata/operator.sql"} {
		if err := project.ApplySQL(ctx, file); err != nil {
			return 0, err
		}
	}
	people = map[string]stack.User{}
	for _, name := range []string{"owner", "admin", "member", "viewer", "outsider"} {
		people[name], err = project.SignUp(ctx, name+"@example.com", password)
		if err != nil {
			return 0, fmt.Errorf("signing up %s: %w", name, err)
		}
	}
	return m.Run(), nil
}

const password = "correct horse battery staple"
