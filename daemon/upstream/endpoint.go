package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/transport"
)

// CheckURL returns what is wrong with an address of an upstream, and what to write instead; nil if [New] takes it.
// private admits plain http to a private network. The error repeats nothing of raw, which may hold a password.
func CheckURL(raw string, private bool) error {
	_, err := parseEndpoint(raw, private)
	return err
}

// CheckBaseURL is CheckURL for the address from which the others of a preset are derived.
func CheckBaseURL(preset Preset, raw string, private bool) error {
	_, err := parseBase(preset, raw, private)
	return err
}

// parseBase is parseEndpoint for an address that paths are appended to.
func parseBase(preset Preset, raw string, private bool) (*url.URL, error) {
	base, err := parseEndpoint(raw, private)
	switch {
	case err != nil:
		return nil, err
	case base.RawQuery != "" || base.ForceQuery:
		return nil, errors.New("has a query (?...); leave it out, because paths are appended")
	}
	if root := rootOf(base.String()); preset == Stack && (strings.HasSuffix(root, "/api/v1") || strings.HasSuffix(root, "/api/latest")) {
		return nil, errors.New("is the API host alone; leave out the path /api")
	}
	return base, nil
}

// rootOf returns the base URL as paths are appended to it.
func rootOf(base string) string { return strings.TrimRight(base, "/") }

// KeysURL returns where the key set of a preset is, unless the configuration says otherwise; "" for OIDC, whose
// metadata say it. base and projectID have passed CheckBaseURL and IsProjectID.
func KeysURL(preset Preset, base, projectID string) string {
	switch preset {
	case Stack:
		// With anonymous users included the set is a superset of the others: a token of a class that is not
		// admitted is then recognised and refused by policy, instead of looking like an unknown key, which would
		// cause fetches.
		return rootOf(base) + "/api/v1/projects/" + projectID + "/.well-known/jwks.json?include_anonymous=true"
	case Neon:
		return rootOf(base) + "/.well-known/jwks.json"
	case OIDC:
	}
	return ""
}

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
	if !transport.PlainHost(u.Host) {
		return errors.New("has a host with other than plain ASCII letters; write an internationalised name as xn--")
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
	base, err := parseBase(config.Preset, config.BaseURL, config.Transport.PrivateHTTP)
	if err != nil {
		return endpoints{}, fmt.Errorf("base_url: %w", err)
	}
	root := rootOf(base.String())
	var e endpoints
	e.note(base)
	switch config.Preset {
	case Stack:
		if !IsProjectID(config.ProjectID) {
			return endpoints{}, errors.New("project_id: must be the id shown on the project's page, of at most 128 letters, digits, \"-\" or \"_\"")
		}
		e.profile = root + "/api/v1/users/me"
	case Neon:
		e.profile = root + "/get-session?disableCookieCache=true&disableRefresh=true"
	case OIDC:
		e.discovery = root + "/.well-known/openid-configuration"
	default:
		return endpoints{}, errors.New(`preset: must be "stack", "neon" or "oidc"`)
	}
	e.keys = KeysURL(config.Preset, root, config.ProjectID)
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

// IsProjectID tells whether id can be that of a project of Stack, and may stand in a path and a header as it is: UUIDs,
// and the literal "internal". It takes 1 to 128 letters, digits, "-" and "_".
func IsProjectID(id string) bool {
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
