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

// MetadataPath is the path of a host's metadata about protected resources (RFC
// 9728 section 3). The path of the resource follows it.
const MetadataPath = "/.well-known/oauth-protected-resource"

// The limits of Metadata.
const (
	MaxServers      = 8   // authorization servers
	MaxScopes       = 64  // scopes
	MaxResourceName = 128 // characters
)

// Metadata describes a protected resource (RFC 9728 section 2).
type Metadata struct {
	// Resource is the address of the resource and the "aud" of its tokens, such
	// as https://mcp.example.com/mcp.
	Resource string

	// AuthorizationServers are the issuers of its tokens, 1 to MaxServers.
	AuthorizationServers []string

	// Scopes are the scopes that its clients may ask for, at most MaxScopes.
	// Empty: the metadata does not name any.
	Scopes []string

	// Name is the name of the resource for people, at most MaxResourceName
	// characters. Empty: it has no name.
	Name string
}

// Resource is a protected resource: use it as Guard.Resource of package
// middleware, and as an http.Handler that serves its metadata. NewResource
// makes one. A Resource does not change and is safe for concurrent use.
type Resource struct {
	origin   string // scheme and host
	path     string // "" is the root
	document []byte
}

// NewResource returns a resource with this metadata. The error names the member
// that is wrong, and says what would be valid.
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
	e.SetEscapeHTML(false) // so that the document is the same in every language
	err := e.Encode(struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported,omitempty"`
		Methods  []string `json:"bearer_methods_supported"`
		Name     string   `json:"resource_name,omitempty"`
	}{m.Resource, m.AuthorizationServers, m.Scopes, []string{"header"}, m.Name})
	return &Resource{origin: parts[1], path: strings.TrimSuffix(parts[2], "/"), document: document.Bytes()}, err
}

// address matches the address of a resource or an issuer: its origin and its
// path. Other parts of an address are not allowed, because the languages differ
// in how they read them.
var address = regexp.MustCompile(`^(https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)((?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?)$`)

var errAddress = errors.New("must be an address such as https://mcp.example.com/mcp, in ASCII, without a query or a fragment")

func validName(name string) bool {
	return utf8.ValidString(name) && utf8.RuneCountInString(name) <= MaxResourceName && !strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
	})
}

// MetadataURL returns the address of the metadata, for
// Refusal.ResourceMetadata.
func (r *Resource) MetadataURL() string { return r.origin + r.MetadataPath() }

// MetadataPath returns the path of MetadataURL.
func (r *Resource) MetadataPath() string { return MetadataPath + r.path }

// Host returns the host of the resource, with its port if it has one.
func (r *Resource) Host() string { return r.origin[strings.Index(r.origin, "//")+2:] }

// Describes reports whether the metadata is served at this path: the resource's
// own MetadataPath, or the constant MetadataPath alone, with or without a slash
// at the end. The path is escaped as in the request.
func (r *Resource) Describes(path string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(path, "/"), MetadataPath)
	return ok && (rest == "" || rest == r.path)
}

// ServeHTTP serves the metadata to everybody, and responds 404 for every other
// path.
func (r *Resource) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.Describes(req.URL.EscapedPath()) {
		r.Describe(w, req.Method)
		return
	}
	http.NotFound(w, req)
}

// Describe responds to a request for the metadata. The metadata is public, so
// CORS allows pages of every site to read it. Clients in browsers send headers
// of their own, so Describe responds to their preflight too.
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
			_, _ = w.Write(r.document) // it fails only if the client has left
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
