package client

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// NewTransport returns the transport for clients: through the proxy that the environment names, if any.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: refusedByProxy,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}
}

// A proxyError is a proxy's refusal to connect to the server.
type proxyError struct {
	proxy  string // host and port
	status int
}

func (p *proxyError) Error() string {
	return fmt.Sprintf("the proxy %s answered %d %s", p.proxy, p.status, http.StatusText(p.status))
}

func refusedByProxy(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return &proxyError{proxy.Host, answer.StatusCode}
	}
	return nil
}

// proxy returns the host and port of the proxy that the request goes through, or "".
func (c *Client) proxy(request *http.Request) string {
	transport, ok := c.transport.(*http.Transport)
	if !ok || transport.Proxy == nil {
		return ""
	}
	if proxy, err := transport.Proxy(request); err == nil && proxy != nil {
		return proxy.Host
	}
	return ""
}
