// Package client calls Babelon's functions in a Supabase project. Every failure is a *fault.Error.
package client

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
	timeout   time.Duration                    // how long a call waits, retries included; 0 for the defaults
	tell      func(format string, args ...any) // says what a person is kept waiting by; nil if nobody is

	pair        credential.Pair   // zero if none
	tenantID    string            // asserted to be the pair's; empty if none
	accessToken credential.Secret // a person's; zero if none
}

// New returns a client of the configured project that has no caller yet.
func New(project *config.Config, transport http.RoundTripper, now func() time.Time) *Client {
	return &Client{project: project, transport: transport, now: now}
}

// Waiting returns a client that waits this long for each call, retries included, instead of the default, unless
// timeout is 0; and that tells what it waits for when that takes more than a moment, unless tell is nil.
func (c *Client) Waiting(timeout time.Duration, tell func(format string, args ...any)) *Client {
	other := *c
	other.timeout, other.tell = timeout, tell
	return &other
}

// WithPair returns a client that calls as a token. tenantID, unless "", is asserted to be the token's.
func (c *Client) WithPair(pair credential.Pair, tenantID string) *Client {
	other := *c
	other.pair, other.tenantID, other.accessToken = pair, tenantID, credential.Secret{}
	return &other
}

// WithSession returns a client that calls as a person.
func (c *Client) WithSession(accessToken credential.Secret) *Client {
	other := *c
	other.pair, other.tenantID, other.accessToken = credential.Pair{}, "", accessToken
	return &other
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

// Whoami returns the caller as the server knows it.
func (c *Client) Whoami(ctx context.Context) (Identity, error) {
	return call[Identity](ctx, c, "whoami", struct{}{}, true)
}

// CreateOrganization makes an organization that the caller, a person, owns.
func (c *Client) CreateOrganization(ctx context.Context, name string) (Organization, error) {
	if err := checkName(name); err != nil {
		return Organization{}, err
	}
	return call[Organization](ctx, c, "create_organization", struct {
		Name string `json:"name"`
	}{name}, false)
}

// Organizations returns the organizations that the caller belongs to, by name.
func (c *Client) Organizations(ctx context.Context) ([]Organization, error) {
	rows, err := list[Organization](url.Values{}, func(query url.Values) (*exchange, error) {
		return c.view(ctx, "organizations", query)
	})
	slices.SortFunc(rows, func(a, b Organization) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
	})
	return rows, err
}

// Members returns the members of an organization, or of all the caller's when organizationID is "", by e-mail address.
func (c *Client) Members(ctx context.Context, organizationID string) ([]Member, error) {
	filter := url.Values{}
	if organizationID != "" {
		filter.Set("organization_id", "eq."+organizationID)
	}
	rows, err := list[Member](filter, func(query url.Values) (*exchange, error) {
		return c.view(ctx, "members", query)
	})
	slices.SortFunc(rows, func(a, b Member) int {
		return cmp.Or(strings.Compare(a.email(), b.email()), slices.Compare(a.key(), b.key()))
	})
	return rows, err
}

// inOrganization names the organization in a function's arguments. Without it, it is the caller's only one.
type inOrganization struct {
	OrganizationID string `json:"organization_id,omitempty"`
}

// RenameOrganization gives an organization another name.
func (c *Client) RenameOrganization(ctx context.Context, organizationID, name string) (Organization, error) {
	if err := checkName(name); err != nil {
		return Organization{}, err
	}
	return call[Organization](ctx, c, "rename_organization", struct {
		inOrganization
		Name string `json:"name"`
	}{inOrganization{organizationID}, name}, true)
}

// DeleteOrganization deletes an organization with its members and tokens. It is not sent again after a lost answer,
// because the second answer would be that there is no such organization.
func (c *Client) DeleteOrganization(ctx context.Context, organizationID string) error {
	_, err := c.rpc(ctx, ourSchema, "delete_organization", inOrganization{organizationID}, request{})
	return err
}

// somebody names a person by email or user ID.
type somebody struct {
	Email  string `json:"email,omitempty"`
	UserID string `json:"user_id,omitempty"`
}

func named(who string) somebody {
	if config.IsUUID(who) {
		return somebody{UserID: who}
	}
	return somebody{Email: who}
}

// SetMember adds somebody, an email or user ID, to an organization, or changes their role in it.
func (c *Client) SetMember(ctx context.Context, organizationID, who, role string) (Member, error) {
	return call[Member](ctx, c, "set_member", struct {
		inOrganization
		somebody
		Role string `json:"role"`
	}{inOrganization{organizationID}, named(who), role}, true)
}

// RemoveMember removes somebody, an email or user ID, from an organization. It is not sent again after a lost answer,
// because the second answer would be that there is no such member.
func (c *Client) RemoveMember(ctx context.Context, organizationID, who string) error {
	_, err := c.rpc(ctx, ourSchema, "remove_member", struct {
		inOrganization
		somebody
	}{inOrganization{organizationID}, named(who)}, request{})
	return err
}

// GenerateToken makes a token. requestID, a UUID, is the idempotency key: sent again, it replaces what it made.
func (c *Client) GenerateToken(ctx context.Context, organizationID, name, role, requestID string) (GeneratedToken, error) {
	if err := checkName(name); err != nil {
		return GeneratedToken{}, err
	}
	return call[GeneratedToken](ctx, c, "generate_api_token", struct {
		inOrganization
		Name      string `json:"name"`
		Role      string `json:"role"`
		RequestID string `json:"request_id"`
	}{inOrganization{organizationID}, name, role, requestID}, true)
}

