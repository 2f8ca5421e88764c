// Package cli is the babelon command. It connects the command line to its process: the streams, signals and exit code.
package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/babelon/babelon/cli/internal/command"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
	terminal "github.com/babelon/babelon/cli/internal/term"
)

// Main runs babelon with the process's arguments and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)   // a second signal ends the process at once
	signal.Ignore(syscall.SIGPIPE) // a closed pipe is an error like any other

	dir, err := os.Getwd()
	if err != nil {
		return report(fault.Usagef("", "cannot tell the working directory: %w", err))
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
	return report(command.Execute(ctx, connector))
}

// report prints an error and returns the exit code for it.
func report(err error) int {
	if err == nil {
		return 0
	}
	f := &fault.Error{Kind: fault.Failure, Message: err.Error()}
	errors.As(err, &f)
	show("error: " + f.Error())
	if f.Hint != "" {
		show("hint: " + f.Hint)
	}
	return int(f.Kind)
}

// show prints a line to standard error, without the secrets that may have got into it.
func show(line string) {
	fmt.Fprintln(os.Stderr, terminal.Clean(credential.Redact(line)))
}
