package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	gotrue "github.com/supabase-community/gotrue-go"
	"github.com/supabase-community/gotrue-go/types"
	"github.com/supabase-community/supabase-go"

	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// SignIn exchanges a person's email and password for a session.
func (c *Client) SignIn(ctx context.Context, email string, password credential.Secret) (credential.Session, error) {
	return c.session(ctx, password, func(auth gotrue.Client) (*types.TokenResponse, error) {
		return auth.SignInWithEmailPassword(email, password.Reveal())
	})
}

// Refresh exchanges a refresh token, which works once, for the next session.
func (c *Client) Refresh(ctx context.Context, refreshToken credential.Secret) (credential.Session, error) {
	return c.session(ctx, refreshToken, func(auth gotrue.Client) (*types.TokenResponse, error) {
		return auth.RefreshToken(refreshToken.Reveal())
	})
}

// SignOut ends the session on the server, and no other session of that person.
func (c *Client) SignOut(ctx context.Context, accessToken credential.Secret) error {
	e := c.WithSession(accessToken).exchange(ctx, request{idempotent: true, query: url.Values{"scope": {"local"}}})
	auth, err := c.auth(e)
	if err != nil {
		return err
	}
	_ = auth.Logout() // the exchange knows better
	return e.err
}

func (c *Client) session(ctx context.Context, secret credential.Secret, get func(gotrue.Client) (*types.TokenResponse, error)) (credential.Session, error) {
	e := c.exchange(ctx, request{secret: secret})
	auth, err := c.auth(e)
	if err != nil {
		return credential.Session{}, err
	}
	answer, err := get(auth)
	switch {
	case e.err != nil:
		return credential.Session{}, e.signInFault()
	case err != nil || answer.AccessToken == "":
		return credential.Session{}, &fault.Error{Kind: fault.Unavailable, Status: e.status, Err: err,
			Message: "the answer is not what Supabase Auth returns", Hint: "Is supabase_url the URL of a Supabase project?"}
	}
	return credential.Session{
		Email:        answer.User.Email,
		AccessToken:  credential.NewSecret(answer.AccessToken),
		RefreshToken: credential.NewSecret(answer.RefreshToken),
		ExpiresAt:    c.now().Add(time.Duration(answer.ExpiresIn) * time.Second),
	}, nil
}

// signInFault turns Auth's refusals into failures to authenticate: a wrong password, a banned account, sign-in by
// password switched off.
func (e *exchange) signInFault() error {
	var f *fault.Error
	if errors.As(e.err, &f) && f.Kind == fault.Failure && e.isJSON() &&
		slices.Contains([]int{http.StatusBadRequest, http.StatusForbidden, http.StatusUnprocessableEntity}, f.Status) {
		f.Kind = fault.Authentication
	}
	return e.err
}

func (c *Client) auth(e *exchange) (gotrue.Client, error) {
	const replaced = "set by the exchange" // the library insists on a key
	library, err := supabase.NewClient(c.project.URL, replaced, nil)
	if err != nil {
		return nil, err
	}
	return library.Auth.WithClient(http.Client{Transport: e}), nil
}
