package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/babelon/babelon/tests/stack"
)

// minimal is the least that a program with the same command-line library can be.
const minimal = `package main

import "github.com/spf13/cobra"

func main() {
	root := &cobra.Command{Use: "minimal"}
	root.AddCommand(&cobra.Command{Use: "version", Run: func(*cobra.Command, []string) { println("minimal") }})
	_ = root.Execute()
}
`

// cli measures babelon as a whole process.
func (b *bench) cli(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "babelon-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// Inside the module, so that it is built with the same library; the underscore hides it from ./...
	source := filepath.Join(stack.Root(), "tests", "bench", "_minimal")
	if err := os.MkdirAll(source, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(source)
	if err := os.WriteFile(filepath.Join(source, "main.go"), []byte(minimal), 0o644); err != nil {
		return err
	}
	babelon, baseline := filepath.Join(dir, "babelon"), filepath.Join(dir, "minimal")
	for output, from := range map[string]string{babelon: "./cli/babelon", baseline: "./tests/bench/_minimal"} {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", output, from)
		build.Dir = stack.Root()
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", from, err, out)
		}
	}

	var memory int64
	start := func(name string, arguments ...string) func() (float64, error) {
		return func() (float64, error) {
			const times = 20
			began := time.Now()
			for range times {
				command := exec.CommandContext(ctx, name, arguments...)
				command.Dir = dir
				command.Env = []string{"HOME=" + dir, "BABELON_SUPABASE_URL=" + b.project.URL, "BABELON_PUBLISHABLE_KEY=" + b.project.PublishableKey,
					fmt.Sprintf("BABELON_CLIENT_ID=bbl_cid_%016x", 1), fmt.Sprintf("BABELON_API_TOKEN=bbl_tok_%032x", 1)}
				if out, err := command.CombinedOutput(); err != nil {
					return 0, fmt.Errorf("%s: %w\n%s", name, err, out)
				}
				if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok && name == babelon {
					memory = max(memory, usage.Maxrss)
				}
			}
			return float64(time.Since(began).Microseconds()) / 1000 / times, nil
		}
	}
	headers := filepath.Join(dir, "headers")
	content := fmt.Sprintf("apikey: %s\nContent-Profile: babelon\nContent-Type: application/json\nX-Client-Id: bbl_cid_%016x\nX-Api-Token: bbl_tok_%032x\n", b.project.PublishableKey, 1, 1)
	if err := os.WriteFile(headers, []byte(content), 0o600); err != nil {
		return err
	}
	medians, err := b.takeTurns(
		start(baseline, "version"), start(babelon, "version"),
		start("curl", "-sS", "--fail", "-H", "@"+headers, "-d", "{}", b.project.URL+"/rest/v1/rpc/whoami"), start(babelon, "whoami"))
	if err != nil {
		return err
	}
	info, err := os.Stat(babelon)
	if err != nil {
		return err
	}
	b.add("cli: babelon version, against a minimal cobra program", medians[1], "ms", medians[0], "≤ 1.6")
	b.add("cli: babelon whoami, against curl", medians[3], "ms", medians[2], "≤ 1.3")
	b.add("cli: size, stripped", float64(info.Size())/1e6, "MB", 0, "≤ 12")
	b.add("cli: peak memory", float64(memory)/1024, "MB", 0, "")
	return nil
}
