package upstream

import (
	"log/slog"
	"math"
	"strings"
	"testing"
)

func TestEndpointsMustBeAbsoluteHTTPS(t *testing.T) {
	tests := []struct{ url, complaint string }{
		{"https://api.stack-auth.com", ""},
		{"https://auth.example.com:8443/path", ""},
		{"https://[2001:db8::1]:8443", ""},
		{"http://127.0.0.1:8080", ""},
		{"http://127.7.7.7", ""},
		{"http://[::1]:8080", ""},
		{"http://localhost:8080", ""},
		{"http://LOCALHOST", ""},
		{"", "missing"},
		{"http://api.stack-auth.com", "plain http"},
		{"http://localhost.example.com", "plain http"},
		{"http://127.0.0.1.example.com", "plain http"},
		{"http://127.1", "plain http"},
		{"http://2130706433", "plain http"},
		{"http://0.0.0.0", "plain http"},
		{"http://[::]", "plain http"},
		{"http://10.0.0.1", "plain http"},
		{"ftp://example.com", "unknown scheme"},
		{"file:///etc/passwd", "not absolute"},
		{"https:example.com", "not absolute"},
		{"https:///path", "not absolute"},
		{"https://:443/", "no host"},
		{"//example.com", "not absolute"},
		{"/path", "not absolute"},
		{"example.com", "not absolute"},
		{"api.stack-auth.com:443", "not absolute"},
		{"https://user@example.com", "credentials"},
		{"https://user:hunter2@example.com", "credentials"},
		{"https://@example.com", "credentials"},
		{"https://example.com/#hunter2", "fragment"},
		{"https://example.com#", "fragment"},
		{"https://example.com:0", "port"},
		{"https://example.com:65536", "port"},
		{"https://example.com:", "port"},
		{"https://example.com:x", "not a URL"},
		{"https://exämple.com", "xn--"},
		{"https://exam%70le.com", "not a URL"},
		{"https://example.com/\x00", "not a URL"},
		{"https://exa mple.com", "not a URL"},
		{" https://example.com", "not a URL"},
	}
	for _, test := range tests {
		_, err := parseEndpoint(test.url, false)
		if test.complaint == "" {
			if err != nil {
				t.Errorf("%s: %v", test.url, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.complaint) {
			t.Errorf("%s: got %v, want %q", test.url, err, test.complaint)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}

func TestSettingsAreCheckedAndNamed(t *testing.T) {
	good := stackConfig("https://api.stack-auth.com")
	tests := []struct {
		complaint string
		change    func(*Config)
	}{
		{"", func(*Config) {}},
		{"", func(c *Config) { c.ServerKey = Secret{} }},
		{"", func(c *Config) { c.ProjectID = "internal" }},
		{"", func(c *Config) { c.Rate = 0.5 }},
		{"", func(c *Config) { c.KeysURL = "https://cdn.example.com/keys?v=1" }},
		{"base_url: missing", func(c *Config) { c.BaseURL = "" }},
		{"base_url: has a query", func(c *Config) { c.BaseURL += "?a=b" }},
		{"base_url: has a query", func(c *Config) { c.BaseURL += "?" }},
		{"base_url: is the API host alone", func(c *Config) { c.BaseURL += "/api/v1/" }},
		{"project_id:", func(c *Config) { c.ProjectID = "" }},
		{"project_id:", func(c *Config) { c.ProjectID = "../../x" }},
		{"project_id:", func(c *Config) { c.ProjectID = "a\r\nb" }},
		{"jwks_url: is plain http", func(c *Config) { c.KeysURL = "http://cdn.example.com/keys" }},
		{"userinfo_url: belongs to", func(c *Config) { c.UserinfoURL = "https://example.com/userinfo" }},
		{"userinfo_url: has a fragment", func(c *Config) { c.Preset, c.UserinfoURL = OIDC, "https://example.com/#x" }},
		{"secret_server_key: holds", func(c *Config) { c.ServerKey = NewSecret("ssk_hunter2\n") }},
		{"upstream_rate:", func(c *Config) { c.Rate = -1 }},
		{"upstream_rate:", func(c *Config) { c.Rate = math.NaN() }},
		{"upstream_rate:", func(c *Config) { c.Rate = math.Inf(1) }},
		{"upstream_timeout:", func(c *Config) { c.Timeout = -1 }},
		{"user agent:", func(c *Config) { c.UserAgent = "a\nb" }},
		{"preset:", func(c *Config) { c.Preset = 9 }},
	}
	for _, test := range tests {
		config := good
		test.change(&config)
		_, err := New(config)
		switch {
		case test.complaint == "" && err != nil:
			t.Error(err)
		case test.complaint != "" && (err == nil || !strings.HasPrefix(err.Error(), test.complaint)):
			t.Errorf("got %v, want %q", err, test.complaint)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}

func TestEndpointsAreDerivedByPreset(t *testing.T) {
	const base = "https://auth.example.com"
	tests := []struct {
		config Config
		want   endpoints
	}{
		{stackConfig(base + "/"), endpoints{
			keys:    base + "/api/v1/projects/" + stackProject + "/.well-known/jwks.json?include_anonymous=true",
			profile: base + "/api/v1/users/me"}},
		{neonConfig(base), endpoints{
			keys:    base + "/neondb/auth/.well-known/jwks.json",
			profile: base + "/neondb/auth/get-session?disableCookieCache=true&disableRefresh=true"}},
		{oidcConfig(base + "/realm/"), endpoints{discovery: base + "/realm/.well-known/openid-configuration"}},
		{Config{Preset: OIDC, BaseURL: base, KeysURL: base + "/keys", UserinfoURL: base + "/me"}, endpoints{
			keys: base + "/keys", profile: base + "/me", discovery: base + "/.well-known/openid-configuration"}},
		{Config{Preset: Neon, BaseURL: "http://127.0.0.1:1", KeysURL: base + "/keys"}, endpoints{
			keys: base + "/keys", profile: "http://127.0.0.1:1/get-session?disableCookieCache=true&disableRefresh=true", plain: true}},
	}
	for _, test := range tests {
		got, err := derive(test.config)
		if err != nil || got != test.want {
			t.Errorf("got %+v, %v, want %+v", got, err, test.want)
		}
	}
}

func TestPlainHTTPIsWarnedAboutOnce(t *testing.T) {
	for base, n := range map[string]int{"http://127.0.0.1:1": 1, "https://127.0.0.1:1": 0} {
		var log strings.Builder
		config := stackConfig(base)
		config.KeysURL = base + "/keys"
		config.Logger = slog.New(slog.NewTextHandler(&log, nil))
		open(t, config)
		if got := strings.Count(log.String(), "plain http"); got != n {
			t.Errorf("%s: warned %d times", base, got)
		}
	}
}
