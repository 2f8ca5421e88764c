// Package cli is the babelon command. It connects the command line to its process: the streams, signals and exit code.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/babelon/babelon/cli/internal/client"
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
	signal.Ignore(syscall.SIGPIPE) // a closed pipe is an error like any other

	dir, err := os.Getwd()
	if err != nil {
		return report(fault.Usagef("", "cannot tell the working directory: %w", err))
	}
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		width = 0
	}
	connector := &connect.Connector{
		IO: &terminal.IO{
			In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
			IsTerminal: term.IsTerminal(int(os.Stdout.Fd())),
			Width:      width,
			IsWatched:  term.IsTerminal(int(os.Stderr.Fd())),
			Now:        time.Now,
		},
		Source:    config.Source{Getenv: os.Getenv, Dir: dir},
		Transport: client.NewTransport(),
	}
	done := make(chan error, 1)
	go func() {
		err := command.Execute(ctx, connector)
		if err == nil {
			err = connector.IO.Close()
		}
		done <- err
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done:
		case <-time.After(grace): // it hangs where nothing can interrupt it, such as writing to a pipe that nobody reads
			err = &fault.Error{Kind: fault.Interrupted, Message: "interrupted"}
		}
	}
	return report(err)
}

// grace is how long an interrupted command may go on, in which babelon settings finishes the requests under way.
const grace = 6 * time.Second

// report prints an error and returns the exit code for it.
func report(err error) int {
	if err == nil {
		return 0
	}
	f := &fault.Error{Kind: fault.Failure, Message: err.Error()}
	errors.As(err, &f)
	fmt.Fprintln(os.Stderr, terminal.Safe("error: "+f.Error()))
	if f.Hint != "" {
		fmt.Fprintln(os.Stderr, terminal.Safe("hint: "+f.Hint))
	}
	return int(f.Kind)
}
