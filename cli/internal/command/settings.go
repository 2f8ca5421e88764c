package command

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/config"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/fault"
	"github.com/babelon/babelon/cli/internal/settings"
)

type settingsOptions struct {
	listen, publicURL string
	noBrowser         bool
}

func newSettings(c *connect.Connector) *cobra.Command {
	o := settingsOptions{}
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Open Settings > API Access in the browser",
		Long: `Serves the page Settings > API Access, where admins and owners generate and revoke tokens and everybody in the
organization sees them; prints its address, opens it in the browser, and goes on until Ctrl-C. People sign in with their
e-mail address and password. Whoever opens the printed address, which works once for that, can continue as the person of
babelon login instead.

For a team, give --listen and --public-url, and put a proxy in front that speaks TLS and passes the Host header on.
Attempts to sign in are then slowed down for all of the proxy's visitors together, since X-Forwarded-For is not believed:
let the proxy limit /sign-in too.`,
		Example: "  babelon settings\n  babelon settings --no-browser --listen 127.0.0.1:8080\n" +
			"  babelon settings --listen 10.0.0.5:8080 --public-url https://tokens.example.com",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serveSettings(cmd.Context(), c, o) },
	}
	cmd.Flags().BoolVar(&o.noBrowser, "no-browser", false, "only print the address")
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:0", "where to listen, as `host:port`; port 0 is any free one")
	cmd.Flags().StringVar(&o.publicURL, "public-url", "", "the `URL` that people open, of the proxy in front")
	return cmd
}

func serveSettings(ctx context.Context, c *connect.Connector, o settingsOptions) error {
	origin, err := o.origin()
	if err != nil {
		return err
	}
	loaded, err := c.Config()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fault.Usagef("Name another port with --listen, or 0 for any free one.", "cannot listen: %w", err)
	}
	defer listener.Close()

	options := settings.Options{Config: loaded, Client: client.New(loaded, c.Transport, c.IO.Now).Waiting(c.Timeout, nil), Origin: origin, Now: c.IO.Now, Notef: c.IO.Notef}
	if origin == nil { // only from this machine
		options.Origin = &url.URL{Scheme: "http", Host: listener.Addr().String()}
		options.CommandLine = func(ctx context.Context) (credential.Session, error) { return c.Session(ctx, loaded) }
	}
	page, err := settings.New(options)
	if err != nil {
		return err
	}
	address, opened := page.LaunchURL()
	if err := c.IO.Print(address + "\n"); err != nil {
		return err
	}
	if !o.noBrowser && origin == nil {
		closeBrowser := openBrowser(c, address, opened)
		defer closeBrowser()
	}
	c.IO.Notef("API access to %s; listening on %s until Ctrl-C", loaded.URL, listener.Addr())
	return serve(ctx, listener, page)
}

// serve serves until the context ends, which is how it is meant to end, and lets requests under way finish.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // of what strangers send, and they choose what it says
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

// origin returns what browsers will call the page, or nil where that is the address it listens on. Without TLS
// a password and every secret could be read on the way, so another host than this one needs a proxy in front.
func (o settingsOptions) origin() (*url.URL, error) {
	host, port, err := net.SplitHostPort(o.listen)
	if number, bad := strconv.Atoi(port); err != nil || bad != nil || number < 0 || number > 65535 {
		return nil, fault.Usagef("", "--listen should look like 127.0.0.1:8080")
	}
	if o.publicURL == "" {
		if !config.IsLoopback(host) {
			return nil, fault.Usagef("Put a proxy in front that speaks TLS, and name its address with --public-url.",
				"--listen %s is reachable from other machines, without TLS", o.listen)
		}
		return nil, nil
	}
	u, err := url.Parse(o.publicURL)
	switch {
	case err != nil, u.Hostname() == "", u.Scheme != "https" && u.Scheme != "http", u.User != nil, u.RawQuery != "", u.Fragment != "", u.Path != "" && u.Path != "/":
		return nil, fault.Usagef("", "--public-url should look like https://tokens.example.com")
	case u.Scheme == "http" && !config.IsLoopback(u.Hostname()):
		return nil, fault.Usagef("", "--public-url must begin with https://, except on this machine")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// openBrowser opens the address in the user's browser. The address is in a file that only the user can read,
// since a command line can be read by everybody. The file is removed when the address has been opened, or by
// calling the function that is returned. It is in the home folder, the one place where also a browser in a
// sandbox, as Ubuntu has it, reads files.
func openBrowser(c *connect.Connector, address string, opened <-chan struct{}) (cleanUp func()) {
	home, _ := os.UserHomeDir() // else the folder for temporary files
	file, err := os.CreateTemp(home, "babelon-settings-*.html")
	if err != nil {
		c.IO.Notef("Open this address in a browser.")
		return func() {}
	}
	defer file.Close()
	cleanUp = func() { _ = os.Remove(file.Name()) }
	if _, err := fmt.Fprintf(file, "<!doctype html>\n<title>API Access</title>\n<meta http-equiv=\"refresh\" content=\"0; url=%s\">\n", address); err != nil {
		c.IO.Notef("Open this address in a browser.")
		return cleanUp
	}
	name, arguments := "xdg-open", []string{file.Name()}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, arguments = "rundll32", []string{"url.dll,FileProtocolHandler", file.Name()}
	}
	browser := exec.Command(name, arguments...)
	if err := browser.Start(); err != nil {
		c.IO.Notef("Open this address in a browser; none was found here.")
		return cleanUp
	}
	go func() { _ = browser.Wait() }()
	go func() {
		<-opened
		cleanUp()
	}()
	return cleanUp
}
