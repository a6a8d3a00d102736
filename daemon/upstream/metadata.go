package upstream

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// place is a URL where metadata may be, and the issuer that they must name (RFC 8414 section 3).
type place struct{ url, issuer string }

// metadataPlaces are the places where Better Auth with its OAuth provider may serve metadata. Its issuer is its base
// URL, or the origin if it is configured so. Where the metadata of the other issuer would be, it answers 404.
func metadataPlaces(baseURL string) []place {
	const server, openid = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	root := strings.TrimRight(baseURL, "/")
	base, err := url.Parse(root)
	if err != nil {
		return nil // it was read before
	}
	origin := base.Scheme + "://" + base.Host
	places := []place{{root + server, root}, {root + openid, root}}
	if origin == root {
		return places
	}
	return append(places, place{origin + server + root[len(origin):], root}, place{origin + server, origin}, place{origin + openid, origin})
}

// BaseIssuer returns the base URL as the name of the issuer that it may be.
func (c *Client) BaseIssuer() string { return rootOf(c.config.BaseURL) }

// Pin tells the Client which issuer's tokens are accepted. If it is the base URL, only metadata of this issuer are taken
// from now on: a 404 in their place may be a fault that passes, and the metadata of the origin may be another
// database's.
func (c *Client) Pin(issuer string) { c.ofBase.Store(issuer == c.BaseIssuer()) }

// IssuerNow is [Client.Issuer], and fetches the metadata also if they are known.
func (c *Client) IssuerNow(ctx context.Context) (string, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	found, e := c.discovery.again(ctx, c)
	return found.issuer, c.finish(actMetadata, e)
}

// Issuer returns the name of the upstream as an OAuth server. For OIDC it is the configured issuer; for Neon its
// metadata name it, and it is the base URL or its origin. The error is an *Error.
func (c *Client) Issuer(ctx context.Context) (string, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	found, e := c.discovery.find(ctx, c)
	return found.issuer, c.finish(actMetadata, e)
}

// discoverNeon looks for the metadata in their places. If there are none in one place, it goes on to the next, but
// never takes metadata that name a third issuer, nor those of the origin if the base URL is pinned as the issuer.
func (c *Client) discoverNeon(ctx context.Context) (document, *Error) {
	for _, at := range metadataPlaces(c.config.BaseURL) {
		if c.ofBase.Load() && at.issuer != c.BaseIssuer() {
			continue
		}
		a, e := c.get(ctx, at.url, nil, MaxKeysetBody)
		switch {
		case e != nil:
			return document{}, e
		case a.status == http.StatusNotFound:
			continue
		}
		return c.readMetadata(a, at.issuer)
	}
	return document{}, noKnownError(http.StatusNotFound, "there are no OAuth metadata at base_url or its origin: is this an OAuth server? check base_url, or write its issuer into issuers")
}
