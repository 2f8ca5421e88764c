// Package fault holds the error type that the command line explains to its user.
package fault

import (
	"errors"
	"fmt"
)

// A Kind is a kind of failure. Its value is the exit code of the process.
type Kind int

// The kinds of failure, as documented in the help text.
const (
	Failure        Kind = 1   // the server understood and refused, or the result could not be delivered
	Usage          Kind = 2   // the command line or the configuration is wrong; nothing was done
	Authentication Kind = 4   // the credentials were not accepted
	Unavailable    Kind = 5   // no usable answer; the same call may work later
	Interrupted    Kind = 130 // the user stopped it
)

// An Error is a failure that the user can act on.
type Error struct {
	Kind    Kind
	Status  int    // HTTP status of the answer; 0 when there was none
	Code    string // the server's code, such as BBL_FORBIDDEN; may be empty
	Message string // lower case, one line, never with a secret
	Hint    string // what to do next; may be empty
	Err     error  // the cause; may be nil

	Uncertain bool // the server may have done what it was asked for all the same
}

// Error returns the message, with the server's code if there is one.
func (e *Error) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return e.Message + " (" + e.Code + ")"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Usagef returns an error of kind Usage.
func Usagef(hint, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: Usage, Message: err.Error(), Hint: hint, Err: errors.Unwrap(err)}
}
