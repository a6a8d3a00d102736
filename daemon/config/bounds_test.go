package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/internal/span"
)

// sound is a configuration without a fault, to be given one.
func sound() Config {
	c := Default()
	p := DefaultProject()
	p.Name, p.Preset, p.ProjectID = "main", "stack", "p"
	c.Projects = []Project{p}
	return c
}

// introspected makes the project one that introspects.
func introspected(c *Config) *Introspection {
	p := &c.Projects[0]
	p.Preset, p.ProjectID, p.BaseURL, p.Introspection = "neon", "", "https://auth.example", &Introspection{ClientID: "c"}
	return p.Introspection
}

// TestEachBoundOfTheConfigurationHoldsOnBothSides tries the last value within
// and the first one beyond.
func TestEachBoundOfTheConfigurationHoldsOnBothSides(t *testing.T) {
	duration := func(set func(*Config, Duration), least, most time.Duration) (bounds []bound) {
		at := func(d time.Duration) func(*Config) { return func(c *Config) { set(c, Duration(d)) } }
		if least > 0 {
			bounds = append(bounds, bound{at(least - 1), false})
		}
		return append(bounds, bound{at(least), true}, bound{at(least + 1), true}, bound{at(most - 1), true}, bound{at(most), true}, bound{at(most + 1), false})
	}
	number := func(set func(*Config, int), least, most int) (bounds []bound) {
		for n, good := range map[int]bool{least - 1: false, least: true, least + 1: true, most - 1: true, most: true, most + 1: false} {
			bounds = append(bounds, bound{func(c *Config) { set(c, n) }, good})
		}
		return bounds
	}
	lifetime := func(r Retention) func(*Config) { return func(c *Config) { c.Projects[0].SessionLifetime = r } }
	kept := func(r Retention) func(*Config) { return func(c *Config) { c.RevocationRetention = r } }
	for key, bounds := range map[string][]bound{
		"leeway":           duration(func(c *Config, d Duration) { c.Projects[0].Leeway = d }, 0, time.Minute),
		"profile_fresh":    duration(func(c *Config, d Duration) { c.Projects[0].ProfileFresh = d }, time.Second, span.Day),
		"profile_stale":    duration(func(c *Config, d Duration) { c.Projects[0].ProfileStale = d }, 0, span.Day),
		"upstream_timeout": duration(func(c *Config, d Duration) { c.Projects[0].UpstreamTimeout = d }, 100*time.Millisecond, time.Minute),
		"jwks_refresh":     duration(func(c *Config, d Duration) { c.Projects[0].JWKSRefresh = d }, time.Second, span.Day),
		"jwks_max_age":     duration(func(c *Config, d Duration) { c.Projects[0].JWKSMaxAge = d }, time.Minute, span.Day),
		"jwks_cooldown":    duration(func(c *Config, d Duration) { c.Projects[0].JWKSCooldown = d }, 100*time.Millisecond, time.Hour),
		"blind_after":      duration(func(c *Config, d Duration) { setFleet(c); c.Fleet.BlindAfter = d }, time.Second, time.Hour),
		"timeout":          duration(func(c *Config, d Duration) { setFleet(c); c.Fleet.Timeout = d }, time.Millisecond, time.Second),
		"wait":             duration(func(c *Config, d Duration) { setFleet(c); c.Fleet.Wait = d }, 0, 10*time.Second),
		"idle_timeout":     duration(func(c *Config, d Duration) { c.Limits.IdleTimeout = d }, time.Second, span.Day),

		"revocation_retention": {{kept(Forever), true}, {kept(Retention(MinRetention - 1)), false}, {kept(Retention(MinRetention)), true}, {kept(Retention(MinRetention + 1)), true}, {kept(-1), false}},

		"session_lifetime": {{lifetime(Forever), true}, {lifetime(Retention(MinRetention - 1)), false}, {lifetime(Retention(MinRetention)), true}, {lifetime(Retention(MinRetention + 1)), true}, {lifetime(-1), false}},

		"introspection.limit": number(func(c *Config, n int) {
			introspected(c).Limit = &n
		}, 1, maxIntrospectionLimit),
		"introspection.client_id": number(func(c *Config, n int) {
			introspected(c).ClientID = strings.Repeat("c", max(0, n))
		}, 1, maxClientID),
		"introspection.secret": {{func(c *Config) { introspected(c).Secret = strings.Repeat("s", secretLike-1) }, true}, {func(c *Config) { introspected(c).Secret = strings.Repeat("s", secretLike) }, false},
			{func(c *Config) { introspected(c).Secret = strings.Repeat("secret-of-a-client-", 3) }, true}},

		"connections":              number(func(c *Config, n int) { c.Limits.Connections = n }, 1, 1<<20),
		"connections_per_uid":      number(func(c *Config, n int) { c.Limits.ConnectionsPerUID = n }, 1, 1<<20),
		"in_flight_per_connection": number(func(c *Config, n int) { c.Limits.InFlightPerConnection = n }, 1, 4096),
		"max_bytes":                number(func(c *Config, n int) { c.Cache.MaxBytes = Bytes(n) }, 1<<20, 1<<40),
		"name":                     number(func(c *Config, n int) { c.Projects[0].Name = strings.Repeat("n", n) }, 1, MaxProjectName),
		"project_id":               number(func(c *Config, n int) { c.Projects[0].ProjectID = strings.Repeat("p", n) }, 1, 128),
		"socket":                   number(func(c *Config, n int) { c.Socket = strings.Repeat("s", n) }, 1, sockets.MaxPath),
		"admin_socket":             number(func(c *Config, n int) { c.AdminSocket = strings.Repeat("s", n) }, 1, sockets.MaxPath),
		"[[project]]":              number(setProjects, 1, MaxProjects),
		"[[caller]]":               number(setCallers, 0, MaxCallers),
		"fleet.name":               number(func(c *Config, n int) { setFleet(c); c.Fleet.Name = strings.Repeat("n", n) }, 1, MaxProjectName),
		"urls":                     number(func(c *Config, n int) { setFleet(c); c.Fleet.URLs = slices.Repeat(c.Fleet.URLs, n) }, 1, MaxFleetURLs),
		"keys":                     number(func(c *Config, n int) { setFleet(c); c.Fleet.Keys = slices.Repeat([]string{"key"}, n) }, 1, MaxFleetKeys),
		"host":                     {{func(c *Config) { setFleet(c); c.Fleet.Host = strings.Repeat("h", MaxFleetLabel) }, true}, {func(c *Config) { setFleet(c); c.Fleet.Host = strings.Repeat("h", MaxFleetLabel+1) }, false}},
		"upstream_rate":            rates(func(c *Config, r float64) { c.Projects[0].UpstreamRate = r }, false, 10000),
		"rate": rates(func(c *Config, r float64) {
			c.Callers = []Caller{{UID: new(uint32(1)), Rate: r}}
		}, true, 1e9),
	} {
		for i, b := range bounds {
			c := sound()
			b.set(&c)
			if key == "max_bytes" && c.Cache.MaxBytes > 1<<40 {
				continue // the decoder's bound
			}
			if err := c.Validate(); (err == nil) != b.good {
				t.Errorf("%s, case %d: %v; want good: %v", key, i, err, b.good)
			} else if err != nil && !strings.Contains(err.Error(), strings.Trim(key, "[]")) {
				t.Errorf("%s, case %d: the error does not name it: %v", key, i, err)
			}
		}
	}
}

