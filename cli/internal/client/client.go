// Package client calls Babelon's functions in a Supabase project. Every failure is a *fault.Error.
package client

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/supabase-community/postgrest-go"

	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// A Client talks to one project as one caller: a token pair, a person, or nobody yet.
type Client struct {
	project   *config.Config
	transport http.RoundTripper
	now       func() time.Time

	pair        credential.Pair   // zero if none
	tenantID    string            // asserted to be the pair's; empty if none
	accessToken credential.Secret // a person's; zero if none
}

// New returns a client of the configured project that has no caller yet.
func New(project *config.Config, transport http.RoundTripper, now func() time.Time) *Client {
	return &Client{project: project, transport: transport, now: now}
}

// WithPair returns a client that calls as a token. tenantID, unless "", is asserted to be the token's.
func (c *Client) WithPair(pair credential.Pair, tenantID string) *Client {
	return &Client{project: c.project, transport: c.transport, now: c.now, pair: pair, tenantID: tenantID}
}

// WithSession returns a client that calls as a person.
func (c *Client) WithSession(accessToken credential.Secret) *Client {
	return &Client{project: c.project, transport: c.transport, now: c.now, accessToken: accessToken}
}

// authorize sets the credentials on a request, in place of any that a library has set.
func (c *Client) authorize(header http.Header) {
	set := func(name, value string) {
		if header.Del(name); value != "" {
			header.Set(name, value)
		}
	}
	set("apikey", c.project.PublishableKey)
	set("X-Client-Id", c.pair.ClientID)
	set("X-Api-Token", c.pair.Secret.Reveal())
	set("X-Tenant-Id", c.tenantID)
	set("Authorization", "")
	if token := c.accessToken.Reveal(); token != "" {
		set("Authorization", "Bearer "+token)
	}
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
}

// Organization is a tenant; Role is the caller's in it.
type Organization struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      *string   `json:"role"`
	CreatedAt time.Time `json:"created_at"`
}

