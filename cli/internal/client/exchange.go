package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
	"github.com/babelon/babelon/cli/internal/term"
)

// The bounds of every exchange.
const (
	attemptTimeout = 60 * time.Second
	answerTimeout  = 15 * time.Second // until an answer to one of our own functions begins
	patience       = 2 * time.Second  // before a person is told what they are kept waiting by
	maxAttempts    = 3
	maxRetryAfter  = 10 * time.Second
	maxBody        = 8 << 20  // bytes of an answer that is decoded
	maxRawBody     = 64 << 20 // bytes of an answer that is passed on
)

// A request is how a call is sent.
type request struct {
	schema     string            // of the function or view; empty for Auth
	query      url.Values        // added to the URL's own
	secret     credential.Secret // what the body has that must not be repeated in a message; zero if nothing
	idempotent bool              // may be sent again although the first may have had its effect
	slow       bool              // an answer may take as long to begin as a whole attempt
	counted    bool              // the answer also says how many rows there are
	limit      int64             // of the answer's body, in bytes; 0 is maxBody
}

// An exchange is one call to the server, and the http.RoundTripper under the Supabase libraries. They drop the status
// and the error, take no context and read without bound, so all of that lives here. A call is judged by its exchange;
// what the library returns is ignored.
type exchange struct {
	request
	client *Client
	ctx    context.Context

	attempts  int
	uncertain bool // an attempt that failed may have had its effect
	last      *fault.Error

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
	if limit := e.client.timeout; limit > 0 {
		ctx, cancel := context.WithTimeoutCause(e.ctx, limit, silence(limit))
		defer cancel()
		e.ctx = ctx
	}
	began, tell := time.Now(), e.client.tell
	if tell == nil {
		tell = func(string, ...any) {}
	}
	waiting := time.AfterFunc(patience, func() { tell("waiting for %s to answer", request.URL.Host) })
	defer waiting.Stop()
	response, err := backoff.Retry(e.ctx, func() (*http.Response, error) { return e.attempt(request) },
		backoff.WithMaxTries(maxAttempts),
		backoff.WithNotify(func(err error, next time.Duration) {
			if time.Since(began) >= patience || next >= patience {
				waiting.Stop()
				tell("%v; trying again in %s", err, next.Round(100*time.Millisecond))
			}
		}),
		backoff.WithBackOff(&backoff.ExponentialBackOff{
			InitialInterval: 200 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 5 * time.Second,
		}))
	if err == nil {
		return response, nil
	}
	var f *fault.Error
	if !errors.As(err, &f) { // the context ended while waiting for the next try
		if f = e.unreachable(request, err); f.Kind != fault.Interrupted && e.last != nil {
			f = e.last
		}
	}
	f.Uncertain = e.uncertain
	e.err = f
	return nil, f
}

func (e *exchange) attempt(request *http.Request) (*http.Response, error) {
	e.attempts++
	ctx, cancel := context.WithCancelCause(e.ctx)
	defer cancel(nil)
	beginning := e.deadline(cancel, answerTimeout)
	if e.slow {
		beginning.Stop()
	}
	defer beginning.Stop()
	defer e.deadline(cancel, attemptTimeout).Stop()

	certain := !e.uncertain
	attempt := request.Clone(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { e.uncertain = true },
	}))
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
		again := e.idempotent
		var certificate *tls.CertificateVerificationError
		var proxy *proxyError
		if errors.As(err, &certificate) || errors.As(err, &proxy) { // stays as it is
			again = false
		}
		return nil, e.retryIf(again, 0, e.unreachable(attempt, cmp.Or(context.Cause(ctx), err)))
	}
	beginning.Stop()
	defer response.Body.Close()
	e.status, e.header = response.StatusCode, response.Header
	e.body, err = io.ReadAll(io.LimitReader(response.Body, e.limit+1))
	switch {
	case err != nil:
		err = fmt.Errorf("the answer is incomplete: %w", cmp.Or(context.Cause(ctx), err))
		return nil, e.retryIf(e.idempotent, 0, e.unreachable(attempt, err))
	case int64(len(e.body)) > e.limit:
		return nil, backoff.Permanent(&fault.Error{Kind: fault.Unavailable, Status: e.status,
			Message: fmt.Sprintf("the answer is larger than %d MiB", e.limit>>20)})
	case e.status/100 != 2:
		if e.status/100 < 5 && certain {
			e.uncertain = false // refused; a 5xx may come from something in between that has lost the answer
		}
		f := e.refusal(attempt)
		// 429 was not processed, nor was a JWT that the server's clock refuses; the others may have been.
		again := e.status == http.StatusTooManyRequests || isClock(f) && e.attempts == 1 ||
			e.idempotent && (e.status == http.StatusBadGateway || e.status == http.StatusServiceUnavailable || e.status == http.StatusGatewayTimeout)
		after := e.retryAfter()
		if isClock(f) {
			after = time.Second
		}
		return nil, e.retryIf(again, after, f)
	case len(e.body) > 0 && !e.isJSON():
		f := &fault.Error{Kind: fault.Unavailable, Status: e.status,
			Message: fmt.Sprintf("%s answered with something other than JSON", attempt.URL.Host), Hint: "Is supabase_url the URL of a Supabase project?"}
		e.blameProxy(f, attempt)
		return nil, backoff.Permanent(f)
	}
	response.Body = io.NopCloser(bytes.NewReader(e.body))
	return response, nil
}

