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

// A Client talks to one project as one caller.
type Client struct {
	url       string
	apiKey    string
	keySource string              // where apiKey comes from, for messages
	headers   map[string]string   // who calls
	secrets   []credential.Secret // among them
	transport http.RoundTripper
}

// New returns a client of the configured project that nobody calls through yet.
func New(c *config.Config, transport http.RoundTripper) *Client {
	return &Client{url: c.URL, apiKey: c.PublishableKey, keySource: c.KeySource, transport: transport}
}

// WithPair returns a client that calls as a token. tenantID, unless "", is asserted to be the token's.
func (c *Client) WithPair(pair credential.Pair, tenantID string) *Client {
	as := *c
	as.headers = map[string]string{"X-Client-Id": pair.ClientID, "X-Api-Token": pair.Secret.Reveal()}
	if tenantID != "" {
		as.headers["X-Tenant-Id"] = tenantID
	}
	as.secrets = []credential.Secret{pair.Secret}
	return &as
}

// WithSession returns a client that calls as a person.
func (c *Client) WithSession(accessToken credential.Secret) *Client {
	as := *c
	as.headers = map[string]string{"Authorization": "Bearer " + accessToken.Reveal()}
	as.secrets = []credential.Secret{accessToken}
	return &as
}

// Identity is who the server takes the caller for.
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
	Name           string     `json:"name"`
	Role           string     `json:"role"`
	CreatedAt      time.Time  `json:"created_at"`
	CreatedBy      *string    `json:"created_by"` // a person's id; nil when a token or a backend made it
	CreatedByEmail *string    `json:"created_by_email"`
	CreatedByRole  *string    `json:"created_by_role"` // what that person is today; nil when no longer a member
	LastUsedAt     *time.Time `json:"last_used_at"`
	Uses           int64      `json:"uses"`
	LastDeniedAt   *time.Time `json:"last_denied_at"` // somebody still has the secret of a revoked token
	Denials        int64      `json:"denials"`
	UsageAsOf      *time.Time `json:"usage_as_of"` // nil where read-only requests are not counted
	RevokedAt      *time.Time `json:"revoked_at"`
	State          string     `json:"state"` // active or revoked
}

// Status says whether the token works and what an admin should know about that.
func (t Token) Status() string {
	switch {
	case t.RevokedAt != nil && t.Denials > 0:
		return "revoked, still tried"
	case t.RevokedAt != nil:
		return "revoked"
	case t.CreatedBy != nil && t.CreatedByRole == nil:
		return "active, its maker is no longer a member"
	case t.CreatedBy != nil && *t.CreatedByRole != "admin" && *t.CreatedByRole != "owner":
		return "active, its maker is no longer an admin"
	default:
		return "active"
	}
}

// GeneratedToken is a new token with its secret, which cannot be had again.
type GeneratedToken struct {
	ClientID       string            `json:"client_id"`
	APIToken       credential.Secret `json:"api_token"`
	Name           string            `json:"name"`
	Role           string            `json:"role"`
	OrganizationID string            `json:"organization_id"`
	CreatedAt      time.Time         `json:"created_at"`
}

// args are the arguments of a function. Empty ones are left to the function's defaults.
type args map[string]string

// Whoami returns who the server takes the caller for.
func (c *Client) Whoami(ctx context.Context) (Identity, error) {
	return call[Identity](ctx, c, "whoami", args{}, true)
}