// Member is somebody in an organization.
type Member struct {
	OrganizationID string    `json:"organization_id"`
	UserID         string    `json:"user_id"`
	Email          *string   `json:"email"`
	Role           string    `json:"role"`
	CreatedAt      time.Time `json:"created_at"`
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
	UsageAsOf      *time.Time `json:"usage_as_of"` // nil if read-only requests are not counted
	RevokedAt      *time.Time `json:"revoked_at"`
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

// Whoami returns the caller as the server knows it.
func (c *Client) Whoami(ctx context.Context) (Identity, error) {
	return call[Identity](ctx, c, "whoami", struct{}{}, true)
}

// CreateOrganization makes an organization that the caller, a person, owns.
func (c *Client) CreateOrganization(ctx context.Context, name string) (Organization, error) {
	return call[Organization](ctx, c, "create_organization", struct {
		Name string `json:"name"`
	}{name}, false)
}

// Organizations returns the organizations that the caller belongs to.
func (c *Client) Organizations(ctx context.Context) ([]Organization, error) {
	return pages[Organization](func(page url.Values) (*exchange, error) {
		page.Set("order", "name,id")
		return c.view(ctx, "organizations", page)
	})
}

// Members returns the members of an organization, or of all the caller's when organizationID is "".
func (c *Client) Members(ctx context.Context, organizationID string) ([]Member, error) {
	return pages[Member](func(page url.Values) (*exchange, error) {
		page.Set("order", "email,organization_id,user_id")
		if organizationID != "" {
			page.Set("organization_id", "eq."+organizationID)
		}
		return c.view(ctx, "members", page)
	})
}

// inOrganization names the organization in a function's arguments. Without it, it is the caller's only one.
type inOrganization struct {
	OrganizationID string `json:"organization_id,omitempty"`
}

// SetMember adds somebody to an organization, or changes their role in it.
func (c *Client) SetMember(ctx context.Context, organizationID, email, role string) (Member, error) {
	return call[Member](ctx, c, "set_member", struct {
		inOrganization
		Email string `json:"email"`
		Role  string `json:"role"`
	}{inOrganization{organizationID}, email, role}, true)
}

// RemoveMember removes somebody from an organization. It is not sent again after a lost answer, because the second
// answer would be that there is no such member.
func (c *Client) RemoveMember(ctx context.Context, organizationID, email string) error {
	_, err := c.rpc(ctx, ourSchema, "remove_member", struct {
		inOrganization
		Email string `json:"email"`
	}{inOrganization{organizationID}, email}, request{})
	return err
}

// GenerateToken makes a token. requestID, a UUID, is the idempotency key: sent again, it replaces what it made.
func (c *Client) GenerateToken(ctx context.Context, organizationID, name, role, requestID string) (GeneratedToken, error) {
	made, err := call[GeneratedToken](ctx, c, "generate_api_token", struct {
		inOrganization
		Name      string `json:"name"`
		Role      string `json:"role"`
		RequestID string `json:"request_id"`
	}{inOrganization{organizationID}, name, role, requestID}, true)
	if err != nil {
		return made, err
	}
	// They go into files and shells without quotes, so their form is checked.
	if credential.CheckClientID(made.ClientID) != nil || credential.CheckSecret(made.APIToken.Reveal()) != nil || !config.IsUUID(made.OrganizationID) {
		return made, &fault.Error{Kind: fault.Unavailable, Message: "the answer is not a token pair"}
	}
	return made, nil
}

// Tokens returns the tokens of an organization, active ones first, newest first.
func (c *Client) Tokens(ctx context.Context, organizationID string) ([]Token, error) {
	return pages[Token](func(page url.Values) (*exchange, error) {
		return c.rpc(ctx, ourSchema, "list_api_tokens", inOrganization{organizationID}, request{idempotent: true, query: page})
	})
}

// RevokeToken revokes a token for good; again, it changes nothing.
func (c *Client) RevokeToken(ctx context.Context, clientID string) (Token, error) {
	return call[Token](ctx, c, "revoke_api_token", struct {
		ClientID string `json:"client_id"`
	}{clientID}, true)
}

var functionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// RPC calls any function of an exposed schema and returns the body of the answer as it came. arguments is a JSON
// object. It is sent once, because only the function's author knows whether twice would be the same.
func (c *Client) RPC(ctx context.Context, schema, function string, arguments any) ([]byte, error) {
	for what, name := range map[string]string{"function": function, "schema": schema} {
		if !functionName.MatchString(name) { // the library would let one leave /rpc, or become a query
			return nil, fault.Usagef("", "%q is not the name of a %s", name, what)
		}
	}
	e, err := c.rpc(ctx, schema, function, arguments, request{limit: maxRawBody})
	if err != nil {
		return nil, err
	}
	return e.body, nil
}

// ourSchema is the exposed schema with Babelon's functions and views.
const ourSchema = "babelon"

// call calls a function of ours that returns one object.
func call[Result any](ctx context.Context, c *Client, function string, arguments any, idempotent bool) (result Result, err error) {
	e, err := c.rpc(ctx, ourSchema, function, arguments, request{idempotent: idempotent})
	if err == nil {
		err = e.decode(&result)
	}
	return result, err
}

func (c *Client) rpc(ctx context.Context, schema, function string, arguments any, r request) (*exchange, error) {
	e := c.exchange(ctx, r)
	count := ""
	if r.query != nil {
		count = countAll
	}
	library := c.postgrest(schema, e)
	library.Rpc(function, count, arguments)
	return e.result(library.ClientError)
}

func (c *Client) view(ctx context.Context, name string, query url.Values) (*exchange, error) {
	e := c.exchange(ctx, request{idempotent: true, query: query})
	_, _, err := c.postgrest(ourSchema, e).From(name).Select("*", countAll, false).Execute()
	return e.result(err)
}

// postgrest returns the library's client for one call, because an error would stick to it.
func (c *Client) postgrest(schema string, e *exchange) *postgrest.Client {
	library := postgrest.NewClient(c.project.URL+"/rest/v1", schema, nil)
	library.Transport.Parent = e
	return library
}

// pageSize is the number of rows that hosted Supabase allows in an answer, unless its operator lowers it.
const pageSize = 1000

// countAll asks PostgREST to say in Content-Range how many rows there are.
const countAll = "exact"

// pages gathers all rows of a list.
func pages[Row any](fetch func(page url.Values) (*exchange, error)) ([]Row, error) {
	rows := []Row{}
	for {
		e, err := fetch(url.Values{"limit": {strconv.Itoa(pageSize)}, "offset": {strconv.Itoa(len(rows))}})
		if e.status == http.StatusRequestedRangeNotSatisfiable { // rows went away meanwhile
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		var page []Row
		if err := e.decode(&page); err != nil {
			return nil, err
		}
		rows = append(rows, page...)
		_, total, _ := strings.Cut(e.header.Get("Content-Range"), "/")
		if all, err := strconv.Atoi(total); err != nil || len(rows) >= all || len(page) == 0 {
			return rows, nil
		}
	}
}
