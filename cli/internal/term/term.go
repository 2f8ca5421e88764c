// Package term talks to the person at the terminal, and to the pipe that stands in for one.
//
// Results go to Out and nothing else does. What is for a person goes to Err: prompts, warnings, notes and
// errors. A question is asked on the terminal itself, so that standard input stays data; where there is no
// terminal nothing is asked, and the command says which flag answers instead. A secret that is typed is
// not shown, and one that is read from a pipe is the first line of it.
package term

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// IO is where a command reads and writes.
type IO struct {
	In         io.Reader
	Out, Err   io.Writer
	IsTerminal bool // Out is a terminal: results are for a person
	Width      int  // of that terminal, in columns; 0 if unknown
	IsWatched  bool // Err is a terminal: a person is there to be told what a wait is for
	Quiet      bool // notes are not wanted
	Now        func() time.Time
}

// Notef writes a line for the person, who can do without it.
func (s *IO) Notef(format string, args ...any) {
	if !s.Quiet {
		fmt.Fprintln(s.Err, Safe(fmt.Sprintf(format, args...)))
	}
}

// Warnf writes a line that the person should not miss.
func (s *IO) Warnf(format string, args ...any) {
	fmt.Fprintln(s.Err, Safe("warning: "+fmt.Sprintf(format, args...)))
}

// Waitf writes a line for the person who is waiting, if there is one.
func (s *IO) Waitf(format string, args ...any) {
	if s.IsWatched {
		s.Notef(format, args...)
	}
}

// Print writes a result.
func (s *IO) Print(text string) error {
	if _, err := io.WriteString(s.Out, text); err != nil {
		return unwritten(err)
	}
	return nil
}

// Close ends the results: some disks and networks fail only then. Again, it does nothing.
func (s *IO) Close() error {
	out, ok := s.Out.(io.Closer)
	if !ok {
		return nil
	}
	if err := out.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return unwritten(err)
	}
	return nil
}

func unwritten(err error) error {
	return &fault.Error{Kind: fault.Failure, Message: "cannot write the result: " + err.Error(), Err: err}
}

// KeepsSecrets returns an error if a secret that is written would be lost: Out is the null device, which also takes the
// place of a standard output that the caller has closed.
func (s *IO) KeepsSecrets() error {
	out, ok := s.Out.(*os.File)
	if !ok {
		return nil
	}
	info, err := out.Stat()
	if err != nil {
		return unwritten(err)
	}
	if null, err := os.Stat(os.DevNull); err == nil && os.SameFile(info, null) {
		return fault.Usagef("Send it to a file or a pipe.", "standard output is closed or %s: the secret would be lost", os.DevNull)
	}
	return nil
}

// A Result is what a command found out. It has a form for each --output.
type Result struct {
	Value  any               // for json
	Header []string          // for table
	Rows   [][]string        // for table
	Shrink []string          // headers of the columns that may be cut to fit a terminal
	Text   map[string]string // for the other formats, by their names
	Secret bool              // it holds a secret
}

// Write writes a result in a format: json, table, or one that the result has as text.
func (s *IO) Write(format string, r Result) error {
	if out, ok := s.Out.(*os.File); ok && r.Secret {
		if info, err := out.Stat(); err == nil && credential.OthersCanRead(info) {
			s.Warnf("a secret goes to a file that others can read: run chmod 600 on it, and umask 077 next time")
		}
	}
	text, ok := r.Text[format]
	switch {
	case ok:
	case format != "json":
		text = s.table(r)
	default:
		indented, err := json.MarshalIndent(r.Value, "", "  ")
		if err != nil {
			return err
		}
		text = string(indented) + "\n"
	}
	if err := s.Print(text); err != nil {
		return err
	}
	return s.Close()
}

