package httpauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MetadataPath is where a host tells of its protected resources (RFC 9728 section 3): behind it comes the resource's own path.
const MetadataPath = "/.well-known/oauth-protected-resource"

// Bounds of Metadata.
const (
	MaxServers      = 8   // authorization servers
	MaxScopes       = 64  // scopes
	MaxResourceName = 128 // characters
)

// Metadata is what a protected resource tells of itself.
type Metadata struct {
	// Resource is its address, the "aud" of its tokens, such as https://mcp.example.com/mcp.
	Resource string

	// AuthorizationServers are the issuers that give out its tokens, 1 to MaxServers.
	AuthorizationServers []string

	// Scopes are those that its clients may ask for. Empty: it does not tell.
	Scopes []string

	// Name is for people. Empty: it has none.
	Name string
}

// Resource is a protected resource, for Guard.Resource of package middleware and as an http.Handler that serves its metadata.
// NewResource makes one. It does not change and is safe for concurrent use.
type Resource struct {
	origin   string // scheme and host
	path     string // "" is the root
	document []byte
}

// NewResource returns a resource. The error says which of its metadata is wrong, and what would be right.
func NewResource(m Metadata) (*Resource, error) {
	switch {
	case len(m.AuthorizationServers) == 0 || len(m.AuthorizationServers) > MaxServers:
		return nil, fmt.Errorf("authorization_servers: 1 to %d issuers, the addresses of who gives out the tokens", MaxServers)
	case len(m.Scopes) > MaxScopes || slices.ContainsFunc(m.Scopes, func(s string) bool { return !ValidScope(s) }):
		return nil, fmt.Errorf("scopes: at most %d words", MaxScopes)
	case !validName(m.Name):
		return nil, fmt.Errorf("name: at most %d characters, on one line", MaxResourceName)
	}
	for _, server := range m.AuthorizationServers {
		if !address.MatchString(server) {
			return nil, fmt.Errorf("authorization_servers: %w", errAddress)
		}
	}
	parts := address.FindStringSubmatch(m.Resource)
	if parts == nil {
		return nil, fmt.Errorf("resource: %w", errAddress)
	}
	var document bytes.Buffer
	e := json.NewEncoder(&document)
	e.SetEscapeHTML(false) // so that it is the same in every language
	err := e.Encode(struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported,omitempty"`
		Methods  []string `json:"bearer_methods_supported"`
		Name     string   `json:"resource_name,omitempty"`
	}{m.Resource, m.AuthorizationServers, m.Scopes, []string{"header"}, m.Name})
	return &Resource{origin: parts[1], path: strings.TrimSuffix(parts[2], "/"), document: document.Bytes()}, err
}

// address is an address of a resource or an issuer: its origin and its path. Languages differ in what they make of the rest
// of what an address may be.
var address = regexp.MustCompile(`^(https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)((?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?)$`)

var errAddress = errors.New("must be an address such as https://mcp.example.com/mcp, in ASCII, without a query or a fragment")

func validName(name string) bool {
	return utf8.ValidString(name) && utf8.RuneCountInString(name) <= MaxResourceName && !strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
	})
}

// MetadataURL is the address of the metadata, for Refusal.ResourceMetadata.
func (r *Resource) MetadataURL() string { return r.origin + r.MetadataPath() }

// MetadataPath is the path of that address.
func (r *Resource) MetadataPath() string { return MetadataPath + r.path }

// Host is the host of the resource, with its port if it has one.
func (r *Resource) Host() string { return r.origin[strings.Index(r.origin, "//")+2:] }

// Describes reports whether the metadata is served at that path, which is escaped as in the request: its own, or
// MetadataPath alone, with or without a slash at the end.
func (r *Resource) Describes(path string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(path, "/"), MetadataPath)
	return ok && (rest == "" || rest == r.path)
}

// ServeHTTP serves the metadata, which is for everybody, and 404 at every other path.
func (r *Resource) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.Describes(req.URL.EscapedPath()) {
		r.Describe(w, req.Method)
		return
	}
	http.NotFound(w, req)
}

// Describe answers a request for the metadata. Browsers show it to every page, and it holds nothing of anybody. Clients in
// browsers ask with headers of their own, so there is an answer to their preflight.
func (r *Resource) Describe(w http.ResponseWriter, method string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch method {
	case http.MethodGet, http.MethodHead:
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("Content-Length", strconv.Itoa(len(r.document)))
		w.WriteHeader(http.StatusOK)
		if method == http.MethodGet {
			_, _ = w.Write(r.document) // whoever is gone needs no answer
		}
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "*")
		w.WriteHeader(http.StatusNoContent)
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}
