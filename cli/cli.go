// Package cli is the babelon command: it connects the command line to the process around it, its streams,
// signals and exit code.
package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/babelon/babelon/cli/internal/command"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/fault"
	terminal "github.com/babelon/babelon/cli/internal/term"
)

// Main runs babelon with the process's arguments and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)   // a second signal ends the process at once
	signal.Ignore(syscall.SIGPIPE) // a reader that went away is an error like any other

	dir, err := os.Getwd()
	if err != nil {
		return report(ctx, fault.Usagef("", "cannot tell the working directory: %w", err))
	}
	connector := &connect.Connector{
		IO: &terminal.IO{
			In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
			IsTerminal: term.IsTerminal(int(os.Stdout.Fd())),
			Now:        time.Now,
		},
		Source: config.Source{Getenv: os.Getenv, Dir: dir},
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    10 * time.Second,
			MaxResponseHeaderBytes: 256 << 10,
		},
	}
	return report(ctx, command.New(connector).ExecuteContext(ctx))
}

// report prints an error and returns the exit code for it.
func report(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		// Cobra's, about the command line; it may suggest commands on further lines.
		message, more, _ := strings.Cut(err.Error(), "\n")
		f = fault.Usagef(strings.Join(strings.Fields(more+" Run `babelon --help`."), " "), "%s", message)
	}
	if ctx.Err() != nil {
		f = &fault.Error{Kind: fault.Interrupted, Message: "interrupted"}
	}
	fmt.Fprintln(os.Stderr, "error:", f)
	if f.Hint != "" {
		fmt.Fprintln(os.Stderr, "hint:", f.Hint)
	}
	return int(f.Kind)
}