// bound is a change to a sound configuration, and whether it may stay.
type bound struct {
	set  func(*Config)
	good bool
}

func rates(set func(*Config, float64), zero bool, most float64) (bounds []bound) {
	for r, good := range map[float64]bool{0: zero, -1: false, 1e-9: true, most: true, most + 1: false, math.Inf(1): false} {
		bounds = append(bounds, bound{func(c *Config) { set(c, r) }, good})
	}
	return append(bounds, bound{func(c *Config) { set(c, math.NaN()) }, false})
}

func setProjects(c *Config, n int) {
	one := c.Projects[0]
	c.Projects = nil
	for i := range n {
		one.Name = fmt.Sprint("p", i)
		c.Projects = append(c.Projects, one)
	}
}

func setFleet(c *Config) { c.Fleet.Name, c.Fleet.URLs = "f", []string{"redis://localhost"} }

func setCallers(c *Config, n int) {
	if n < 0 {
		n = MaxCallers + 1 // there cannot be fewer than 0 callers
	}
	for range n {
		c.Callers = append(c.Callers, Caller{UID: new(uint32(1))})
	}
}

func TestURLsAreHTTPSOrLoopbackAndHoldNoSecret(t *testing.T) {
	check := func(raw string, private bool) error {
		c := sound()
		c.Projects[0].JWKSURL, c.Projects[0].InsecureHTTP = raw, private
		return c.Validate()
	}
	for raw, good := range map[string]bool{
		"https://api.example.com":               true,
		"https://api.example.com:8443/a/b":      true,
		"https://api.example.com/?x=1":          true,
		"https://[2001:db8::1]/":                true,
		"http://127.0.0.1":                      true,
		"http://127.8.9.1:4000/x":               true,
		"http://[::1]:4000":                     true,
		"http://localhost:4000":                 true,
		"http://api.example.com":                false,
		"http://127.0.0.1.example.com":          false,
		"http://localhost.example.com":          false,
		"http://10.0.0.1":                       false,
		"http://[::]":                           false,
		"http://0.0.0.0":                        false,
		"http://2130706433":                     false,
		"http://127.1":                          false,
		"ftp://api.example.com":                 false,
		"file:///etc/passwd":                    false,
		"unix:///run/x.sock":                    false,
		"javascript:alert(1)":                   false,
		"https:api.example.com":                 false,
		"https:/api.example.com":                false,
		"https://":                              false,
		"https://:443":                          false,
		"https://:443/path":                     false,
		"//api.example.com":                     false,
		"api.example.com":                       false,
		"/path":                                 false,
		"https://user@api.example.com":          false,
		"https://user:password@api.example.com": false,
		"https://api.example.com/#fragment":     false,
		"https://api.example.com/#":             false,
		"https://api.example.com:port":          false,
		"https://api.exa mple.com":              false,
		"https://api.example.com/\n":            false,
		"https://%zz":                           false,
		"https://api.example.com:0":             false,
		"https://api.example.com:65535":         true,
		"https://api.example.com:65536":         false,
		"https://api.example.com:":              false,
		"https://\u00e4pi.example.com":          false,
	} {
		err := check(raw, false)
		if (err == nil) != good {
			t.Errorf("%q: %v; want good: %v", raw, err, good)
		}
		if err != nil && (strings.Contains(err.Error(), "user:password")) {
			t.Errorf("%q: the error repeats it: %v", raw, err)
		}
	}
	for raw, good := range map[string]bool{
		"https://api.example.com": true, "http://127.0.0.1": true, "http://localhost:4000": true,
		"http://keys.internal": true, "http://10.0.0.1:8080": true, "http://172.31.255.255": true, "http://192.168.0.1": true, "http://[fd00::1]": true,
		"http://[::ffff:10.0.0.1]": true,
		"http://8.8.8.8":           false, "http://172.32.0.1": false, "http://100.64.0.1": false, "http://169.254.169.254": false, "http://[fe80::1]": false,
		"http://0.0.0.0": false, "http://[2001:db8::1]": false, "http://[::ffff:8.8.8.8]": false, "ftp://keys.internal": false, "http://user:password@keys.internal": false,
	} {
		if err := check(raw, true); (err == nil) != good {
			t.Errorf("with insecure_http, %q: %v; want good: %v", raw, err, good)
		}
	}
	for raw, good := range map[string]bool{
		"https://api.example.com/": true, "https://api.example.com/proxy": true,
		"https://api.example.com/?x=1": false, "https://api.example.com?": false, "https://api.example.com/api/v1/": false, "https://api.example.com/api/latest": false,
	} {
		c := sound()
		c.Projects[0].BaseURL = raw
		if err := c.Validate(); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "base_url: ") {
			t.Errorf("base_url %q: %v; want good: %v", raw, err, good)
		}
	}
}

