package transport

import (
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Direct is how a configuration says that no proxy is to be used, whatever the
// environment says.
const Direct = "none"

// maxProxyURL bounds the text of a proxy, in bytes.
const maxProxyURL = 2048

// Proxy is an outgoing proxy that upstreams are reached through, as a configuration
// names it. The zero value names none and leaves it to the environment. However it is
// printed, encoded or logged, user and password are not shown. It is immutable and
// safe for concurrent use.
type Proxy struct {
	text   string // its address as a URL, without user and password
	direct bool
	host   string // for TLS to the proxy
	dial   string // HOST:PORT
	secure bool   // TLS to the proxy
	// A pointer, because fmt does not call methods on unexported fields, but prints a
	// nested pointer as an address.
	authorization *string
}

// Wants is what a text of a proxy must be.
func (Proxy) Wants() string {
	return `"http://HOST:PORT", "http://USER:PASSWORD@HOST:PORT", the same with https, or "none"`
}

// UnmarshalText reads a proxy's URL, or [Direct]. The error repeats nothing of the text,
// which may hold a password.
func (p *Proxy) UnmarshalText(text []byte) (err error) {
	*p, err = ParseProxy(string(text))
	return err
}

// ParseProxy reads what [Proxy.UnmarshalText] reads; an empty text names no proxy.
func ParseProxy(text string) (Proxy, error) {
	switch {
	case text == "":
		return Proxy{}, nil
	case text == Direct:
		return Proxy{direct: true, text: Direct}, nil
	case len(text) > maxProxyURL:
		return Proxy{}, errors.New("is longer than " + strconv.Itoa(maxProxyURL) + " bytes")
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return Proxy{}, errors.New("must be " + Proxy{}.Wants())
	}
	p := Proxy{host: u.Hostname(), secure: u.Scheme == "https"}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return Proxy{}, errors.New("must begin with http:// or https://: proxies of other kinds, such as SOCKS, are not supported")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return Proxy{}, errors.New("must end with the port: a proxy has no path")
	case !PlainHost(u.Host):
		return Proxy{}, errors.New("has a host with other than plain ASCII letters; write an internationalised name as xn--")
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[p.secure]
	} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return Proxy{}, errors.New("has an impossible port; write 1 to 65535")
	}
	p.dial = net.JoinHostPort(p.host, port)
	p.text = u.Scheme + "://" + p.dial
	return p, p.authorize(u.User)
}

// authorize sets the user and password that are sent to the proxy (RFC 7617).
func (p *Proxy) authorize(user *url.Userinfo) error {
	if user == nil {
		return nil
	}
	password, _ := user.Password()
	name := user.Username()
	if name == "" || strings.ContainsFunc(name+password, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.Contains(name, ":") {
		*p = Proxy{}
		return errors.New("has a user or password that cannot be sent: neither may hold control characters, and the user no colon")
	}
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
	p.authorization = &header
	return nil
}

// header returns the header of a CONNECT request.
func (p *Proxy) header() http.Header {
	header := http.Header{"User-Agent": {"neonauthd"}}
	if p.authorization != nil {
		header.Set("Proxy-Authorization", *p.authorization)
	}
	return header
}

// Same reports whether both are the same, user and password included.
func (p Proxy) Same(other Proxy) bool {
	if p.authorization == nil || other.authorization == nil {
		return p == other
	}
	mine, theirs := *p.authorization, *other.authorization
	p.authorization, other.authorization = nil, nil
	return p == other && mine == theirs
}

// IsZero reports whether the proxy names none and leaves it to the environment.
func (p Proxy) IsZero() bool { return p.text == "" }

// String is the proxy's URL without user and password, [Direct], or "".
func (p Proxy) String() string { return p.text }

// GoString is as String.
func (p Proxy) GoString() string { return p.text }

// MarshalText is as String.
func (p Proxy) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// PlainHost reports whether the host of an address is visible ASCII without a zone ("%"): two
// readers could understand any other differently. The empty text is.
func PlainHost(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '%' }) < 0
}