// Tokens returns the tokens of an organization, active ones first, newest first.
func (c *Client) Tokens(ctx context.Context, organizationID string) ([]Token, error) {
	return c.tokens(ctx, organizationID, url.Values{})
}

// ActiveTokens returns the tokens of an organization that are active, newest first.
func (c *Client) ActiveTokens(ctx context.Context, organizationID string) ([]Token, error) {
	return c.tokens(ctx, organizationID, url.Values{"state": {"eq." + Active}})
}

// CountInactiveTokens returns how many tokens of an organization are not active.
func (c *Client) CountInactiveTokens(ctx context.Context, organizationID string) (int, error) {
	query := url.Values{"state": {"neq." + Active}, "limit": {"1"}}
	e, err := c.listTokens(ctx, organizationID, request{query: query, counted: true})
	if err != nil {
		return 0, err
	}
	_, total, _ := strings.Cut(e.header.Get("Content-Range"), "/")
	count, err := strconv.Atoi(total)
	if err != nil {
		return 0, e.foreign("it has no count")
	}
	return count, nil
}

// FindToken returns a token of an organization, or a zero one if the organization does not have it.
func (c *Client) FindToken(ctx context.Context, organizationID, clientID string) (Token, error) {
	e, err := c.listTokens(ctx, organizationID, request{query: url.Values{"client_id": {"eq." + clientID}}})
	if err != nil {
		return Token{}, err
	}
	matching, err := decode[rows[Token]](e)
	if err != nil || len(matching) == 0 {
		return Token{}, err
	}
	return matching[0], nil
}

func (c *Client) tokens(ctx context.Context, organizationID string, filter url.Values) ([]Token, error) {
	rows, err := list[Token](filter, func(query url.Values) (*exchange, error) {
		return c.listTokens(ctx, organizationID, request{query: query})
	})
	slices.SortFunc(rows, func(a, b Token) int {
		return cmp.Or(a.rank()-b.rank(), b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ClientID, b.ClientID))
	})
	return rows, err
}

func (c *Client) listTokens(ctx context.Context, organizationID string, r request) (*exchange, error) {
	r.idempotent = true
	return c.rpc(ctx, ourSchema, "list_api_tokens", inOrganization{organizationID}, r)
}

// RevokeToken revokes a token for good; again, it changes nothing.
func (c *Client) RevokeToken(ctx context.Context, clientID string) (Token, error) {
	return call[Token](ctx, c, "revoke_api_token", struct {
		ClientID string `json:"client_id"`
	}{clientID}, true)
}

// checkName refuses a name with nothing to see in it, and text that is not UTF-8: JSON would turn that into another
// name. The server has more rules.
func checkName(name string) error {
	visible := func(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) }
	if !utf8.ValidString(name) || !strings.ContainsFunc(name, visible) {
		return fault.Usagef("", "the name has no visible characters, or is not UTF-8 text")
	}
	return nil
}

var functionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// RPC calls any function of an exposed schema and returns the body of the answer as it came. arguments is a JSON
// object. It is sent once, because only the function's author knows whether twice would be the same.
func (c *Client) RPC(ctx context.Context, schema, function string, arguments any) ([]byte, error) {
	for what, name := range map[string]string{"function": function, "schema": schema} {
		// The library would let one leave /rpc, or become a query; and a secret has no place in a URL.
		if !functionName.MatchString(name) || credential.Redact(name) != name {
			return nil, fault.Usagef("", "%q is not the name of a %s", name, what)
		}
	}
	e, err := c.rpc(ctx, schema, function, arguments, request{limit: maxRawBody, slow: true})
	if err != nil {
		return nil, err
	}
	return e.body, nil
}

// ourSchema is the exposed schema with Babelon's functions and views.
const ourSchema = "babelon"

// call calls a function of ours that returns one object.
func call[Answer answer](ctx context.Context, c *Client, function string, arguments any, idempotent bool) (Answer, error) {
	e, err := c.rpc(ctx, ourSchema, function, arguments, request{idempotent: idempotent})
	if err != nil {
		var none Answer
		return none, err
	}
	return decode[Answer](e)
}

func (c *Client) rpc(ctx context.Context, schema, function string, arguments any, r request) (*exchange, error) {
	r.schema = schema
	e := c.exchange(ctx, r)
	library := c.postgrest(e)
	count := ""
	if r.counted {
		count = "exact"
	}
	library.Rpc(function, count, arguments)
	return e.result(library.ClientError)
}

func (c *Client) view(ctx context.Context, name string, query url.Values) (*exchange, error) {
	e := c.exchange(ctx, request{schema: ourSchema, idempotent: true, query: query})
	_, _, err := c.postgrest(e).From(name).Select("*", "", false).Execute()
	return e.result(err)
}

// postgrest returns the library's client for one call, because an error would stick to it.
func (c *Client) postgrest(e *exchange) *postgrest.Client {
	library := postgrest.NewClient(c.project.URL+"/rest/v1", e.schema, nil)
	library.Transport.Parent = e
	return library
}
