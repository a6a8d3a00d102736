package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/program"
)

// lint runs check-nginx and returns its exit status and words.
func lint(t testing.TB, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := run(t.Context(), append([]string{"check-nginx"}, args...), &out, &out)
	return code, out.String()
}

// layRecipe copies the recipe into a folder, with replacements in it.
func layRecipe(t testing.TB, replace ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "neonauth"), 0o755); err != nil {
		t.Fatal(err)
	}
	used := false
	for _, name := range []string{"neonauth-http.conf", "neonauth-gate.conf", "neonauth-ask.conf", "neonauth-identity.conf", "neonauth-websocket.conf", "neonauth-preflight.conf", "site.conf"} {
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

// Each trap is put into the recipe, and found at its place.
func TestEachTrapIsFound(t *testing.T) {
	t.Parallel()
	const hole = "    location = /login {\n        auth_request off;\n        proxy_pass http://app/login;"
	for _, test := range []struct{ name, old, changed, want string }{
		{"identity header left out", "proxy_set_header X-Auth-Team-Id        $auth_team_id;\n", "", "a visitor's own arrive: X-Auth-Team-Id"},
		{"headers of its own", "include neonauth/neonauth-websocket.conf;", "proxy_set_header X-Mine 1;", "not set here, so a visitor's own arrive: X-Auth-User-Id"},
		{"in a hole too", hole, hole + "\n proxy_set_header X-Mine 1;", "site.conf:26: not set here"},
		{"what the visitor sent", "proxy_set_header X-Auth-User-Id        $auth_user_id;", "proxy_set_header X-Auth-User-Id $http_x_auth_user_id;", "which is what the visitor sent"},
		{"taken from elsewhere", "$upstream_http_x_auth_email;", "$upstream_http_x_email;", "no auth_request_set that holds here"},
		{"overridden", "        proxy_read_timeout 1h;", "auth_request_set $x $upstream_http_x;", "no auth_request_set that holds here"},
		{"refusal made a success", "error_page 401 = @neonauth_login;", "error_page 401 =200 /login.html;", "error_page =200"},
		{"failure made a success", "error_page 500 = @neonauth_unknown;", "error_page 500 503 =204 @x;", "error_page =204"},
		{"error page in the question", "    include neonauth/neonauth-ask.conf;\n    proxy_pass", "include neonauth/neonauth-ask.conf; error_page 401 = /ok;\n proxy_pass", "it can make a yes of a no"},
		{"question not internal", "    internal;\n    include", "    include", "is not internal"},
		{"question by prefix", "location = /_neonauth {", "location /_neonauth {", `is no "location ="`},
		{"question missing", "location = /_neonauth {", "location = /_neonauth2 {", "no location of this server is exactly that"},
		{"question with a body", "proxy_pass_request_body off;", "", "proxy_pass_request_body is not off"},
		{"question with a length", `proxy_set_header Content-Length "";`, "", "Content-Length is not cleared"},
		{"no room", "proxy_buffer_size 8k;", "proxy_buffer_size 2k;", "proxy_buffer_size below 4k"},
		{"cache without the visitor", "proxy_cache off;", "proxy_cache z; proxy_cache_key $uri$http_authorization$http_cookie;", "$http_x_stack_access_token is not in proxy_cache_key"},
		{"cache with the default key", "proxy_cache off;", "proxy_cache z;", "$http_authorization is not in proxy_cache_key"},
		{"pages cached for all", "    location / {\n", "    location / {\n proxy_cache z;\n", "a page made for one visitor"},
		{"requirement misspelt", "require=email-verified&", "require=email_verified&", "neonauth-http will answer 500"},
		{"requirement of the visitor", "?level=claims&require=clean-headers;", "?level=$arg_level;", "a visitor may decide"},
		{"no such dialect", "neonauth/nginx?level=claims&require=clean-headers;", "neonauth/auth?level=claims;", "at /nginx and nowhere else"},
		{"underscores", "underscores_in_headers off;", "underscores_in_headers on;", "underscores_in_headers on"},
		{"odd names", "underscores_in_headers off;", "ignore_invalid_headers off;", "ignore_invalid_headers off"},
		{"any of them", "underscores_in_headers off;", "satisfy any;", "satisfy any"},
		{"gate at a location", "auth_request /_neonauth;\n", "", "auth_request in a location only"},
		{"wide hole", "location = /login {", "location /login {", "a hole that is not exact"},
		{"hole with the visitor's spelling", "proxy_pass http://app/login;", "proxy_pass http://app;", "passes the visitor's own spelling on"},
		{"answer before the gate", "    location / {\n", "    location = /x {\n return 200 hello;\n }\n location / {\n", "return answers before"},
		{"any protocol", `proxy_set_header Upgrade        "";`, "proxy_set_header Upgrade $http_upgrade;", "Upgrade $http_upgrade can be more than"},
		{"any protocol where WebSockets are served", "proxy_set_header Upgrade    $neonauth_upgrade;", "proxy_set_header Upgrade $http_upgrade;", "Upgrade $http_upgrade can be more than"},
		{"any protocol by a map", "default             \"\";", "default $http_upgrade;", "Upgrade $neonauth_upgrade can be more than"},
		{"another protocol by a map", "default             \"\";", "default h2c;", "Upgrade $neonauth_upgrade can be more than"},
		{"a variable of elsewhere", "proxy_set_header Upgrade    $neonauth_upgrade;", "set $x websocket; proxy_set_header Upgrade $x;", "Upgrade $x can be more than"},
		{"WebSocket everywhere", "include neonauth/neonauth-identity.conf;\n\n    location", "include neonauth/neonauth-websocket.conf;\n\n    location", "neonauth-websocket.conf:6: Upgrade is passed on in every location"},
		{"HTTP2-Settings", "proxy_set_header HTTP2-Settings \"\";\n", "", "HTTP2-Settings of a visitor"},
		{"the visitor's Connection", `proxy_set_header Connection     "";`, "proxy_set_header Connection $http_connection;", "vanish on their way"},
		{"gateway interface", "    location / {\n", "    location /php/ {\n fastcgi_pass 127.0.0.1:9000;\n }\n location / {\n", "X-Auth-User-Id, X-Auth-Email"},
	} {
		code, out := lint(t, layRecipe(t, test.old, test.changed))
		if code != program.ExitFailure || !strings.Contains(out, test.want) {
			t.Errorf("%s: exit status %d:\n%s", test.name, code, out)
		}
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
