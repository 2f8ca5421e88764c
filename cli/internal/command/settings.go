package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/client"
	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/credential"
	"github.com/babelon/babelon/cli/internal/settings"
)

func newSettings(c *connect.Connector) *cobra.Command {
	listen := settings.Listen{}
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Open Settings > API Access in the browser",
		Long: `Serves the page Settings > API Access until Ctrl-C: admins and owners generate and revoke tokens there, and every
member of the organization sees the list. It prints the page's address and opens it in the browser. People sign in with
their e-mail address and password. The printed address offers one more way, once: to continue as the person who ran
babelon login.

For a team, give --listen and --public-url, and put a proxy in front that speaks TLS and passes the Host header on.
X-Forwarded-For is not trusted, so all of the proxy's visitors share one limit on attempts to sign in: let the proxy
limit /sign-in too.`,
		Example: "  babelon settings\n  babelon settings --no-browser --listen 127.0.0.1:8080\n" +
			"  babelon settings --listen 10.0.0.5:8080 --public-url https://tokens.example.com",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := c.Config()
			if err != nil {
				return err
			}
			return settings.Serve(cmd.Context(), settings.Options{
				Config: loaded, Client: client.New(loaded, c.Transport, c.IO.Now).Waiting(c.Timeout, nil), Now: c.IO.Now, Notef: c.IO.Warnf,
				CommandLine: func(ctx context.Context) (credential.Session, error) { return c.Session(ctx, loaded) },
			}, listen, c.IO)
		},
	}
	cmd.Flags().BoolVar(&listen.NoBrowser, "no-browser", false, "only print the address")
	cmd.Flags().StringVar(&listen.Address, "listen", "127.0.0.1:0", "where to listen, as `host:port`; port 0 is any free one")
	cmd.Flags().StringVar(&listen.PublicURL, "public-url", "", "the `URL` that people open: that of the proxy in front")
	return cmd
}
