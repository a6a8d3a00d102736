package upstream

import (
	"net/url"

	"github.com/neonauthd/neonauthd/daemon/transport"
)

// Proxy tells through which proxy base_url is asked, without user and password, and which setting says so:
// "upstream_proxy" or "HTTPS_PROXY". Both are empty where it is asked directly.
func (c *Client) Proxy() (proxy, says string) {
	base, err := url.Parse(c.config.BaseURL)
	if err != nil {
		return "", "" // it was read before
	}
	return c.config.Transport.Route.Through(base)
}

// PlainHTTP reports whether one of the configured URLs is plain http to another host than this one.
func (c *Client) PlainHTTP() bool { return c.endpoints.elsewhere }

// Takes reports whether a proxy that was read without err is the one that the client was made with.
func (c *Client) Takes(p transport.Proxy, err error) bool {
	return err == nil && p.Same(c.config.Transport.Route.Proxy)
}