func TestProjectIDsOfStackAreWordsOfAPath(t *testing.T) {
	for id, fault := range map[string]string{
		"internal": "", "596e1f0d-2d1c-4a2b-a2a7-78db7949ba31": "", "a_b": "", "": "is required",
		"a.b": "must be", "a:b": "must be", "a~b": "must be", "a@b": "must be", "..": "must be", "a/b": "must be", "a b": "must be",
		"\u00e4": "must be", "a%20b": "must be", "a\r\nb": "must be",
	} {
		c := sound()
		c.Projects[0].ProjectID = id
		if err := c.Validate(); (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), "project_id: "+fault) {
			t.Errorf("project_id %q: %v; want %q", id, err, fault)
		}
	}
}

// TestWhatFollowsFromAPreset: key set, issuers and audiences of each.
func TestWhatFollowsFromAPreset(t *testing.T) {
	const stack, hexclave = "https://api.stack-auth.com", "https://api.hexclave.com"
	for _, c := range []struct {
		name    string
		project Project
		keys    string
		want    []string // "class audience issuer", the refused ones with "!"
	}{
		{"stack", Project{Preset: "stack", ProjectID: "p"}, stack + "/api/v1/projects/p/.well-known/jwks.json?include_anonymous=true", []string{
			"normal p " + stack + "/api/v1/projects/p", "normal p " + hexclave + "/api/v1/projects/p",
			"!restricted p:restricted " + stack + "/api/v1/projects-restricted-users/p", "!restricted p:restricted " + hexclave + "/api/v1/projects-restricted-users/p",
			"!anonymous p:anon " + stack + "/api/v1/projects-anonymous-users/p", "!anonymous p:anon " + hexclave + "/api/v1/projects-anonymous-users/p"}},
		{"hexclave", Project{Preset: "stack", ProjectID: "p", BaseURL: hexclave + "/", Allow: []string{"restricted"}}, hexclave + "/api/v1/projects/p/.well-known/jwks.json?include_anonymous=true", []string{
			"normal p " + stack + "/api/v1/projects/p", "normal p " + hexclave + "/api/v1/projects/p",
			"restricted p:restricted " + stack + "/api/v1/projects-restricted-users/p", "restricted p:restricted " + hexclave + "/api/v1/projects-restricted-users/p",
			"!anonymous p:anon " + stack + "/api/v1/projects-anonymous-users/p", "!anonymous p:anon " + hexclave + "/api/v1/projects-anonymous-users/p"}},
		{"own host", Project{Preset: "stack", ProjectID: "p", BaseURL: "https://auth.example", Allow: []string{"anonymous"}}, "https://auth.example/api/v1/projects/p/.well-known/jwks.json?include_anonymous=true", []string{
			"normal p https://auth.example/api/v1/projects/p",
			"restricted p:restricted https://auth.example/api/v1/projects-restricted-users/p",
			"anonymous p:anon https://auth.example/api/v1/projects-anonymous-users/p"}},
		{"own issuers and keys", Project{Preset: "stack", ProjectID: "p", Issuers: []string{"https://a.example/", "https://b.example"}, JWKSURL: "https://keys.example/set"}, "https://keys.example/set", []string{
			"normal p https://a.example/api/v1/projects/p", "normal p https://b.example/api/v1/projects/p",
			"!restricted p:restricted https://a.example/api/v1/projects-restricted-users/p", "!restricted p:restricted https://b.example/api/v1/projects-restricted-users/p",
			"!anonymous p:anon https://a.example/api/v1/projects-anonymous-users/p", "!anonymous p:anon https://b.example/api/v1/projects-anonymous-users/p"}},
		{"neon", Project{Preset: "neon", BaseURL: "https://EP-X.neonauth.example:443/db/auth/"}, "https://EP-X.neonauth.example:443/db/auth/.well-known/jwks.json", []string{
			"normal https://ep-x.neonauth.example https://ep-x.neonauth.example"}},
		{"neon on a port", Project{Preset: "neon", BaseURL: "http://127.0.0.1:4000/db/auth"}, "http://127.0.0.1:4000/db/auth/.well-known/jwks.json", []string{
			"normal http://127.0.0.1:4000 http://127.0.0.1:4000"}},
		{"neon with its own", Project{Preset: "neon", BaseURL: "https://h.example/auth", Issuers: []string{"i"}, Audiences: []string{"a", "b"}}, "https://h.example/auth/.well-known/jwks.json", []string{
			"normal a i", "normal b i"}},
		{"oidc", Project{Preset: "oidc", BaseURL: "https://issuer.example/", Audiences: []string{"a"}}, "", []string{"normal a https://issuer.example/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.project.WithDerived()
			if p.JWKSURL != c.keys {
				t.Errorf("key set at %q, want %q", p.JWKSURL, c.keys)
			}
			policy := p.Policy()
			var got []string
			list := func(mark string, all []keyset.Audience) {
				for _, a := range all {
					for _, issuer := range a.Issuers {
						got = append(got, fmt.Sprintf("%s%s %s %s", mark, a.Class, a.Name, issuer))
					}
				}
			}
			list("", policy.Admitted)
			list("!", policy.Refused)
			slices.Sort(got)
			want := slices.Sorted(slices.Values(c.want))
			if !slices.Equal(got, want) {
				t.Errorf("audiences\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if again := p.WithDerived(); fmt.Sprint(again) != fmt.Sprint(p) {
				t.Error("deriving twice changes something")
			}
			if len(policy.Algorithms) == 0 {
				t.Error("no algorithm")
			}
		})
	}
}
