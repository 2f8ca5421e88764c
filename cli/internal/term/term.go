// Package term talks to the person at the terminal, and to the pipe that stands in for one.
//
// Results go to Out and nothing else does. What is for a person goes to Err: prompts, warnings, notes and
// errors. A question is asked on the terminal itself, so that standard input stays data; where there is no
// terminal nothing is asked, and the command says which flag answers instead. A secret that is typed is
// not shown, and one that is read from a pipe is the first line of it.
package term

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// IO is where a command reads and writes.
type IO struct {
	In         io.Reader
	Out, Err   io.Writer
	IsTerminal bool // Out is a terminal: results are for a person
	Now        func() time.Time
}

// Notef writes a line for the person.
func (s *IO) Notef(format string, args ...any) {
	fmt.Fprintln(s.Err, Clean(fmt.Sprintf(format, args...)))
}

// Print writes a result.
func (s *IO) Print(text string) error {
	if _, err := io.WriteString(s.Out, text); err != nil {
		return &fault.Error{Kind: fault.Failure, Message: "cannot write the result: " + err.Error(), Err: err}
	}
	return nil
}

// A Result is what a command found out. It has a form for each --output.
type Result struct {
	Value  any               // for json
	Header []string          // for table
	Rows   [][]string        // for table
	Text   map[string]string // for the other formats, by their names
	Secret bool              // it holds a secret
}

// Write writes a result in a format: json, table, or one that the result has as text.
func (s *IO) Write(format string, r Result) error {
	if out, ok := s.Out.(*os.File); ok && r.Secret {
		if info, err := out.Stat(); err == nil && credential.OthersCanRead(info) {
			s.Notef("warning: a secret goes to a file that others can read; run: chmod 600 on it, and umask 077 before the next time")
		}
	}
	text, ok := r.Text[format]
	switch {
	case ok:
		return s.Print(text)
	case format != "json":
		return s.Table(r.Header, r.Rows)
	}
	indented, err := json.MarshalIndent(r.Value, "", "  ")
	if err != nil {
		return err
	}
	return s.Print(string(indented) + "\n")
}

// Table writes rows. A person gets them aligned under a header, a pipe gets tab-separated values without one.
func (s *IO) Table(header []string, rows [][]string) error {
	var text strings.Builder
	if !s.IsTerminal {
		for _, row := range rows {
			fmt.Fprintln(&text, strings.Join(cleanAll(row), "\t"))
		}
		return s.Print(text.String())
	}
	aligned := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		fmt.Fprintln(aligned, strings.Join(cleanAll(row), "\t"))
	}
	_ = aligned.Flush() // into memory
	return s.Print(text.String())
}

func cleanAll(row []string) []string {
	cells := make([]string, len(row))
	for i, cell := range row {
		cells[i] = Clean(cell)
	}
	return cells
}

// Clean makes text that others wrote, such as a name, safe to show: a character that would break the line, move the
// cursor or turn the direction of reading becomes a replacement character.
func Clean(text string) string {
	const joiner = '\u200D' // within emoji
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && r != joiner {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// Time formats a time for a table. A person reads how long ago it was, or "never"; a pipe gets RFC 3339, or nothing.
func (s *IO) Time(t *time.Time) string {
	switch {
	case t == nil && s.IsTerminal:
		return "never"
	case t == nil:
		return ""
	case !s.IsTerminal:
		return t.UTC().Format(time.RFC3339)
	}
	return Ago(s.Now(), *t)
}

// Ago returns how long ago a time was, in words. After a month it is the date.
func Ago(now, t time.Time) string {
	switch ago := now.Sub(t); {
	case ago < time.Minute:
		return "just now"
	case ago < time.Hour:
		return fmt.Sprintf("%d min ago", ago/time.Minute)
	case ago < 48*time.Hour:
		return fmt.Sprintf("%d h ago", ago/time.Hour)
	case ago < 30*24*time.Hour:
		return fmt.Sprintf("%d days ago", ago/(24*time.Hour))
	default:
		return t.Local().Format(time.DateOnly)
	}
}

// maxLine is more than any answer or secret needs.
const maxLine = 4 << 10

// SecretFromStdin reads the first line of standard input.
func (s *IO) SecretFromStdin(what string) (credential.Secret, error) {
	line, err := bufio.NewReader(io.LimitReader(s.In, maxLine)).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if err != nil && !errors.Is(err, io.EOF) || line == "" {
		return credential.Secret{}, fault.Usagef("", "standard input has no %s", what)
	}
	return credential.NewSecret(line), nil
}

// Confirm asks a yes-or-no question and returns an error unless the answer is yes: refused is what was then not done.
// instead is the hint where there is nobody to answer.
func (s *IO) Confirm(ctx context.Context, question, instead, refused string) error {
	answer, err := s.Line(ctx, question+" [y/N]", instead)
	if answer = strings.ToLower(answer); err != nil || answer == "y" || answer == "yes" {
		return err
	}
	return &fault.Error{Kind: fault.Failure, Message: refused}
}

// Line asks for a line of text and returns it without the white space around it.
func (s *IO) Line(ctx context.Context, question, instead string) (string, error) {
	return ask(ctx, instead, func(tty *os.File) (string, error) {
		fmt.Fprint(tty, Clean(question), " ")
		line, err := bufio.NewReader(io.LimitReader(tty, maxLine)).ReadString('\n')
		return strings.TrimSpace(line), err
	})
}

// Secret asks for a secret, without showing what is typed.
func (s *IO) Secret(ctx context.Context, question, instead string) (credential.Secret, error) {
	answer, err := ask(ctx, instead, func(tty *os.File) (string, error) {
		// Raw before the question is shown, because somebody quick types ahead.
		before, err := term.MakeRaw(int(tty.Fd()))
		if err != nil {
			return "", err
		}
		line, err := term.NewTerminal(tty, "").ReadPassword(Clean(question) + " ")
		return line, errors.Join(err, term.Restore(int(tty.Fd()), before))
	})
	return credential.NewSecret(answer), err
}

// ask opens the terminal and reads an answer from it. An interrupt or the end of input ends it at once, and the
// terminal is as it was before.
func ask(ctx context.Context, instead string, read func(tty *os.File) (string, error)) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", fault.Usagef(instead, "there is no terminal to ask on")
	}
	defer tty.Close()
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return "", fmt.Errorf("reading the terminal's state: %w", err)
	}
	type result struct {
		text string
		err  error
	}
	answered := make(chan result, 1)
	go func() {
		text, err := read(tty)
		answered <- result{text, err}
	}()
	var r result
	select {
	case r = <-answered:
	case <-ctx.Done():
		_ = term.Restore(int(tty.Fd()), before)
		r.err = ctx.Err()
	}
	switch {
	case errors.Is(r.err, io.EOF) || errors.Is(r.err, context.Canceled):
		fmt.Fprintln(tty)
		return "", &fault.Error{Kind: fault.Interrupted, Message: "interrupted", Err: r.err}
	case r.err != nil:
		return "", fmt.Errorf("reading from the terminal: %w", r.err)
	}
	return r.text, nil
}
