// Package credential holds what a caller authenticates with, a token pair or a person's session, and knows what a
// secret looks like.
package credential

import (
	"errors"
	"fmt"
	"strings"
)

const (
	clientIDPrefix = "bbl_cid_"
	secretPrefix   = "bbl_tok_"

	clientIDDigits = 16
	secretDigits   = 32

	// sampleDigits begins both halves of the pair in the documentation. It is not hexadecimal, so no real pair has it.
	sampleDigits = "a1b2c3d4e5f6g7h8"
)

// A Pair is an API token: its public client ID and its secret.
type Pair struct {
	ClientID string
	Secret   Secret
}

// ErrSample is returned for a value that was copied from the documentation.
var ErrSample = errors.New("is the sample value; put your own in its place")

// CheckClientID returns nil if text is a well-formed client ID. Its errors say what is wrong without quoting text.
func CheckClientID(text string) error {
	if strings.HasPrefix(text, secretPrefix) {
		return errors.New("holds an API token: the client ID (bbl_cid_) and the API token (bbl_tok_) are swapped")
	}
	return check(text, clientIDPrefix, clientIDDigits)
}

// CheckSecret returns nil if text is a well-formed API token. Its errors say what is wrong without quoting text.
func CheckSecret(text string) error {
	if strings.HasPrefix(text, clientIDPrefix) {
		return errors.New("holds a client ID: the client ID (bbl_cid_) and the API token (bbl_tok_) are swapped")
	}
	return check(text, secretPrefix, secretDigits)
}

func check(text, prefix string, digits int) error {
	rest, ok := strings.CutPrefix(text, prefix)
	if ok && (strings.HasPrefix(rest, sampleDigits) || strings.HasSuffix(rest, "…") || strings.HasSuffix(rest, "...")) {
		return ErrSample
	}
	if !ok || len(rest) != digits || strings.Trim(rest, "0123456789abcdef") != "" {
		return fmt.Errorf("should be %s followed by %d lowercase hexadecimal digits", prefix, digits)
	}
	return nil
}
