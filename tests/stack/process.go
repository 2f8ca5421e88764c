package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

// nobody runs PostgreSQL when the stack runs as root, because PostgreSQL refuses to.
const nobody = 65534

var errPortTaken = errors.New("its port was taken meanwhile")

// A process is a part of the stack that runs as a program of its own. A log holds what it prints.
type process struct {
	command *exec.Cmd
	log     string
	done    chan struct{} // closed when it has ended
}

// UntilStopped returns a context for the whole life of a program that starts a stack. It ends with a signal that asks the
// program to end, and with the process that started the program: `go run` and a killed make do not pass a signal on.
func UntilStopped() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	parent := os.Getppid()
	ctx, cancel := CancelWhen(ctx, func() bool { return os.Getppid() != parent })
	return ctx, func() { cancel(); stop() }
}

// CancelWhen returns a context that ends soon after a condition holds.
func CancelWhen(ctx context.Context, condition func() bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for !condition() {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
		cancel()
	}()
	return ctx, cancel
}

// removeSoon removes the folder $0. Other programs may still write to it for a while, so it tries again.
const removeSoon = `for try in 1 2 3 4 5; do rm -rf "$0" && exit; sleep 1; done; exit 1`

// AtExit starts a shell that runs a script, with an argument as $0, when this program ends, even by SIGKILL: the shell waits
// for the end of its input, which only this program holds open. The function that it returns runs the script now.
func AtExit(script, argument string) (func() error, error) {
	command := exec.Command("/bin/sh", "-c", "cat; "+script, argument)
	command.Dir = "/"
	command.SysProcAttr = attributes(0, 0) // but it outlives this program
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	return func() error {
		_ = input.Close()
		if err := command.Wait(); err != nil {
			return fmt.Errorf("removing %s: %w", argument, err)
		}
		return nil
	}, nil
}

// launch starts a command that ends with this program, even by SIGKILL.
func (s *Stack) launch(name string, command *exec.Cmd) (*process, error) {
	p := &process{command: command, log: filepath.Join(s.Dir, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log

	started := make(chan error)
	go func() {
		// The kernel signals the process when the thread that started it ends, so this thread stays until the process ends.
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// end sends a signal, waits ten seconds, and then kills the process.
func (p *process) end(signal os.Signal) func() error {
	return func() error {
		if err := p.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		select {
		case <-p.done:
		case <-time.After(10 * time.Second):
			_ = p.command.Process.Kill()
			<-p.done
		}
		return nil
	}
}

var portTaken = regexp.MustCompile(`(?i)address already in use|EADDRINUSE|resource busy`)

// failed adds the last lines of the process's log to err.
func (p *process) failed(err error) error {
	said := lastLines(p.log)
	if portTaken.MatchString(said) {
		err = errPortTaken
	}
	return fmt.Errorf("%w\n%s", err, said)
}
