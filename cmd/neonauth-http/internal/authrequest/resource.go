package authrequest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/neonauthd/neonauthd/client"
)

// metadataPath is where a protected resource tells of itself (RFC 9728 section 3): behind it comes the resource's own path.
const metadataPath = "/.well-known/oauth-protected-resource"

// Bounds of what a configuration file says of protected resources.
const (
	maxResources = 16
	maxServers   = 8
	maxScopes    = 64
)

// resourceTable is a [[resource]] of the configuration file.
type resourceTable struct {
	Resource string   `toml:"resource"`
	Project  string   `toml:"project"`
	Servers  []string `toml:"authorization_servers"`
	Scopes   []string `toml:"scopes"`
	Name     string   `toml:"name"`
}

// resource is a protected resource behind the web server.
type resource struct {
	project  string // whose locations it is; "": the daemon's first
	host     string
	path     string // "" for the root
	metadata string // the address of its document
	document []byte
}

func readResources(tables []resourceTable) ([]*resource, error) {
	if len(tables) > maxResources {
		return nil, fmt.Errorf("resource: at most %d tables", maxResources)
	}
	var all []*resource
	for i := range tables {
		one, err := tables[i].read()
		if err != nil {
			return nil, fmt.Errorf("resource %d: %w", i+1, err)
		}
		for _, other := range all {
			if other.project == one.project || other.host == one.host && other.path == one.path {
				return nil, fmt.Errorf("resource %d: there is one of this project or address already", i+1)
			}
		}
		all = append(all, one)
	}
	return all, nil
}

func (t *resourceTable) read() (*resource, error) {
	u, err := address(t.Resource)
	switch {
	case err != nil:
		return nil, fmt.Errorf("resource: %w", err)
	case len(t.Servers) == 0 || len(t.Servers) > maxServers:
		return nil, fmt.Errorf("authorization_servers: 1 to %d issuers, the addresses of who gives out the tokens", maxServers)
	case len(t.Scopes) > maxScopes || slices.ContainsFunc(t.Scopes, func(s string) bool { return !scopeWord(s) }):
		return nil, fmt.Errorf("scopes: at most %d words", maxScopes)
	}
	for _, server := range t.Servers {
		if _, err := address(server); err != nil {
			return nil, fmt.Errorf("authorization_servers: %w", err)
		}
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	document, err := json.Marshal(struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported,omitempty"`
		Methods  []string `json:"bearer_methods_supported"`
		Name     string   `json:"resource_name,omitempty"`
	}{t.Resource, t.Servers, t.Scopes, []string{"header"}, t.Name})
	if err != nil {
		return nil, err
	}
	return &resource{
		project: t.Project, host: u.Host, path: path, document: append(document, '\n'),
		metadata: u.Scheme + "://" + u.Host + metadataPath + path,
	}, nil
}

// address reads an address of a resource or an issuer.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") || !plainText(text) || strings.Contains(text, " ") {
		return nil, errors.New("must be an address such as https://mcp.example.com/mcp, without a query or a fragment")
	}
	return u, nil
}

// scopeWord tells whether text is one scope (RFC 6749 section 3.3).
func scopeWord(text string) bool {
	return text != "" && len(text) <= 128 && plainText(text) && !strings.Contains(text, " ")
}

// of returns the resource whose locations ask of the project; nil if there is none.
func (set *Settings) of(project string) *resource {
	for _, each := range set.resources {
		if each.project == project {
			return each
		}
	}
	return nil
}

// described returns the resource whose document a request asks for: the one with its path, of several that of the host
// asked, and without a path the only one there is.
func (set *Settings) described(r *http.Request) *resource {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), metadataPath)
	if !ok || path != "" && path[0] != '/' {
		return nil
	}
	var found []*resource
	for _, each := range set.resources {
		if each.path == strings.TrimSuffix(path, "/") {
			found = append(found, each)
		}
	}
	for _, each := range found {
		if strings.EqualFold(each.host, r.Host) {
			return each
		}
	}
	switch {
	case len(found) == 1:
		return found[0]
	case path == "" && len(set.resources) == 1:
		return set.resources[0]
	}
	return nil
}

// describe answers with a resource's document, which is for everybody.
func (one *resource) describe(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Access-Control-Allow-Origin", "*") // clients in browsers read it too, and it holds nothing of anybody
	h.Set("Content-Length", strconv.Itoa(len(one.document)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(one.document) // a web server that is gone needs no answer
	}
}

// lacksScope tells whether the token of an accepted answer lacks one of the words. They are compared whole; the name of
// the claim counts to the letter.
func lacksScope(a *client.Accepted, words []string) bool {
	if len(words) == 0 {
		return false
	}
	var claims map[string]json.RawMessage
	var scope string
	if json.Unmarshal(a.Claims(), &claims) != nil || json.Unmarshal(claims["scope"], &scope) != nil {
		return true
	}
	granted := strings.Split(scope, " ")
	return slices.ContainsFunc(words, func(word string) bool { return !slices.Contains(granted, word) })
}