// table returns the rows. A person gets them aligned under a header and cut to the terminal's width, a pipe gets
// tab-separated values without a header.
func (s *IO) table(r Result) string {
	var text strings.Builder
	if !s.IsTerminal {
		for _, row := range r.Rows {
			fmt.Fprintln(&text, strings.Join(cleanAll(row), "\t"))
		}
		return text.String()
	}
	rows := [][]string{r.Header}
	for _, row := range r.Rows {
		rows = append(rows, cleanAll(row))
	}
	widths := make([]int, len(r.Header))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], uniseg.StringWidth(cell))
		}
	}
	s.shrink(widths, r)
	for _, row := range rows {
		for i, cell := range row {
			cell = cut(cell, widths[i])
			text.WriteString(cell)
			if i < len(row)-1 {
				text.WriteString(strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell)+len(gap)))
			}
		}
		text.WriteString("\n")
	}
	return text.String()
}

const (
	gap       = "  " // between columns
	narrowest = 8    // columns that a cell is not cut below
)

// shrink makes the widest of the columns that may be cut narrower until the table fits the terminal, if it can.
func (s *IO) shrink(widths []int, r Result) {
	if s.Width == 0 {
		return
	}
	over := len(gap)*(len(widths)-1) - s.Width
	for _, width := range widths {
		over += width
	}
	for ; over > 0; over-- {
		widest := -1
		for i, header := range r.Header {
			if slices.Contains(r.Shrink, header) && widths[i] > narrowest && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// cut returns what of the text fits so many columns, with an ellipsis if that is not all. It cuts between characters as
// people see them.
func cut(text string, width int) string {
	if uniseg.StringWidth(text) <= width {
		return text
	}
	kept, used := "", 1 // for the ellipsis
	for state := -1; text != ""; {
		var character string
		var columns int
		character, text, columns, state = uniseg.FirstGraphemeClusterInString(text, state)
		if used += columns; used > width {
			break
		}
		kept += character
	}
	return kept + "…"
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

// maxShown is how much of a line is shown, in characters: it may quote an argument.
const maxShown = 500

// Safe returns a line as a person may see it: clean, short and without secrets. It may quote what somebody typed or a
// server answered.
func Safe(line string) string { return Shorten(Clean(credential.Redact(line)), maxShown) }

// Shorten cuts text that others wrote to a number of characters, the last of which then is an ellipsis.
func Shorten(text string, length int) string {
	if runes := []rune(text); len(runes) > length {
		return string(runes[:length-1]) + "…"
	}
	return text
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
func (s *IO) SecretFromStdin(ctx context.Context, what string) (credential.Secret, error) {
	line, err := Await(ctx, func() (string, error) {
		return bufio.NewReader(io.LimitReader(s.In, maxLine)).ReadString('\n')
	})
	if errors.Is(err, context.Canceled) {
		return credential.Secret{}, err
	}
	line = strings.TrimRight(line, "\r\n")
	if err != nil && !errors.Is(err, io.EOF) || line == "" {
		return credential.Secret{}, fault.Usagef("", "standard input has no %s", what)
	}
	return credential.NewSecret(line), nil
}

// Await returns what do returns, or the context's error as soon as that ends. It is for a read that nothing else can
// interrupt, and which then goes on for nobody.
func Await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
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
	question = Safe(question) + " "
	return ask(ctx, instead, func(tty *os.File) (string, error) {
		fmt.Fprint(tty, question)
		line, err := bufio.NewReader(io.LimitReader(tty, maxLine)).ReadString('\n')
		if credential.Redact(line) != line { // typed for all to see: up by its rows, and clear the screen from there
			width, _, _ := term.GetSize(int(tty.Fd()))
			rows := (uniseg.StringWidth(question+line)-1)/cmp.Or(width, 80) + 1
			fmt.Fprintf(tty, "\x1b[%dA\r\x1b[J", rows)
		}
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
		line, err := term.NewTerminal(tty, "").ReadPassword(Safe(question) + " ")
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
	text, err := Await(ctx, func() (string, error) { return read(tty) })
	if ctx.Err() != nil {
		_ = term.Restore(int(tty.Fd()), before)
	}
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, context.Canceled):
		fmt.Fprintln(tty)
		return "", &fault.Error{Kind: fault.Interrupted, Message: "interrupted", Err: err}
	case err != nil:
		return "", fmt.Errorf("reading from the terminal: %w", err)
	}
	return text, nil
}
