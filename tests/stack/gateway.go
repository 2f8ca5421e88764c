package stack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// startGateway starts what stands in front of a hosted project: it demands an API key, replaces the key with its role's JWT
// unless the request carries a person's session, and passes the request to PostgREST or Auth. Returns its URL.
func (s *Stack) startGateway(postgREST string) (string, error) {
	roles := map[string]string{} // API key → JWT
	for key, role := range map[string]string{s.PublishableKey: "anon", s.SecretKey: "service_role"} {
		token, err := s.apiKeyJWT(role)
		if err != nil {
			return "", err
		}
		roles[key] = token
		roles[token] = token // the keys of older projects are JWTs themselves
	}
	auth, err := url.Parse(s.authURL)
	if err != nil {
		return "", err
	}
	rest, err := url.Parse(postgREST)
	if err != nil {
		return "", err
	}
	logFile, err := os.OpenFile(filepath.Join(s.Dir, "gateway.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return "", err
	}
	logger := log.New(logFile, "", log.LstdFlags)

	// One for each request that PostgREST serves at once. The default keeps two.
	transport := &http.Transport{MaxIdleConnsPerHost: 256}

	mux := http.NewServeMux()
	mux.Handle("/rest/v1/", http.StripPrefix("/rest/v1", &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			// Unchanged: the proxy drops what net/url does not parse, such as a filter with a `;`.
			r.Out.URL.RawQuery = r.In.URL.RawQuery
			r.SetURL(rest)
			r.SetXForwarded()
			// PostgREST 12 answers HEAD with a body too, which would spoil the next answer.
			r.Out.Close = r.Out.Method == http.MethodHead
		},
		ModifyResponse: withoutOrigin,
		Transport:      transport,
		ErrorLog:       logger,
	}))
	mux.Handle("/auth/v1/", &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(auth); r.SetXForwarded() },
		ModifyResponse: func(r *http.Response) error { return errors.Join(withoutOrigin(r), rewriteTimes(r)) },
		ErrorLog:       logger,
	})
	server := &http.Server{Handler: crossOrigin(requireKey(roles, mux)), ErrorLog: logger, ReadHeaderTimeout: 10 * time.Second}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { _ = server.Serve(listener) }() // ends with Close below
	s.OnStop(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // requests that do not end
		}
		transport.CloseIdleConnections()
		return logFile.Close()
	})
	return "http://" + listener.Addr().String(), nil
}

// crossOrigin lets pages of every origin in, as Supabase's gateway does with Kong's cors plugin: a preflight has no key and
// needs none, and pages may read every other answer, refusals too.
func crossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") == "" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set(allowOrigin, "*")
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
			w.Header().Set("Access-Control-Allow-Headers", wanted)
		}
		w.Header().Set("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT")
	})
}

const allowOrigin = "Access-Control-Allow-Origin"

// withoutOrigin drops the allowed origin that the server behind the gateway sends: browsers refuse two values.
func withoutOrigin(response *http.Response) error {
	response.Header.Del(allowOrigin)
	return nil
}

func requireKey(roles map[string]string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := cmp.Or(r.Header.Get("apikey"), r.URL.Query().Get("apikey"))
		token, known := roles[key]
		switch {
		case key == "":
			refuse(w, "No API key found in request", "No `apikey` request header or url param was found.")
			return
		case !known:
			refuse(w, "Invalid API key", "Double check your Supabase `anon` or `service_role` API key.")
			return
		}
		r.URL.RawQuery = withoutKey(r.URL.RawQuery)
		// Client libraries repeat their key as Bearer. That is no session.
		if session := r.Header.Get("Authorization"); session == "" || session == "Bearer "+key {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		next.ServeHTTP(w, r)
	})
}

// withoutKey returns a query without its apikey, which PostgREST would take for a column.
func withoutKey(query string) string {
	parameters := slices.DeleteFunc(strings.Split(query, "&"), func(parameter string) bool {
		return strings.HasPrefix(parameter, "apikey=")
	})
	return strings.Join(parameters, "&")
}

func refuse(w http.ResponseWriter, message, hint string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message, "hint": hint})
}

var postgresTime = regexp.MustCompile(`"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)\+00"`)

// rewriteTimes turns this Auth server's timestamps into RFC 3339, which GoTrue sends.
func rewriteTimes(response *http.Response) error {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	body = postgresTime.ReplaceAll(body, []byte(`"${1}T${2}Z"`))
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.ContentLength = int64(len(body))
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}
