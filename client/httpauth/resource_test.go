package httpauth_test

import (
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/internal/httpauthtest"
)

// TestSharedResources plays the cases that clients of other languages and neonauth-http play too.
func TestSharedResources(t *testing.T) {
	right, wrong := httpauthtest.Resources(t, "../testdata/httpauth/resources.json")
	for _, c := range right {
		t.Run(c.Name, func(t *testing.T) {
			r, err := resourceOf(&c)
			if err != nil {
				t.Fatal(err)
			}
			if r.MetadataURL() != c.Metadata || !strings.HasSuffix(c.Metadata, r.Host()+r.MetadataPath()) {
				t.Errorf("%s on %s at %s, want %s", r.MetadataURL(), r.Host(), r.MetadataPath(), c.Metadata)
			}
			httpauthtest.PlayResource(t, &c, r, 404)
		})
	}
	for _, c := range wrong {
		if r, err := resourceOf(&c); err == nil || r != nil {
			t.Errorf("%s is taken", c.Name)
		}
	}
}

func TestAScopeIsAWord(t *testing.T) {
	for text, want := range map[string]bool{
		"r": true, "write:all": true, "!#[]~": true, strings.Repeat("x", httpauth.MaxScope-1): true, strings.Repeat("x", httpauth.MaxScope): true,
		"": false, "a b": false, "a\tb": false, `a"b`: false, `a\b`: false, "\u00e4": false, "a\x7f": false, "a\n": false, strings.Repeat("x", httpauth.MaxScope+1): false,
	} {
		if httpauth.ValidScope(text) != want {
			t.Errorf("%q is one: %t", text, !want)
		}
	}
}

func resourceOf(c *httpauthtest.ResourceCase) (*httpauth.Resource, error) {
	return httpauth.NewResource(httpauth.Metadata{Resource: c.Resource, AuthorizationServers: c.Servers, Scopes: c.Scopes, Name: c.Title})
}
