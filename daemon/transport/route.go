package transport

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// Route says how upstreams are reached over TLS. With the zero value they are reached
// directly. This machine is always reached directly.
type Route struct {
	// Proxy is the one that the configuration names.
	Proxy Proxy
	// Environment says which proxy a URL is asked through where the configuration names
	// none, as [Environment] does; nil: none.
	Environment func(*url.URL) (*url.URL, error)
	// Authorities may sign the certificate of a proxy that is reached over TLS; nil: the
	// system's.
	Authorities *x509.CertPool
}

// Environment returns what HTTPS_PROXY and NO_PROXY say, or their names in lower case, as
// curl and others read them. They are read once in the life of a process. HTTP_PROXY and
// ALL_PROXY mean nothing: plain http takes no proxy. The error repeats nothing of their
// values, which may hold a password.
func Environment() (func(*url.URL) (*url.URL, error), error) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		if _, err := parseLoosely(value); err != nil {
			return nil, fmt.Errorf("environment: %s %w", name, err)
		}
		return func(u *url.URL) (*url.URL, error) { return http.ProxyFromEnvironment(&http.Request{URL: u}) }, nil
	}
	return nil, nil
}

// parseLoosely reads a proxy of the environment, where the scheme may be left out.
func parseLoosely(text string) (Proxy, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	return ParseProxy(text)
}

// Through tells through which proxy a URL is asked, for people: its URL without user and
// password, and which setting says so. Both are "" if it is asked directly.
func (r *Route) Through(u *url.URL) (proxy, says string) {
	if u.Scheme != "https" || IsLoopback(u.Hostname()) {
		return "", ""
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	via, err := r.to(u.Hostname() + ":" + port)
	switch {
	case err != nil || via == nil:
		return "", ""
	case r.Proxy.IsZero():
		return via.String(), "HTTPS_PROXY"
	default:
		return via.String(), "upstream_proxy"
	}
}

// through is a proxy with the authorities that may sign its certificate.
type through struct {
	Proxy
	authorities *x509.CertPool
}

// to returns the proxy for an address, HOST:PORT; nil for none.
func (r *Route) to(address string) (*through, error) {
	switch {
	case r.Proxy.direct:
		return nil, nil
	case !r.Proxy.IsZero():
		return &through{r.Proxy, r.Authorities}, nil
	case r.Environment == nil:
		return nil, nil
	}
	u, err := r.Environment(&url.URL{Scheme: "https", Host: address})
	if err != nil {
		return nil, errEnvironment // the error's text holds the variable's value
	}
	if u == nil {
		return nil, nil
	}
	p, err := ParseProxy(u.String())
	if err != nil {
		return nil, errEnvironment
	}
	return &through{p, r.Authorities}, nil
}

var errEnvironment = errors.New("HTTPS_PROXY is no address of a proxy")
