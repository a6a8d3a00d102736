package authrequest

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/httpauthtest"
)

const resourceConfig = `
[[resource]]
resource = "https://mcp.example.com/mcp"
project = "mcp"
authorization_servers = ["https://auth.example.com"]
scopes = ["read", "write"]

[[resource]]
resource = "https://files.example.com"
project = "files"
authorization_servers = ["https://auth.example.com", "https://other.example.com/x"]
`

func resourceService(t *testing.T, text string) *Service {
	t.Helper()
	path := filepath.Join(need.Folder(t), "http.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return New("dev", &client.Client{}, set, slog.New(slog.DiscardHandler), time.Now)
}

func answerTo(s *Service, method, host, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://"+host+path, http.NoBody)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestAResourceTellsWhoGivesOutItsTokens(t *testing.T) {
	t.Parallel()
	s := resourceService(t, resourceConfig)
	for _, c := range []struct {
		host, path, resource string
	}{
		{"mcp.example.com", httpauth.MetadataPath + "/mcp", "https://mcp.example.com/mcp"},
		{"localhost", httpauth.MetadataPath + "/mcp", "https://mcp.example.com/mcp"},
		{"mcp.example.com", httpauth.MetadataPath + "/mcp/", "https://mcp.example.com/mcp"},
		{"files.example.com", httpauth.MetadataPath, "https://files.example.com"},
		{"mcp.example.com", httpauth.MetadataPath + "/mcp/deeper", ""},
		{"mcp.example.com", httpauth.MetadataPath + "x", ""},
		{"mcp.example.com", "/mcp" + httpauth.MetadataPath, ""},
		{"mcp.example.com", "/.well-known/openid-configuration", ""},
	} {
		w := answerTo(s, http.MethodGet, c.host, c.path)
		var document struct {
			Resource string
			Servers  []string `json:"authorization_servers"`
			Methods  []string `json:"bearer_methods_supported"`
		}
		if c.resource == "" {
			if w.Code != http.StatusNotFound {
				t.Errorf("%s%s: %d", c.host, c.path, w.Code)
			}
			continue
		}
		if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil || w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("%s%s: %d %v %s", c.host, c.path, w.Code, err, w.Body)
		}
		if document.Resource != c.resource || document.Servers[0] != "https://auth.example.com" || document.Methods[0] != "header" {
			t.Errorf("%s%s: %+v", c.host, c.path, document)
		}
	}
	if w := answerTo(s, http.MethodPost, "mcp.example.com", httpauth.MetadataPath+"/mcp"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
	if w := answerTo(s, http.MethodHead, "mcp.example.com", httpauth.MetadataPath+"/mcp"); w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d with %d bytes", w.Code, w.Body.Len())
	}
	one, _, _ := strings.Cut(resourceConfig, "\n[[resource]]\nresource = \"https://files")
	if w := answerTo(resourceService(t, one), http.MethodGet, "localhost", httpauth.MetadataPath); w.Code != http.StatusOK {
		t.Errorf("the only resource, asked for without its path: %d", w.Code)
	}
	if w := answerTo(s, http.MethodGet, "localhost", "/nginx"); w.Code != http.StatusUnauthorized {
		t.Errorf("a document is no way in: %d", w.Code)
	}
}

// TestSharedResources plays the cases that the guards of all languages play too.
func TestSharedResources(t *testing.T) {
	t.Parallel()
	right, wrong := httpauthtest.Resources(t, "../../../../client/testdata/httpauth/resources.json")
	told := func(c *httpauthtest.ResourceCase) (*Settings, error) {
		return (&file{Resources: []resourceTable{{Resource: c.Resource, Servers: c.Servers, Scopes: c.Scopes, Name: c.Title}}}).settings()
	}
	for _, c := range right {
		t.Run(c.Name, func(t *testing.T) {
			set, err := told(&c)
			if err != nil {
				t.Fatal(err)
			}
			s := New("dev", &client.Client{}, set, slog.New(slog.DiscardHandler), time.Now)
			httpauthtest.PlayResource(t, &c, s, http.StatusNotFound)
		})
	}
	for _, c := range wrong {
		if _, err := told(&c); err == nil {
			t.Errorf("%s is taken", c.Name)
		}
	}
}

