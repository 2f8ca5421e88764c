package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
)

// The bounds of every exchange.
const (
	attemptTimeout = 60 * time.Second
	maxAttempts    = 3
	maxRetryAfter  = 10 * time.Second
	maxBody        = 8 << 20  // bytes of an answer that is decoded
	maxRawBody     = 64 << 20 // bytes of an answer that is passed on
)

// A request is how a call is sent.
type request struct {
	query      url.Values        // added to the URL's own
	secret     credential.Secret // what the body has that must not be repeated in a message; zero if nothing
	idempotent bool              // may be sent again although the first may have had its effect
	limit      int64             // of the answer's body, in bytes; 0 is maxBody
}

// An exchange is one call to the server, and the http.RoundTripper under the Supabase libraries. They drop the status
// and the error, take no context and read without bound, so all of that lives here. A call is judged by its exchange;
// what the library returns is ignored.
type exchange struct {
	request
	client *Client
	ctx    context.Context

	status int
	header http.Header
	body   []byte
	err    error
}

func (c *Client) exchange(ctx context.Context, r request) *exchange {
	r.limit = cmp.Or(r.limit, maxBody)
	return &exchange{request: r, client: c, ctx: ctx}
}

// RoundTrip sends the request, up to three times where that is safe, and reads the whole answer. It returns an error
// for everything but success. That includes redirects, so that no library follows one and takes a secret along.
func (e *exchange) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := backoff.Retry(e.ctx, func() (*http.Response, error) { return e.attempt(request) },
		backoff.WithMaxTries(maxAttempts),
		backoff.WithBackOff(&backoff.ExponentialBackOff{
			InitialInterval: 200 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 5 * time.Second,
		}))
	if err != nil {
		var f *fault.Error
		if !errors.As(err, &f) { // interrupted while waiting for the next try
			f = e.unreachable(request.URL, err)
		}
		e.err = f
		return nil, f
	}
	return response, nil
}

func (e *exchange) attempt(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(e.ctx, attemptTimeout)
	defer cancel()
	attempt := request.Clone(ctx)
	if request.GetBody != nil {
		body, err := request.GetBody()
		if err != nil {
			return nil, backoff.Permanent(err)
		}
		attempt.Body = body
	}
	attempt.Header.Set("User-Agent", "babelon")
	e.client.authorize(attempt.Header)
	if len(e.query) > 0 {
		query := attempt.URL.Query()
		for name, values := range e.query {
			query[name] = values
		}
		attempt.URL.RawQuery = query.Encode()
	}

	response, err := e.client.transport.RoundTrip(attempt)
	if err != nil {
		var certificate *tls.CertificateVerificationError // stays as it is
		return nil, e.retryIf(e.idempotent && !errors.As(err, &certificate), 0, e.unreachable(attempt.URL, err))
	}
	defer response.Body.Close()
	e.status, e.header = response.StatusCode, response.Header
	e.body, err = io.ReadAll(io.LimitReader(response.Body, e.limit+1))
	switch {
	case err != nil:
		return nil, e.retryIf(e.idempotent, 0, e.unreachable(attempt.URL, fmt.Errorf("the answer is incomplete: %w", err)))
	case int64(len(e.body)) > e.limit:
		return nil, backoff.Permanent(&fault.Error{Kind: fault.Unavailable, Status: e.status,
			Message: fmt.Sprintf("the answer is larger than %d MiB", e.limit>>20)})
	case e.status/100 != 2:
		// 429 was not processed; the others may have been.
		again := e.status == http.StatusTooManyRequests ||
			e.idempotent && (e.status == http.StatusBadGateway || e.status == http.StatusServiceUnavailable || e.status == http.StatusGatewayTimeout)
		return nil, e.retryIf(again, retryAfter(response.Header), e.refusal())
	case len(e.body) > 0 && !isJSON(response.Header.Get("Content-Type"), e.body):
		return nil, backoff.Permanent(&fault.Error{Kind: fault.Unavailable, Status: e.status,
			Message: fmt.Sprintf("%s answered with something other than JSON", attempt.URL.Host), Hint: "Is supabase_url the URL of a Supabase project?"})
	}
	response.Body = io.NopCloser(bytes.NewReader(e.body))
	return response, nil
}

// isJSON reports whether the answer is the API's and complete. Something in between, such as a network's sign-in page,
// answers with other content, and HTTP does not always notice that an answer was cut short.
func isJSON(contentType string, body []byte) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) && json.Valid(body)
}

// retryIf returns err as a reason to try again, after the server's own delay if it named one, or else as final.
func (e *exchange) retryIf(again bool, after time.Duration, err error) error {
	switch {
	case !again || e.ctx.Err() != nil:
		return backoff.Permanent(err)
	case after > 0:
		return &delayed{err, after}
	}
	return err
}

