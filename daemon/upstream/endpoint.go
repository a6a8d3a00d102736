package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/transport"
)

// parseEndpoint checks a URL out of the configuration or out of a discovery document. The error says what is
// wrong and what to write instead, and repeats nothing of the URL: it may hold a password.
//
// Plain http is for this machine or, if private, for a private network. The transport checks the address that a name
// leads to.
func parseEndpoint(raw string, private bool) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("missing; write an absolute URL such as https://auth.example.com")
	}
	if strings.Contains(raw, "#") {
		return nil, errors.New("has a fragment (#...); leave it out")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("is not a URL; write an absolute one such as https://auth.example.com")
	}
	if u.User != nil {
		return nil, errors.New("holds credentials (user@host); leave them out, a secret belongs into its own file")
	}
	if u.Opaque != "" || u.Host == "" || u.Scheme == "" {
		return nil, errors.New("is not absolute; write scheme and host, such as https://auth.example.com")
	}
	if err := checkHost(u); err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "https":
	case "http":
		if fault := transport.PlainFault(u.Hostname(), private); fault != "" {
			return nil, errors.New(fault)
		}
	default:
		return nil, errors.New("has an unknown scheme; write https")
	}
	return u, nil
}

// checkHost refuses a host that two readers could understand differently: it must be ASCII, without a zone, and with a
// real port.
func checkHost(u *url.URL) error {
	for _, r := range u.Host {
		if r <= ' ' || r >= 0x7f || r == '%' {
			return errors.New("has a host with other than plain ASCII letters; write an internationalised name as xn--")
		}
	}
	if u.Hostname() == "" {
		return errors.New("has no host; write one, such as https://auth.example.com")
	}
	if _, port, found := strings.Cut(strings.TrimPrefix(u.Host, "["+u.Hostname()+"]"), ":"); found {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("has an impossible port; write 1 to 65535 or leave it out")
		}
	}
	return nil
}

// endpoints are the URLs one project's upstream is asked at. Empty ones are not known (yet).
type endpoints struct {
	keys, profile, discovery, introspection string

	plain     bool // one of the configured URLs is plain http
	elsewhere bool // one of these is on another host than this one
}

// note remembers whether a configured URL is plain http.
func (e *endpoints) note(u *url.URL) {
	if u.Scheme == "http" {
		e.plain, e.elsewhere = true, e.elsewhere || !transport.IsLoopback(u.Hostname())
	}
}

// apiKeys is where Stack is asked about an API key of a type, user or team.
func (e *endpoints) apiKeys(kind string) string {
	return strings.TrimSuffix(e.profile, "users/me") + kind + "-api-keys/check"
}

// derive checks config's URLs and completes them by the rules of its preset.
func derive(config Config) (endpoints, error) {
	base, err := parseEndpoint(config.BaseURL, config.Transport.PrivateHTTP)
	if err != nil {
		return endpoints{}, fmt.Errorf("base_url: %w", err)
	}
	if base.RawQuery != "" || base.ForceQuery {
		return endpoints{}, errors.New("base_url: has a query (?...); leave it out")
	}
	root := strings.TrimRight(base.String(), "/")
	var e endpoints
	e.note(base)
	switch config.Preset {
	case Stack:
		if !isProjectID(config.ProjectID) {
			return endpoints{}, errors.New("project_id: must be the project's id, letters, digits and hyphens, as shown in its settings")
		}
		if strings.HasSuffix(root, "/api/v1") || strings.HasSuffix(root, "/api/latest") {
			return endpoints{}, errors.New("base_url: is the API host alone; leave out the path /api")
		}
		// With anonymous users included the set is a superset of the others: a token of a class that is not
		// admitted is then recognised and refused by policy, instead of looking like an unknown key.
		e.keys = root + "/api/v1/projects/" + config.ProjectID + "/.well-known/jwks.json?include_anonymous=true"
		e.profile = root + "/api/v1/users/me"
	case Neon:
		e.keys = root + "/.well-known/jwks.json"
		e.profile = root + "/get-session?disableCookieCache=true&disableRefresh=true"
	case OIDC:
		e.discovery = root + "/.well-known/openid-configuration"
	default:
		return endpoints{}, errors.New(`preset: must be "stack", "neon" or "oidc"`)
	}
	return e.override(config)
}

// override applies the URLs that the configuration spells out.
func (e endpoints) override(config Config) (endpoints, error) {
	if config.KeysURL != "" {
		u, err := parseEndpoint(config.KeysURL, config.Transport.PrivateHTTP)
		if err != nil {
			return endpoints{}, fmt.Errorf("jwks_url: %w", err)
		}
		e.keys = u.String()
		e.note(u)
	}
	if config.UserinfoURL != "" {
		if config.Preset != OIDC {
			return endpoints{}, errors.New(`userinfo_url: belongs to preset "oidc" only; leave it out`)
		}
		u, err := parseEndpoint(config.UserinfoURL, config.Transport.PrivateHTTP)
		if err != nil {
			return endpoints{}, fmt.Errorf("userinfo_url: %w", err)
		}
		e.profile = u.String()
		e.note(u)
	}
	if config.Introspection != nil && config.Introspection.URL != "" {
		u, err := parseEndpoint(config.Introspection.URL, config.Transport.PrivateHTTP)
		if err != nil {
			return endpoints{}, fmt.Errorf("introspection_url: %w", err)
		}
		e.introspection = u.String()
		e.note(u)
	}
	return e, nil
}

// isProjectID accepts what may stand in a path and a header as it is: UUIDs, and the literal "internal".
func isProjectID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; !isAlnum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// isVisible reports whether text is non-empty, visible ASCII, and so fit for a header value.
func isVisible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return text != ""
}