func TestAChallengeLeadsToTheDocument(t *testing.T) {
	t.Parallel()
	s := resourceService(t, resourceConfig)
	for query, want := range map[string]string{
		"project=mcp":   `Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"`,
		"project=files": `Bearer resource_metadata="https://files.example.com/.well-known/oauth-protected-resource"`,
		"project=other": `Bearer`,
		"":              `Bearer`,
	} {
		w := answerTo(s, http.MethodGet, "mcp.example.com", "/nginx?"+query)
		if got := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusUnauthorized || got != want {
			t.Errorf("%q: %d %s, want %s", query, w.Code, got, want)
		}
	}
}

func TestWrongResourcesAreRefused(t *testing.T) {
	t.Parallel()
	good := `resource = "https://a.example/mcp"` + "\nauthorization_servers = [\"https://auth.example\"]\n"
	for name, text := range map[string]string{
		"no server":       "[[resource]]\nresource = \"https://a.example\"\n",
		"no resource":     "[[resource]]\nauthorization_servers = [\"https://auth.example\"]\n",
		"a path":          "[[resource]]\nresource = \"/mcp\"\nauthorization_servers = [\"https://auth.example\"]\n",
		"a fragment":      "[[resource]]\nresource = \"https://a.example/#x\"\nauthorization_servers = [\"https://auth.example\"]\n",
		"a query":         "[[resource]]\nresource = \"https://a.example/?x\"\nauthorization_servers = [\"https://auth.example\"]\n",
		"a server's user": "[[resource]]\nresource = \"https://a.example/\"\nauthorization_servers = [\"https://u:p@auth.example\"]\n",
		"two words":       "[[resource]]\nscopes = [\"read write\"]\n" + good,
		"twice":           "[[resource]]\nproject = \"a\"\n" + good + "[[resource]]\nproject = \"b\"\n" + good,
		"one project":     "[[resource]]\n" + good + "[[resource]]\n" + strings.Replace(good, "a.example", "b.example", 1),
		"too many":        strings.Repeat("[[resource]]\n"+good, maxResources+1),
	} {
		path := filepath.Join(need.Folder(t), "http.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "resource") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Scopes are compared as whole words, and the claim's name counts to the letter.
func TestAScopeIsAWholeWord(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for claims, want := range map[string]outcome{
		`{"scope":"read write"}`:            accepted,
		`{"scope":"x write y read"}`:        accepted,
		`{"scope":"read"}`:                  denied,
		`{"scope":"reader write"}`:          denied,
		`{"scope":"read,write"}`:            denied,
		`{"scope":"READ write"}`:            denied,
		`{"scope":["read","write"]}`:        denied,
		`{"Scope":"read write"}`:            denied,
		`{"scope":"","SCOPE":"read write"}`: denied,
		`{}`:                                denied,
	} {
		a := client.Accepted{Level: client.LevelClaims, Subject: "u", TTL: time.Minute, Expires: now.Add(time.Hour), JSON: []byte(claims)}
		asked := &requirement{level: client.LevelClaims, user: httpauth.Requirements{Scopes: []string{"read", "write"}}}
		f := judge(a, asked, everything(), now, now)
		if f.outcome != want {
			t.Errorf("%s: %s, want %s", claims, f.outcome, want)
		}
		h := http.Header{}
		f.refusal.SetHeaders(h, "")
		if challenge := `Bearer error="insufficient_scope", scope="read write", error_description="insufficient-scope"`; want == denied && h.Get("WWW-Authenticate") != challenge {
			t.Errorf("%s: %s", claims, h.Get("WWW-Authenticate"))
		}
	}
}
