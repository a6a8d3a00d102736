package neonauthhttp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

// eachResource tries each web server in front of a protected resource. The whole site needs a token for this resource,
// and /account needs a scope as well.
func eachResource(t *testing.T, try func(t *testing.T, f *front, resource string)) {
	t.Helper()
	for name, start := range map[string]func(testing.TB, *system) *front{
		"nginx": func(t testing.TB, w *system) *front {
			address := ports.Address(t)
			return startNginxAt(t, w, "tcp", address, "listen 8080;", "listen "+address+";",
				"?level=claims&require=clean-headers", "?project=mcp&require=clean-headers",
				"?level=profile&max-age=60&require=email-verified&", "?project=mcp&require=scope:write&")
		},
		"Caddy": func(t testing.TB, w *system) *front {
			return startCaddy(t, w, "neonauth_ask level=claims", "neonauth_ask project=mcp",
				"neonauth_ask level=profile&max-age=60&require=email-verified", "neonauth_ask project=mcp&require=scope:write")
		},
		"HAProxy": func(t testing.TB, w *system) *front {
			return startHAProxy(t, w, `"level=claims" if`, `"project=mcp" if`, `"level=profile&max-age=60&require=email-verified"`, `"project=mcp&require=scope:write"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSystem(t)
			f := start(t, w)
			try(t, f, w.protect(t, "http://"+f.address+"/mcp"))
		})
	}
}

// protect makes the site a protected resource, with tokens of the Neon preset.
func (w *system) protect(t testing.TB, resource string) string {
	t.Helper()
	block := strings.Replace(strings.TrimSpace(w.ConfigBlock(standin.Neon, "")), `name = "neon"`, `name = "mcp"`, 1)
	w.configure(t, "", block, fmt.Sprintf("resources = [%q]", resource))
	w.daemon.Reload(t)
	w.restartHTTP(t, fmt.Sprintf("[[resource]]\nresource = %q\nproject = \"mcp\"\nauthorization_servers = [%q]\nscopes = [\"read\", \"write\"]\n", resource, w.BaseURL()))
	return resource
}

// TestAResourceTellsOfItself: for a request without a token, or with an insufficient one, the refusal says where to get
// a token.
func TestAResourceTellsOfItself(t *testing.T) {
	t.Parallel()
	eachResource(t, func(t *testing.T, f *front, resource string) {
		w := f.w
		token := func(change func(*standin.TokenSpec)) string {
			spec := standin.TokenSpec{Subject: w.ada.ID, Resources: []string{resource}, Scope: "read"}
			if change != nil {
				change(&spec)
			}
			return bearing(w.ResourceToken(standin.Neon, spec))
		}
		document := `/.well-known/oauth-protected-resource/mcp`
		named := fmt.Sprintf(`resource_metadata="http://%s%s"`, f.address, document)
		for _, test := range []struct {
			name, path string
			lines      []string
			status     int // 0: any status that is no success
			challenge  []string
		}{
			{"its document", document, nil, 200, nil},
			{"its document, asked with a bad token", document, []string{bearing("a.b.c")}, 200, nil},
			{"no such document", "/.well-known/oauth-protected-resource/other", nil, 404, nil},
			{"what only begins so", "/.well-known/oauth-protected-resources", nil, 0, nil},
			{"no token", "/mcp", nil, 401, []string{named}},
			{"a good one", "/mcp", []string{token(nil)}, 200, nil},
			{"one for another resource", "/mcp", []string{token(func(s *standin.TokenSpec) { s.Resources = []string{resource + "/x"} })}, 401, []string{named, `error="invalid_token"`}},
			{"a session's", "/mcp", []string{bearing(w.NeonToken(standin.TokenSpec{Subject: w.ada.ID}))}, 401, []string{named, `error="invalid_token"`}},
			{"without the scope", "/account", []string{token(nil)}, 403, []string{named, `error="insufficient_scope"`, `scope="write"`}},
			{"with half of its name", "/account", []string{token(func(s *standin.TokenSpec) { s.Scope = "write:all xwrite" })}, 403, []string{`error="insufficient_scope"`}},
			{"with the scope", "/account", []string{token(func(s *standin.TokenSpec) { s.Scope = "read write" })}, 200, nil},
			{"of a machine", "/mcp", []string{token(func(s *standin.TokenSpec) { s.Client, s.Subject = "machine", "machine" })}, 403, nil},
		} {
			g := f.get(t, test.path, test.lines...)
			challenge := g.Header.Get("WWW-Authenticate")
			if g.StatusCode != test.status && (test.status != 0 || g.StatusCode < 400) {
				t.Errorf("%s: %s with %q", test.name, g.Status, g.body)
			}
			for _, part := range test.challenge {
				if !strings.Contains(challenge, part) {
					t.Errorf("%s: WWW-Authenticate is %q, without %s", test.name, challenge, part)
				}
			}
			if test.path == document && !strings.Contains(g.body, fmt.Sprintf(`"resource":%q`, resource)) {
				t.Errorf("%s: %s", test.name, g.body)
			}
			if g.StatusCode == 403 && g.Header.Values("WWW-Authenticate") != nil && challenge == "" {
				t.Errorf("%s: an empty challenge", test.name)
			}
		}
	})
}
