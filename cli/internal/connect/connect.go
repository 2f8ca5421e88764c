// Package connect decides who acts, a token pair or a person who has signed in, and returns a client for them. It is
// always one of the two, and a note says which.
package connect

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"

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
}

// A Caller is a client with its caller.
type Caller struct {
	*client.Client
	Config *config.Config
	person bool
}

// Organization returns the organization to name in a call: the given one, or for a person the configured one. A token
// has its own and names none.
func (c *Caller) Organization(given string) (string, error) {
	switch {
	case given == "" && c.person:
		return c.Config.TenantID, nil
	case given != "" && !config.IsUUID(given):
		return "", fault.Usagef("`babelon organization list` shows the organizations' ids.", "--organization is not a UUID")
	}
	return given, nil
}

// Config returns the configuration, after warnings about what is risky in it.
func (c *Connector) Config() (*config.Config, error) {
	loaded, err := config.Load(c.Source)
	if err != nil {
		return nil, err
	}
	for _, warning := range loaded.Warnings {
		c.IO.Notef("warning: %s", warning)
	}
	return loaded, nil
}

// PersonFirst returns the caller for managing: the person who is signed in, else the pair.
func (c *Connector) PersonFirst(ctx context.Context) (*Caller, error) {
	loaded, err := c.Config()
	if err != nil {
		return nil, err
	}
	caller, err := c.person(ctx, loaded)
	if errors.Is(err, credential.ErrNoSession) && loaded.Pair != nil {
		return c.pair(loaded), nil
	}
	return caller, explain(err)
}

// In returns the caller for managing an organization, and the organization to name in the call.
func (c *Connector) In(ctx context.Context, given string) (*Caller, string, error) {
	caller, err := c.PersonFirst(ctx)
	if err != nil {
		return nil, "", err
	}
	organization, err := caller.Organization(given)
	return caller, organization, err
}

// PairFirst returns the caller for everything else: the pair, else the person who is signed in.
func (c *Connector) PairFirst(ctx context.Context) (*Caller, error) {
	loaded, err := c.Config()
	if err != nil {
		return nil, err
	}
	if loaded.Pair != nil {
		return c.pair(loaded), nil
	}
	caller, err := c.person(ctx, loaded)
	return caller, explain(err)
}

func explain(err error) error {
	if errors.Is(err, credential.ErrNoSession) {
		return fault.Usagef("Set "+config.ClientID.Variable()+" and "+config.APIToken.Variable()+", put both into "+config.FileName+", or run `babelon login`.",
			"no token pair is configured, and nobody is signed in")
	}
	return err
}

func (c *Connector) pair(loaded *config.Config) *Caller {
	c.IO.Notef("acting as token %s from %s", loaded.Pair.ClientID, loaded.PairSource)
	return &Caller{Client: c.client(loaded).WithPair(*loaded.Pair, loaded.TenantID), Config: loaded}
}

func (c *Connector) person(ctx context.Context, loaded *config.Config) (*Caller, error) {
	current, err := c.Session(ctx, loaded)
	if err != nil {
		return nil, err
	}
	c.IO.Notef("acting as %s, who is signed in", current.Email)
	return &Caller{Client: c.client(loaded).WithSession(current.AccessToken), Config: loaded, person: true}, nil
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
	return client.New(loaded, c.Transport, c.IO.Now)
}
