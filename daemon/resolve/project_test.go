package resolve

import (
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/config"
)

// TestAProjectTakesWhatTheConfigurationTakes: config.Validate finds each fault of a
// table that NewProject would find, so none shows only when the daemon starts.
func TestAProjectTakesWhatTheConfigurationTakes(t *testing.T) {
	urls := []string{
		"https://api.example.com", "https://api.example.com/", "https://api.example.com/db/auth//", "https://api.example.com/a%2Fb", "HTTPS://API.EXAMPLE.COM",
		"https://api.example.com:1", "https://api.example.com:65535", "https://[2001:db8::1]:8443", "https://2130706433", "https://example.com./",
		"https://api.example.com:", "https://api.example.com:0", "https://api.example.com:65536", "https://x.example:99999", "https://api.example.com:x", "https://[2001:db8::1]:0",
		"https://x\u00e9.example", "https://xn--x-bja.example", "https://exam%70le.com", "https://[fe80::1%25eth0]", "https://a b.example", " https://api.example.com", "https://api.example.com/\x00",
		"https://api.example.com/api/v1", "https://api.example.com/api/v1//", "https://api.example.com/api/latest", "https://api.example.com/api/v2", "https://api.example.com/api/v1?",
		"https://api.example.com?", "https://api.example.com/?a=b", "https://api.example.com#", "https://api.example.com/#a", "https://api.example.com/%23",
		"https://user@api.example.com", "https://user:password@api.example.com", "https://@api.example.com", "https://:443/", "https:///path", "https:api.example.com",
		"//api.example.com", "/path", "api.example.com", "api.example.com:443", "ftp://api.example.com", "file:///etc/passwd", "unix:///run/x.sock",
		"http://127.0.0.1:4000", "http://[::1]:4000", "http://localhost", "http://10.0.0.1", "http://10.0.0.1:0", "http://keys.internal", "http://8.8.8.8", "http://api.example.com", "",
	}
	ids := []string{"", "internal", "596e1f0d-2d1c-4a2b-a2a7-78db7949ba31", "a_b", "a.b", "a:b", "a~b", "a@b", "a+b", "a=b", "a$b", "a&b", "..", "a/b", "a b", "\u00e4", "a%20b", "a\r\nb", strings.Repeat("a", 128), strings.Repeat("a", 129)}
	numbers := []string{"0", "least", "most", "greater", "negative", "none"}
	number := map[string]float64{"0": 0, "least": 1e-9, "most": 10_000, "greater": 200_000, "negative": -1, "none": math.NaN()}
	for name, c := range map[string]struct {
		values []string
		set    func(*config.Project, string)
	}{
		"base_url":     {urls, func(p *config.Project, value string) { p.BaseURL = value }},
		"jwks_url":     {urls, func(p *config.Project, value string) { p.JWKSURL = value }},
		"userinfo_url": {urls, func(p *config.Project, value string) { p.UserinfoURL = value }},
		"introspection_url": {urls, func(p *config.Project, value string) {
			p.IntrospectionURL, p.Introspection = value, &config.Introspection{ClientID: "c"}
		}},
		"issuers":       {urls, func(p *config.Project, value string) { p.Issuers = []string{value} }},
		"project_id":    {ids, func(p *config.Project, value string) { p.ProjectID = value }},
		"upstream_rate": {numbers, func(p *config.Project, value string) { p.UpstreamRate = number[value] }},
		"upstream_timeout": {numbers, func(p *config.Project, value string) {
			p.UpstreamTimeout = config.Duration(number[value] * float64(time.Millisecond))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			taken, refused := 0, 0
			for _, table := range everyPreset() {
				for _, value := range c.values {
					c.set(&table, value)
					cfg := config.Default()
					cfg.Projects = []config.Project{table}
					if cfg.Validate() != nil {
						refused++
						continue
					}
					taken++
					p, err := NewProject(table, Surroundings{Now: time.Now, Wall: &clock.Wall{}, Log: slog.New(slog.DiscardHandler)})
					if err != nil {
						t.Errorf("preset %s, insecure_http %v, %q is taken, and then: %v", table.Preset, table.InsecureHTTP, value, errors.Unwrap(err))
						continue
					}
					p.Close()
				}
			}
			if taken == 0 || refused == 0 {
				t.Errorf("%d values taken, %d refused: nothing is tried", taken, refused)
			}
		})
	}
}

// everyPreset returns a sound table of each preset, with and without insecure_http.
func everyPreset() (tables []config.Project) {
	for _, insecure := range []bool{false, true} {
		for preset, set := range map[string]func(*config.Project){
			"stack": func(p *config.Project) { p.ProjectID = "internal" },
			"neon":  func(p *config.Project) { p.BaseURL = "https://auth.example.com/db/auth" },
			"oidc":  func(p *config.Project) { p.BaseURL, p.Audiences = "https://issuer.example.com", []string{"api"} },
		} {
			p := config.DefaultProject()
			p.Name, p.Preset, p.InsecureHTTP = "main", preset, insecure
			set(&p)
			tables = append(tables, p)
		}
	}
	return tables
}