// deadline cancels an attempt after so long, unless it has been stopped. Where the person has named a time for the whole
// call, that is the only one.
func (e *exchange) deadline(cancel context.CancelCauseFunc, limit time.Duration) *time.Timer {
	timer := time.AfterFunc(limit, func() { cancel(silence(limit)) })
	if e.client.timeout > 0 {
		timer.Stop()
	}
	return timer
}

// isJSON reports whether the answer is the API's and complete. Something in between, such as a network's sign-in page,
// answers with other content, and HTTP does not always notice that an answer was cut short.
func (e *exchange) isJSON() bool {
	media, _, err := mime.ParseMediaType(e.header.Get("Content-Type"))
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) && json.Valid(e.body)
}

// retryIf returns err as a reason to try again, after the server's own delay if it named one, or else as final.
func (e *exchange) retryIf(again bool, after time.Duration, err *fault.Error) error {
	e.last = err
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

// retryAfter returns the delay that the server asks for, in seconds or until a date, within reason; or 0.
func (e *exchange) retryAfter() time.Duration {
	asked := e.header.Get("Retry-After")
	var delay time.Duration
	if seconds, err := strconv.Atoi(asked); err == nil {
		delay = time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second
	} else if date, err := http.ParseTime(asked); err == nil {
		delay = date.Sub(e.client.now())
	}
	return min(max(delay, 0), maxRetryAfter)
}

// silence is the cause of a context that ends because nothing has come for so long.
type silence time.Duration

func (s silence) Error() string { return fmt.Sprintf("no answer within %s", time.Duration(s)) }

// unreachable explains a failure to get an answer.
func (e *exchange) unreachable(request *http.Request, err error) *fault.Error {
	f := &fault.Error{Kind: fault.Unavailable, Err: err}
	host, proxy := request.URL.Host, e.client.proxy(request)
	var certificate *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var refused *proxyError
	var dial *net.OpError
	var silent silence
	switch {
	case errors.Is(e.ctx.Err(), context.Canceled):
		f.Kind, f.Message = fault.Interrupted, "interrupted"
	case errors.As(err, &silent):
		f.Message = fmt.Sprintf("%s did not answer within %s", host, time.Duration(silent))
	case errors.Is(err, context.DeadlineExceeded):
		f.Message = fmt.Sprintf("%s did not answer in time", host)
	case errors.As(err, &certificate):
		f.Message = fmt.Sprintf("cannot trust the certificate of %s: %v", host, certificate.Err)
		if errors.As(err, &unknown) {
			f.Hint = "If your network's own authority has signed it, name the file with that authority's certificate in SSL_CERT_FILE."
			if runtime.GOOS == "darwin" || runtime.GOOS == "windows" { // where Go asks the system and not the variable
				f.Hint = "If your network's own authority has signed it, add that authority to those the system trusts; on Linux SSL_CERT_FILE names one."
			}
		}
	case errors.As(err, &refused):
		f.Message = fmt.Sprintf("cannot reach %s: %v", host, refused)
		f.Hint = proxyHint(refused.status)
	case errors.As(err, &dial) && dial.Op == "proxyconnect":
		f.Message = e.scrub(fmt.Sprintf("cannot reach the proxy %s: %v", proxy, dial.Err))
		f.Hint = proxyHint(0)
	default:
		f.Message = e.scrub(fmt.Sprintf("cannot reach %s: %v", host, err))
	}
	return f
}

// blameProxy turns f into the proxy's error if the request went through one and the answer cannot be the API's.
func (e *exchange) blameProxy(f *fault.Error, request *http.Request) {
	proxy := e.client.proxy(request)
	if e.isJSON() || proxy == "" && e.status != http.StatusProxyAuthRequired {
		return
	}
	f.Kind = fault.Unavailable
	f.Message = fmt.Sprintf("the proxy %s answered in place of %s: %d %s", proxy, request.URL.Host, e.status, http.StatusText(e.status))
	if proxy == "" {
		f.Message = fmt.Sprintf("a proxy on the way to %s wants to know who you are: 407 %s", request.URL.Host, http.StatusText(e.status))
	}
	f.Hint = proxyHint(e.status)
}

func proxyHint(status int) string {
	if status == http.StatusProxyAuthRequired {
		return "Put a user name and password for the proxy into HTTPS_PROXY: http://user:password@host:port"
	}
	return "HTTPS_PROXY names the proxy. Ask its operator to let this host through, or add the host to NO_PROXY."
}

// refusal turns an answer that is no success into an error. The body comes from PostgREST, Auth, the gateway, or
// anything else.
func (e *exchange) refusal(request *http.Request) *fault.Error {
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
	case e.status == http.StatusUnauthorized:
		e.unauthorized(f, body.ErrorCode == "" && !fromDatabase(code))
	default:
		e.explain(f)
	}
	e.blameProxy(f, request)
	return f
}

