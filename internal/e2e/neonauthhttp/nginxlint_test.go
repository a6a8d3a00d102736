package neonauthhttp_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/program"
)

// lint runs check-nginx and returns its exit status and output.
func lint(t testing.TB, args ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), e2e.Program("neonauth-http"), append([]string{"check-nginx"}, args...)...)
	cmd.Env = e2e.Environment()
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// layRecipe copies the recipe into a folder, with replacements in it.
func layRecipe(t testing.TB, replace ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "neonauth"), 0o755); err != nil {
		t.Fatal(err)
	}
	used := false
	for _, name := range []string{"neonauth-http.conf", "neonauth-gate.conf", "neonauth-ask.conf", "neonauth-identity.conf", "neonauth-websocket.conf", "neonauth-preflight.conf", "neonauth-cache.conf", "site.conf"} {
		text := recipe(t, "nginx/"+name)
		for i := 0; i < len(replace); i += 2 {
			used = used || strings.Contains(text, replace[i])
			text = strings.Replace(text, replace[i], replace[i+1], 1)
		}
		if name != "site.conf" {
			name = "neonauth/" + name
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !used && len(replace) > 0 {
		t.Fatalf("the recipe has no %q", replace[0])
	}
	return filepath.Join(dir, "site.conf")
}

func TestTheRecipeHasNoKnownTrap(t *testing.T) {
	t.Parallel()
	file := layRecipe(t)
	if code, out := lint(t, file); code != 0 || !strings.HasSuffix(out, "no known trap\n") {
		t.Errorf("exit status %d:\n%s", code, out)
	}
}

// Each trap is put into the recipe, and check-nginx finds it at its place.
func TestEachTrapIsFound(t *testing.T) {
	t.Parallel()
	instead := regexp.MustCompile(`[;,] (or )?(write|include|add|put|remove|leave|give|refuse|serve) `)
	for _, test := range slices.Concat(headerTraps(), questionTraps(), gateTraps(), spellingTraps()) {
		code, out := lint(t, layRecipe(t, test.old, test.changed))
		if code != program.ExitFailure || !strings.Contains(out, test.want) {
			t.Errorf("%s: exit status %d:\n%s", test.name, code, out)
		}
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "neonauth-http: ") && !instead.MatchString(line) {
				t.Errorf("%s: this does not say what to write instead: %s", test.name, line)
			}
		}
	}
}

// The key of a cache must contain each place that the question names for its
// token.
func TestACacheIsKeyedByTheQuestionsOwnPlaces(t *testing.T) {
	t.Parallel()
	file := layRecipe(t, "proxy_cache off;", "include neonauth/neonauth-cache.conf;", "level=claims&require=clean-headers;", "level=claims&require=clean-headers&token-from=header:X-Api-Key;")
	if code, out := lint(t, file); code != program.ExitFailure || !strings.Contains(out, "$http_x_api_key is not in proxy_cache_key") {
		t.Errorf("exit status %d:\n%s", code, out)
	}
}

func TestUnreadableConfigurationsAreNoGoodOnes(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"open block": "http { server {", "closed too often": "http { } }", "open quote": `log_format x "abc;`, "no end": "listen 80",
		"missing file": "include nowhere.conf;", "itself": "include x.conf;", "nameless": "http { ; }",
	} {
		file := filepath.Join(t.TempDir(), "x.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out := lint(t, file); code != program.ExitUsage {
			t.Errorf("%s: exit status %d: %s", name, code, out)
		}
	}
	file := filepath.Join(t.TempDir(), "x.conf")
	if err := os.WriteFile(file, []byte("http { server { location / { return 200; } } }"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := lint(t, file); code != program.ExitFailure || !strings.Contains(out, "nothing is protected") {
		t.Errorf("exit status %d: %s", code, out)
	}
}

// Configurations that are intended and do no harm have no finding.
func TestGoodConfigurationsHaveNoFinding(t *testing.T) {
	t.Parallel()
	const before, location = "server {\n    listen 8080;", "    location / {\n"
	for _, test := range []struct{ name, old, changed string }{
		{"a server that redirects", before, "server { listen 80; return 301 https://$host$request_uri; }\n" + before},
		{"another application that is meant to be open", before, "server { listen 81; auth_request off; location / { proxy_pass http://127.0.0.1:4000; } }\n" + before},
		{"a server of files", before, "server { listen 81; root /var/www/html; location / { try_files $uri =404; } }\n" + before},
		{"the status page of nginx", before, "server { listen 127.0.0.1:81; location = /status { stub_status; } }\n" + before},
		{"streams of something else", before, "stream { server { listen 5433; proxy_pass 127.0.0.1:5432; } }\nmail { server { listen 25; } }\n" + before},
		{"a second server with the gate", before, "server { listen 81; include neonauth/neonauth-gate.conf; include neonauth/neonauth-identity.conf; location / { proxy_pass http://app; } }\n" + before},
		{"a location that asks the same", location, "    location /same/ { proxy_pass http://app; }\n" + location},
		{"a location that asks the same in other words", location, "    location /same/ { auth_request /_neonauth_same; proxy_pass http://app; }\n location = /_neonauth_same { internal; include neonauth/neonauth-ask.conf; proxy_pass http://neonauth/nginx?level=claims&require=clean-headers; }\n" + location},
		{"files behind the gate", location, "    location /files/ { root /srv; }\n location ~ \\.(css|js)$ { root /srv; }\n" + location},
		{"a page for a missing one", "error_page 418 = @preflight;", "error_page 418 = @preflight; error_page 404 /404.html; error_page 502 504 = @sorry; location @sorry { return 503; }"},
		{"a redirect to a login page elsewhere", "error_page 403 = @neonauth_denied;", "error_page 403 =302 https://login.example/;"},
		{"no preflights", "error_page 418 = @preflight;", ""},
		{"answers kept as the recipe says", "    include neonauth/neonauth-ask.conf;\n    proxy_pass", "    include neonauth/neonauth-ask.conf;\n proxy_pass"},
	} {
		if code, out := lint(t, layRecipe(t, test.old, test.changed)); code != 0 {
			t.Errorf("%s: exit status %d:\n%s", test.name, code, out)
		}
	}
}
