// Package connect decides who acts, a token pair or a person who has signed in, and returns a client for them. It is
// always one of the two, and a note says which.
package connect

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/babelon/babelon/cli/internal/account"
	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
	"github.com/babelon/babelon/cli/internal/term"
)

// A Connector makes clients from the configuration and the sessions.
type Connector struct {
	IO        *term.IO
	Source    config.Source
	Transport http.RoundTripper
	Timeout   time.Duration // for each answer of the server; 0 for the default
	As        string        // who is to act, Token or Person; "" for whoever the command prefers
}

// Who can act.
const (
	Token  = "token"  // the configured pair
	Person = "person" // the person who is signed in
)

// A Caller is a client with its caller.
type Caller struct {
	*client.Client
	Config *config.Config
	actor  string // Token or Person
}

// Organization returns the ID of the organization to name in a call: the given one, by ID or name, or for a person the
// configured one. A token has its own and names none.
func (c *Caller) Organization(ctx context.Context, given string) (string, error) {
	switch {
	case given == "" && c.actor == Person:
		return c.Config.TenantID, nil
	case given == "" || config.IsUUID(given):
		return given, nil
	}
	found, err := c.FindOrganization(ctx, given)
	return found.ID, err
}

// FindOrganization returns the caller's organization of that ID or name.
func (c *Caller) FindOrganization(ctx context.Context, given string) (client.Organization, error) {
	const hint = "`babelon organization list` shows the organizations' names and IDs."
	all, err := c.Organizations(ctx)
	if err != nil {
		return client.Organization{}, err
	}
	var found []client.Organization
	var ids []string
	for _, o := range all {
		if o.Name == given || strings.EqualFold(o.ID, given) {
			found, ids = append(found, o), append(ids, o.ID)
		}
	}
	switch len(found) {
	case 0:
		return client.Organization{}, fault.Usagef(hint, "you are in no organization %q", given)
	case 1:
		return found[0], nil
	}
	return client.Organization{}, fault.Usagef("Name one by its ID.", "%d organizations are called %q: %s", len(found), given, strings.Join(ids, ", "))
}

// Config returns the configuration, after warnings about what is risky in it.
func (c *Connector) Config() (*config.Config, error) {
	loaded, err := config.Load(c.Source)
	if err != nil {
		return nil, err
	}
	for _, warning := range loaded.Warnings {
		c.IO.Warnf("%s", warning)
	}
	return loaded, nil
}

// PersonFirst returns the caller for managing: the person who is signed in, else the pair.
func (c *Connector) PersonFirst(ctx context.Context) (*Caller, error) {
	return c.caller(ctx, Person, Token)
}

// PairFirst returns the caller for everything else: the pair, else the person who is signed in.
func (c *Connector) PairFirst(ctx context.Context) (*Caller, error) {
	return c.caller(ctx, Token, Person)
}

// In returns the caller for managing an organization, and the ID of the organization to name in the call.
func (c *Connector) In(ctx context.Context, given string) (*Caller, string, error) {
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return nil, "", err
	}
	organization, err := caller.Organization(ctx, given)
	return caller, organization, err
}

// caller returns the first of the actors that there is. --as leaves only one of them.
func (c *Connector) caller(ctx context.Context, actors ...string) (*Caller, error) {
	loaded, err := c.Config()
	if err != nil {
		return nil, err
	}
	if c.As != "" {
		actors = []string{c.As}
	}
	for _, actor := range actors {
		if actor == Token && loaded.Pair != nil {
			c.IO.Notef("acting as token %s from %s", loaded.Pair.ClientID, loaded.PairSource)
			return &Caller{c.client(loaded).WithPair(*loaded.Pair, loaded.TenantID), loaded, Token}, nil
		}
		if actor == Person {
			current, err := c.Session(ctx, loaded)
			if err == nil {
				c.IO.Notef("acting as %s, who is signed in", current.Email)
				return &Caller{c.client(loaded).WithSession(current.AccessToken), loaded, Person}, nil
			}
			if !errors.Is(err, credential.ErrNoSession) {
				return nil, err
			}
		}
	}
	const set = "Set BABELON_CLIENT_ID and BABELON_API_TOKEN, put both into " + config.FileName
	switch c.As {
	case Token:
		return nil, fault.Usagef(set+", or leave out --as.", "there is no token to act as: no pair is configured")
	case Person:
		return nil, fault.Usagef("Run `babelon login`, or leave out --as.", "there is no person to act as: nobody is signed in to %s", loaded.URL)
	}
	return nil, fault.Usagef(set+", or run `babelon login`.", "no token pair is configured, and nobody is signed in")
}

// Session returns the session of the person who is signed in, refreshed if it is due, or credential.ErrNoSession.
func (c *Connector) Session(ctx context.Context, loaded *config.Config) (credential.Session, error) {
	person, err := c.Person(loaded)
	if err != nil {
		return credential.Session{}, credential.ErrNoSession // there is no place where one could be
	}
	return person.Current(ctx)
}

// Person returns the person at this computer, who may be signed in to the project. Their session is kept under their
// configuration directory.
func (c *Connector) Person(loaded *config.Config) (*account.Person, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, fault.Usagef("Set HOME.", "there is no place to keep a session: %w", err)
	}
	return &account.Person{
		Project: c.client(loaded),
		Store:   account.File{Dir: filepath.Join(dir, "babelon", "sessions"), URL: loaded.URL},
		Now:     c.IO.Now,
	}, nil
}

func (c *Connector) client(loaded *config.Config) *client.Client {
	return client.New(loaded, c.Transport, c.IO.Now).Waiting(c.Timeout, c.IO.Waitf)
}
