package authrequest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/neonauthd/neonauthd/client/httpauth"
)

// maxResources bounds the protected resources of a configuration file.
const maxResources = 16

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
	*httpauth.Resource
	project string // the project of its locations; "": the daemon's first
}

func readResources(tables []resourceTable) ([]resource, error) {
	if len(tables) > maxResources {
		return nil, fmt.Errorf("resource: at most %d tables", maxResources)
	}
	var all []resource
	for i, t := range tables {
		one, err := httpauth.NewResource(httpauth.Metadata{Resource: t.Resource, AuthorizationServers: t.Servers, Scopes: t.Scopes, Name: t.Name})
		if err != nil {
			return nil, fmt.Errorf("resource %d: %w", i+1, err)
		}
		for _, other := range all {
			if other.project == t.Project || other.Host() == one.Host() && other.MetadataPath() == one.MetadataPath() {
				return nil, fmt.Errorf("resource %d: there is one of this project or address already", i+1)
			}
		}
		all = append(all, resource{one, t.Project})
	}
	return all, nil
}

// of returns the resource of the project's locations; nil if there is none.
func (set *Settings) of(project string) *httpauth.Resource {
	for _, each := range set.resources {
		if each.project == project {
			return each.Resource
		}
	}
	return nil
}

// described returns the resource whose metadata a request asks for: the
// resource with the requested path; of several, the one with the requested
// host; without a path, the only resource there is.
func (set *Settings) described(r *http.Request) *httpauth.Resource {
	var found []*httpauth.Resource
	path := r.URL.EscapedPath()
	bare := strings.TrimSuffix(path, "/") == httpauth.MetadataPath
	for _, each := range set.resources {
		if each.Describes(path) && (!bare || len(set.resources) == 1 || each.MetadataPath() == httpauth.MetadataPath) {
			found = append(found, each.Resource)
		}
	}
	for _, each := range found {
		if strings.EqualFold(each.Host(), r.Host) {
			return each
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return nil
}
