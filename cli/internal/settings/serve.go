package settings

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/fault"
	"github.com/babelon/babelon/cli/internal/term"
)

// Listen says where the page is served and how people get to it.
type Listen struct {
	Address   string // host:port; port 0 is any free one
	PublicURL string // what people open, where a proxy is in front; else ""
	NoBrowser bool   // only print the address
}

// Serve serves the page until ctx ends. It prints the address, and opens it in the browser where the page is only
// for this machine. It sets the options' Origin, and offers the session of the command line only on this machine.
func Serve(ctx context.Context, o Options, l Listen, out *term.IO) error {
	public, err := l.publicOrigin()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", l.Address)
	if err != nil {
		return fault.Usagef("Name another port with --listen, or 0 for any free one.", "cannot listen: %w", err)
	}
	defer listener.Close()

	o.Origin = public
	if public == nil {
		o.Origin = &url.URL{Scheme: "http", Host: listener.Addr().String()}
	} else {
		o.CommandLine = nil
	}
	page, err := New(o)
	if err != nil {
		return err
	}
	address, opened := page.launchURL()
	if err := out.Print(address + "\n"); err != nil {
		return err
	}
	if !l.NoBrowser && public == nil {
		closeBrowser := openBrowser(out, address, opened)
		defer closeBrowser()
	}
	out.Notef("API access to %s; listening on %s until Ctrl-C", o.Config.URL, listener.Addr())
	return serve(ctx, listener, page)
}

// serve serves until ctx ends, which is the normal end, and lets running requests finish.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // strangers choose what it would say
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return &fault.Error{Kind: fault.Failure, Message: "cannot serve: " + err.Error(), Err: err}
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		return server.Close()
	}
	return nil
}

// publicOrigin returns the origin that browsers use for the page, or nil if that is the listening address. Without
// TLS others could read passwords and secrets on the way, so other machines reach the page only through a proxy.
func (l Listen) publicOrigin() (*url.URL, error) {
	host, port, err := net.SplitHostPort(l.Address)
	if number, bad := strconv.Atoi(port); err != nil || bad != nil || number < 0 || number > 65535 {
		return nil, fault.Usagef("", "--listen should look like 127.0.0.1:8080")
	}
	if l.PublicURL == "" {
		if !config.IsLoopback(host) {
			return nil, fault.Usagef("Put a proxy in front that speaks TLS, and name its address with --public-url.",
				"--listen %s is reachable from other machines, without TLS", l.Address)
		}
		return nil, nil
	}
	u, err := url.Parse(l.PublicURL)
	switch {
	case err != nil, u.Hostname() == "", u.Scheme != "https" && u.Scheme != "http", u.User != nil, u.RawQuery != "", u.Fragment != "", u.Path != "" && u.Path != "/":
		return nil, fault.Usagef("", "--public-url should look like https://tokens.example.com")
	case u.Scheme == "http" && !config.IsLoopback(u.Hostname()):
		return nil, fault.Usagef("", "--public-url must begin with https://, except on this machine")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}
