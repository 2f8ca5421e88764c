package client

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// An answer is what a function or view of ours returns.
type answer interface {
	// valid returns nil if the server sent what Babelon sends: JSON leaves what is missing, and null, at zero.
	// Its errors quote nothing.
	valid() error
}

// decode reads the answer of an exchange.
func decode[Answer answer](e *exchange) (Answer, error) {
	var a Answer
	if json.Unmarshal(e.body, &a) != nil { // its error would quote the answer
		return a, e.foreign("it has another form")
	}
	if err := a.valid(); err != nil {
		return a, e.foreign(err.Error())
	}
	return a, nil
}

// foreign returns the error for a successful answer that Babelon does not give.
func (e *exchange) foreign(why string) error {
	return &fault.Error{Kind: fault.Unavailable, Status: e.status, Uncertain: true,
		Message: "the answer is not what Babelon returns: " + why,
		Hint:    "Is supabase_url the URL of a Supabase project with Babelon installed, and as new as this command line?"}
}

// Identity is the caller as the server knows it.
type Identity struct {
	Kind             string  `json:"kind"` // token, user or service
	OrganizationID   *string `json:"organization_id"`
	OrganizationName *string `json:"organization_name"`
	Role             *string `json:"role"`
	ClientID         *string `json:"client_id"`
	TokenName        *string `json:"token_name"`
	UserID           *string `json:"user_id"`
	Email            *string `json:"email"`

	// Whether Babelon keeps the project's organizations and members, so that they can be changed here.
	KeepsOrganizations bool `json:"keeps_organizations"`
}

func (i Identity) valid() error {
	switch {
	case i.Kind == "token" && (i.ClientID == nil || credential.CheckClientID(*i.ClientID) != nil):
		return errors.New("the token has no client ID")
	case i.Kind == "user" && (i.UserID == nil || !config.IsUUID(*i.UserID)):
		return errors.New("the user has no ID")
	case !slices.Contains([]string{"token", "user", "service"}, i.Kind):
		return errors.New("the kind is none of token, user and service")
	case i.OrganizationID != nil && !config.IsUUID(*i.OrganizationID):
		return errors.New("an organization has no ID")
	}
	return nil
}

// Organization is a tenant; Role is the caller's in it.
type Organization struct {
	ID   string  `json:"id"`
	Name string  `json:"name"`
	Role *string `json:"role"`
}

func (o Organization) key() []string     { return []string{o.ID} }
func (o Organization) columns() []string { return []string{"id"} }

func (o Organization) valid() error {
	if !config.IsUUID(o.ID) {
		return errors.New("an organization has no ID")
	}
	return nil
}

// Member is somebody in an organization.
type Member struct {
	OrganizationID string  `json:"organization_id"`
	UserID         string  `json:"user_id"`
	Email          *string `json:"email"`
	Role           string  `json:"role"`
}

func (m Member) key() []string     { return []string{m.OrganizationID, m.UserID} }
func (m Member) columns() []string { return []string{"organization_id", "user_id"} }

func (m Member) valid() error {
	switch {
	case !config.IsUUID(m.OrganizationID) || !config.IsUUID(m.UserID):
		return errors.New("a member has no ID")
	case m.Role == "":
		return errors.New("a member has no role")
	}
	return nil
}

// email returns the address to sort by. Members without one come last.
func (m Member) email() string {
	if m.Email == nil {
		return "\U0010FFFF"
	}
	return strings.ToLower(*m.Email)
}

// Token is a token as lists show it, without its secret.
type Token struct {
	ClientID       string     `json:"client_id"`
	OrganizationID string     `json:"organization_id"`
	Name           string     `json:"name"`
	Role           string     `json:"role"`
	State          string     `json:"state"` // active or revoked
	CreatedAt      time.Time  `json:"created_at"`
	CreatedBy      *string    `json:"created_by"`      // a person's id; nil if a token or a backend made it
	CreatedByRole  *string    `json:"created_by_role"` // that person's role today; nil if they are no longer a member
	CreatedByEmail *string    `json:"created_by_email"`
	LastUsedAt     *time.Time `json:"last_used_at"`
	Uses           int64      `json:"uses"`
	LastDeniedAt   *time.Time `json:"last_denied_at"` // somebody still has the secret of a revoked token
	Denials        int64      `json:"denials"`
	UsageAsOf      *time.Time `json:"usage_as_of"`          // uses are known until then; nil if read-only requests are not counted
	MissingBefore  *time.Time `json:"usage_missing_before"` // uses before then may be missing
	RevokedAt      *time.Time `json:"revoked_at"`
}

// UsageNote says what a list does not know of the tokens' use, or returns "".
func UsageNote(tokens []Token, now time.Time) string {
	for _, t := range tokens {
		switch {
		case t.UsageAsOf == nil:
			return "Requests that only read are not counted in this project."
		case now.Sub(*t.UsageAsOf) > time.Minute:
			return "Uses since " + t.UsageAsOf.UTC().Format(time.DateTime) + " UTC are not counted yet."
		case t.MissingBefore != nil:
			return "Uses before " + t.MissingBefore.UTC().Format(time.DateTime) + " UTC may be missing."
		}
	}
	return ""
}

func (t Token) key() []string     { return []string{t.ClientID} }
func (t Token) columns() []string { return []string{"client_id"} }

func (t Token) valid() error {
	switch {
	case credential.CheckClientID(t.ClientID) != nil || !config.IsUUID(t.OrganizationID):
		return errors.New("a token has no ID")
	case t.Role == "" || t.State == "" || t.CreatedAt.IsZero():
		return errors.New("a token has no role, state or time")
	}
	return nil
}

// rank returns the token's place in a list by its state.
func (t Token) rank() int {
	if t.State == Active {
		return 0
	}
	return 1
}

// The states of a token. The server decides which one it is in.
const (
	Active  = "active"
	Revoked = "revoked"
)

// Status returns the token's state and, if there is one, its note.
func (t Token) Status() string {
	if note := t.Note(); note != "" {
		return t.State + ", " + note
	}
	return t.State
}

// Note returns what an admin should know about the token in its state, or "".
func (t Token) Note() string {
	switch {
	case t.State != Active && t.Denials > 0:
		return "still tried"
	case t.State != Active || t.CreatedBy == nil:
		return ""
	case t.CreatedByRole == nil:
		return "its maker is no longer a member"
	case *t.CreatedByRole != "admin" && *t.CreatedByRole != "owner":
		return "its maker is no longer an admin"
	}
	return ""
}

// GeneratedToken is a new token with its secret, which no other answer has.
type GeneratedToken struct {
	ClientID       string            `json:"client_id"`
	APIToken       credential.Secret `json:"api_token"`
	Name           string            `json:"name"`
	Role           string            `json:"role"`
	OrganizationID string            `json:"organization_id"`
	CreatedAt      time.Time         `json:"created_at"`
}

// valid checks the forms too: they go into files and shells without quotes.
func (g GeneratedToken) valid() error {
	switch {
	case credential.CheckClientID(g.ClientID) != nil || credential.CheckSecret(g.APIToken.Reveal()) != nil:
		return errors.New("it is no token pair")
	case !config.IsUUID(g.OrganizationID) || g.Role == "" || g.CreatedAt.IsZero():
		return errors.New("the token has no organization, role or time")
	}
	return nil
}