// delayed asks backoff for the server's own delay and keeps the refusal that came with it.
type delayed struct {
	error
	after time.Duration
}

func (d *delayed) Unwrap() []error {
	return []error{d.error, &backoff.RetryAfterError{Duration: d.after}}
}

// retryAfter returns the delay that the server asks for, within reason, or 0.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}

// unreachable explains a failure to get an answer.
func (e *exchange) unreachable(u *url.URL, err error) *fault.Error {
	f := &fault.Error{Kind: fault.Unavailable, Err: err}
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(e.ctx.Err(), context.Canceled):
		f.Kind, f.Message = fault.Interrupted, "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		f.Message = fmt.Sprintf("%s did not answer within %s", u.Host, attemptTimeout)
	case errors.As(err, &certificate):
		f.Message = fmt.Sprintf("cannot trust the certificate of %s: %v", u.Host, certificate.Err)
	default:
		f.Message = e.scrub(fmt.Sprintf("cannot reach %s: %v", u.Host, err))
	}
	return f
}

// refusal turns an answer that is no success into an error. The body comes from PostgREST, Auth, the gateway, or
// anything else.
func (e *exchange) refusal() *fault.Error {
	var body struct {
		Code      any    // Auth's is a number
		ErrorCode string `json:"error_code"`
		Message   string
		Msg       string
		Hint      string
	}
	_ = json.Unmarshal(e.body, &body)
	code, _ := body.Code.(string)
	f := &fault.Error{Kind: fault.Failure, Status: e.status, Code: e.scrub(code), Hint: e.scrub(body.Hint)}
	if body.ErrorCode != "" {
		f.Code = e.scrub(body.ErrorCode)
	}
	f.Message = e.scrub(strings.TrimSpace(body.Message + body.Msg))
	if f.Message == "" {
		f.Message = fmt.Sprintf("the server answered %d %s", e.status, http.StatusText(e.status))
	}
	switch {
	case e.status/100 == 3:
		f.Kind = fault.Usage
		f.Message = "the server redirects elsewhere, and the credentials do not follow"
		f.Hint = "Configure the final address as supabase_url."
	case e.status == http.StatusTooManyRequests || e.status >= 500:
		f.Kind = fault.Unavailable
	case e.status == http.StatusUnauthorized && body.ErrorCode == "" && !fromDatabase(code):
		f.Kind = fault.Usage // the gateway refused the API key and has not looked at the credentials
		f.Message = "the gateway refused the request: " + f.Message
		if e.client.project.PublishableKey == "" {
			f.Hint = "Set publishable_key in .babelon.toml, or BABELON_PUBLISHABLE_KEY; Project Settings > API Keys shows it."
		} else {
			f.Hint = "Compare " + e.client.project.KeySource + " with Project Settings > API Keys; the token pair was not looked at."
		}
	case e.status == http.StatusUnauthorized && f.Code == "42501":
		// PostgREST says 401 where it means 403, because a pair is no JWT.
		f.Hint = "The token is fine; a policy or a missing grant to babelon_token refuses this."
	case e.status == http.StatusUnauthorized:
		f.Kind = fault.Authentication
		if strings.HasPrefix(f.Code, "PGRST") { // about the JWT, which only a session has
			f.Hint = "Run `babelon login`."
		}
	}
	return f
}

// fromDatabase reports whether a code is Babelon's, PostgREST's or PostgreSQL's, and not the gateway's.
func fromDatabase(code string) bool {
	const sqlstate = len("42501")
	return strings.HasPrefix(code, "BBL_") || strings.HasPrefix(code, "PGRST") || len(code) == sqlstate
}

// maxMessage is more than an error message needs, in bytes.
const maxMessage = 1000

// scrub makes one line of the server's text, without the secrets that were sent.
func (e *exchange) scrub(text string) string {
	text = strings.Join(strings.Fields(e.hide(text)), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// hide replaces the secrets that were sent.
func (e *exchange) hide(text string) string {
	for _, secret := range []credential.Secret{e.secret, e.client.pair.Secret, e.client.accessToken} {
		text = secret.Scrub(text)
	}
	return text
}

// result returns the exchange and how it went. Secrets that the answer repeats are redacted, because it may be
// printed. libraryErr counts if the request was never sent.
func (e *exchange) result(libraryErr error) (*exchange, error) {
	e.body = []byte(e.hide(string(e.body)))
	return e, cmp.Or(e.err, libraryErr)
}

// decode reads the answer as JSON.
func (e *exchange) decode(into any) error {
	if err := json.Unmarshal(e.body, into); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Status: e.status, Err: err,
			Message: "the answer is not what Babelon's functions return",
			Hint:    "Is supabase_url the URL of a Supabase project with Babelon installed?"}
	}
	return nil
}
