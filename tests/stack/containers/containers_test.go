package containers

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/babelon/babelon/tests/stack"
)

// startAndWait, in the environment, makes this test binary a program that only keeps a stack up.
const startAndWait = "BABELON_STACK_START_AND_WAIT"

func TestMain(m *testing.M) {
	if os.Getenv(startAndWait) == "" {
		os.Exit(m.Run())
	}
	p := &Provider{}
	if _, err := stack.StartWith(context.Background(), stack.Options{Provider: p}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(p.label)
	select {}
}

func TestWithout_Docker_one_sentence_says_what_is_missing(t *testing.T) {
	empty, command := t.TempDir(), t.TempDir()
	if err := os.WriteFile(command+"/docker", []byte("#!/bin/sh\necho Client: 20\necho Cannot connect >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		empty:   "the containers need Docker, and the command docker is not installed",
		command: "the containers need Docker: Cannot connect",
	} {
		t.Setenv("PATH", path)
		_, err := (&Provider{}).StartPostgres(t.Context(), &stack.Stack{})
		if err == nil || err.Error() != want {
			t.Errorf("the error is %q, want %q", err, want)
		}
	}
}

func TestA_killed_program_leaves_nothing_in_Docker(t *testing.T) {
	if os.Getenv("BABELON_STACK") != "containers" {
		t.Skip("make test-containers runs it")
	}
	program := exec.Command(os.Args[0])
	program.Env = append(os.Environ(), startAndWait+"=1")
	program.Stderr = os.Stderr
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	label, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the stack did not start: %v", err)
	}
	label = strings.TrimSpace(label)
	if left := inDocker(t, label); len(left) != 6 {
		t.Errorf("five containers and a network are %q", left)
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = program.Wait() // says that it was killed
	deadline := time.Now().Add(30 * time.Second)
	for left := inDocker(t, label); len(left) > 0; left = inDocker(t, label) {
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %q", left)
		}
	}
}

// inDocker returns the containers and networks with a label.
func inDocker(t *testing.T, label string) (found []string) {
	t.Helper()
	for _, list := range []string{"ps --all --quiet", "network ls --quiet"} {
		out, err := exec.Command("docker", append(strings.Fields(list), "--filter", "label="+label)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, strings.Fields(string(out))...)
	}
	return found
}