// CreateOrganization makes an organization that the caller, a person, owns.
func (c *Client) CreateOrganization(ctx context.Context, name string) (Organization, error) {
	return call[Organization](ctx, c, "create_organization", args{"name": name}, false)
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

// SetMember adds somebody to an organization, or changes their role in it.
func (c *Client) SetMember(ctx context.Context, organizationID, email, role string) (Member, error) {
	return call[Member](ctx, c, "set_member", args{"email": email, "role": role, "organization_id": organizationID}, true)
}

// RemoveMember removes somebody from an organization. It is not sent again after a lost answer: the second
// time would say that there is no such member.
func (c *Client) RemoveMember(ctx context.Context, organizationID, email string) error {
	_, err := c.rpc(ctx, "babelon", "remove_member",
		args{"email": email, "organization_id": organizationID}.body(), maxBody, false, nil)
	return err
}

// GenerateToken makes a token. requestID is a UUID of this one wish: sent again, it replaces what it made.
func (c *Client) GenerateToken(ctx context.Context, organizationID, name, role, requestID string) (GeneratedToken, error) {
	made, err := call[GeneratedToken](ctx, c, "generate_api_token",
		args{"name": name, "role": role, "organization_id": organizationID, "request_id": requestID}, true)
	if err != nil {
		return made, err
	}
	// They go into files and shells without quotes, so they must be what they look like.
	if credential.CheckClientID(made.ClientID) != nil || credential.CheckSecret(made.APIToken.Reveal()) != nil || !config.IsUUID(made.OrganizationID) {
		return made, &fault.Error{Kind: fault.Unavailable, Message: "the answer is not a token pair"}
	}
	return made, nil
}

// Tokens returns the tokens of an organization, active ones first, newest first.
func (c *Client) Tokens(ctx context.Context, organizationID string) ([]Token, error) {
	return pages[Token](func(page url.Values) (*exchange, error) {
		return c.rpc(ctx, "babelon", "list_api_tokens", args{"organization_id": organizationID}.body(), maxBody, true, page)
	})
}

// RevokeToken revokes a token for good; again, it changes nothing.
func (c *Client) RevokeToken(ctx context.Context, clientID string) (Token, error) {
	return call[Token](ctx, c, "revoke_api_token", args{"client_id": clientID}, true)
}

var functionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// RPC calls any function of an exposed schema and returns the body of the answer as it came. body is its
// arguments, a JSON object. It is sent once: nobody but its author knows whether twice would be the same.
func (c *Client) RPC(ctx context.Context, schema, function string, body any) ([]byte, error) {
	for what, name := range map[string]string{"function": function, "schema": schema} {
		if !functionName.MatchString(name) { // the library would let one leave /rpc, or become a query
			return nil, fault.Usagef("", "%q is not the name of a %s", name, what)
		}
	}
	e, err := c.rpc(ctx, schema, function, body, maxRawBody, false, nil)
	if err != nil {
		return nil, err
	}
	return e.body, nil
}

func (a args) body() map[string]string {
	given := map[string]string{}
	for name, text := range a {
		if text != "" || name == "name" || name == "email" {
			given[name] = text
		}
	}
	return given
}

// call calls a function of ours that returns one object.
func call[Result any](ctx context.Context, c *Client, function string, arguments args, idempotent bool) (result Result, err error) {
	e, err := c.rpc(ctx, "babelon", function, arguments.body(), maxBody, idempotent, nil)
	if err == nil {
		err = e.decode(&result)
	}
	return result, err
}

func (c *Client) rpc(ctx context.Context, schema, function string, body any, limit int64, idempotent bool, query url.Values) (*exchange, error) {
	e := c.exchange(ctx, limit, idempotent, query)
	count := ""
	if query != nil {
		count = countAll
	}
	library := c.postgrest(schema, e)
	library.Rpc(function, count, body)
	return e.result(library.ClientError)
}

func (c *Client) view(ctx context.Context, name string, query url.Values) (*exchange, error) {
	e := c.exchange(ctx, maxBody, true, query)
	_, _, err := c.postgrest("babelon", e).From(name).Select("*", countAll, false).Execute()
	return e.result(err)
}

func (c *Client) exchange(ctx context.Context, limit int64, idempotent bool, query url.Values) *exchange {
	return &exchange{ctx: ctx, base: c.transport, apiKey: c.apiKey, keySource: c.keySource, secrets: c.secrets, limit: limit, idempotent: idempotent, query: query}
}

// postgrest returns the library's client for one call: an error in one would stick to it.
func (c *Client) postgrest(schema string, e *exchange) *postgrest.Client {
	library := postgrest.NewClient(c.url+"/rest/v1", schema, c.headers)
	library.Transport.Parent = e
	return library
}

// pageSize is what hosted Supabase caps an answer at, unless its operator lowers it.
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