// unauthorized completes the error for a 401, which is the gateway's, PostgREST's or Babelon's.
func (e *exchange) unauthorized(f *fault.Error, byGateway bool) {
	isPerson := e.client.accessToken.Reveal() != ""
	switch {
	case byGateway:
		f.Kind = fault.Usage // it refused the API key and has not looked at the credentials
		f.Message = "the gateway refused the request: " + f.Message
		f.Hint = e.keyHint()
	case f.Code == "42501": // where PostgREST means 403, because a pair is no JWT
		f.Hint = "The token is fine; a policy or a missing grant to babelon_token refuses this."
	case isClock(f) && isPerson:
		f.Kind, f.Hint = fault.Authentication, "Set this computer's clock, if it is wrong. Sign in again."
		f.Message = "by the project's clock the session is not valid now, also when tried once more: " + f.Message
	case isClock(f): // the JWT is the gateway's own, or a publishable key of the older kind
		f.Kind, f.Hint = fault.Unavailable, "Try again in a minute; the project's clocks may differ. "+e.keyHint()
		f.Message = "by the project's clock the publishable key is not valid now, also when tried once more: " + f.Message
	case strings.HasPrefix(f.Code, "PGRST") && isPerson: // about the JWT
		f.Kind, f.Hint = fault.Authentication, "Sign in again."
	case strings.HasPrefix(f.Code, "PGRST"): // about the only JWT that goes with a pair
		f.Kind, f.Hint = fault.Usage, e.keyHint()
	default:
		f.Kind = fault.Authentication
	}
}

// explain adds what to do about PostgREST's errors that Babelon's users meet.
func (e *exchange) explain(f *fault.Error) {
	switch f.Code {
	case "25006":
		if e.client.pair.ClientID != "" {
			f.Message = "this token is read-only"
			f.Hint = "A viewer's token cannot write; use a member's. If it is none, the function is declared stable and writes."
		}
	case "PGRST106":
		f.Hint = "Expose the schema " + e.schema + " in Project Settings > Data API. If it is listed there, the role authenticator overrides that: " +
			"add it to pgrst.db_schemas, or run: alter role authenticator reset pgrst.db_schemas"
	case "PGRST202", "PGRST205", "42P01", "42883", "3F000": // no such function, view or schema
		f.Hint = "Check the name and the arguments. If it is new, run: notify pgrst, 'reload schema'"
		if e.schema == ourSchema {
			f.Hint = "Babelon is not installed in this project, or is older than this command line. Apply its migration there."
		}
	}
}

func (e *exchange) keyHint() string {
	if e.client.project.PublishableKey == "" {
		return "Set publishable_key in .babelon.toml, or BABELON_PUBLISHABLE_KEY; Project Settings > API Keys shows it."
	}
	return "Compare " + e.client.project.KeySource + " with Project Settings > API Keys; the token pair was not looked at."
}

// isClock reports whether a JWT was refused because it is not valid now, by the server's clock. PostgREST before 13 has
// one code for everything about a JWT.
func isClock(f *fault.Error) bool {
	if f.Status != http.StatusUnauthorized {
		return false
	}
	return f.Code == "PGRST303" || f.Code == "PGRST301" && (strings.HasSuffix(f.Message, "JWT expired") ||
		strings.HasSuffix(f.Message, "JWT not yet valid") || strings.HasSuffix(f.Message, "JWT issued at future"))
}

// fromDatabase reports whether a code is Babelon's, PostgREST's or PostgreSQL's, and not the gateway's.
func fromDatabase(code string) bool {
	const sqlstate = len("42501")
	return strings.HasPrefix(code, "BBL_") || strings.HasPrefix(code, "PGRST") || len(code) == sqlstate
}

// maxMessage is what is shown of somebody else's text, in characters.
const maxMessage = 200

// scrub makes one short line of the server's text, without the secrets that were sent.
func (e *exchange) scrub(text string) string {
	return term.Shorten(strings.Join(strings.Fields(e.hide(text)), " "), maxMessage)
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
