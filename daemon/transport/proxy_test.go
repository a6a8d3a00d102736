package transport

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestProxiesAreReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"none":                               "none",
		"http://proxy.example:3128":          "http://proxy.example:3128",
		"http://proxy.example:3128/":         "http://proxy.example:3128",
		"http://proxy.example":               "http://proxy.example:80",
		"https://proxy.example":              "https://proxy.example:443",
		"http://u:hunter2@proxy.example:1":   "http://proxy.example:1",
		"http://u@10.0.0.1:65535":            "http://10.0.0.1:65535",
		"http://[::1]:3128":                  "http://[::1]:3128",
		"http://u:hunter%402%3a@[fd00::1]:1": "http://[fd00::1]:1",
	} {
		if p, err := ParseProxy(text); err != nil || p.String() != want || p.IsZero() != (text == "") {
			t.Errorf("%s: %s, %v", text, p, err)
		}
	}
	for _, text := range []string{
		"proxy.example:3128", "proxy.example", "//proxy.example:3128", "http://", "http://:3128", "None", "direct",
		"socks5://proxy.example:1080", "ftp://proxy.example", "http://proxy.example:0", "http://proxy.example:65536", "http://proxy.example:x",
		"http://proxy.example:3128/hunter2", "http://proxy.example:3128?hunter2", "http://proxy.example:3128?", "http://proxy.example#hunter2",
		"http://pröxy.example", "http://u%0a:hunter2@proxy.example", "http://u:hunter2%0d%0a@proxy.example", "http://u%3a:hunter2@proxy.example",
		"http://:hunter2@proxy.example", "http://u:hunter2@proxy.example:hunter2", "http://proxy.example:1" + strings.Repeat("/", maxProxyURL),
	} {
		p, err := ParseProxy(text)
		switch {
		case err == nil:
			t.Errorf("%s is taken for %s", text, p)
		case strings.Contains(err.Error(), "hunter2"):
			t.Errorf("the error repeats it: %v", err)
		case !p.IsZero() || p.authorization != nil:
			t.Errorf("%s leaves something: %#v", text, p)
		}
	}
	longest := "http://proxy.example:1" + strings.Repeat("/", maxProxyURL-len("http://proxy.example:1"))
	if _, err := ParseProxy(longest); err != nil {
		t.Errorf("%d bytes: %v", len(longest), err)
	}
}

func TestAProxysPasswordIsNeverPrinted(t *testing.T) {
	p, err := ParseProxy("http://canary-user:canary-password@proxy.example:3128")
	if err != nil {
		t.Fatal(err)
	}
	type table struct {
		Proxy  Proxy
		hidden Proxy
	}
	all := table{p, p}
	text := fmt.Sprint(p, &p, all, &all, []Proxy{p}, map[string]Proxy{"x": p}) + fmt.Sprintf("%v %+v %#v %s %q %+v %#v", p, p, p, p, p, all, all)
	encoded, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"canary-user", "canary-password", *p.authorization, strings.TrimPrefix(*p.authorization, "Basic ")} {
		if strings.Contains(text+string(encoded), secret) {
			t.Errorf("%s\n%s", text, encoded)
		}
	}
}

func TestProxiesAreTheSameWithTheirPasswords(t *testing.T) {
	texts := []string{"", "none", "http://proxy.example:1", "https://proxy.example:1", "http://ada@proxy.example:1", "http://ada:x@proxy.example:1", "http://ada:y@proxy.example:1", "http://proxy.example:2"}
	for i, one := range texts {
		for k, other := range texts {
			a, err := ParseProxy(one)
			b, err2 := ParseProxy(other)
			if err != nil || err2 != nil || a.Same(b) != (i == k) {
				t.Errorf("%q and %q: the same %v, %v %v", one, other, a.Same(b), err, err2)
			}
		}
	}
}

// TestTheEnvironmentsProxyIsChecked: a value that the library takes for no
// proxy, such as an invalid address, is an error here before anybody relies on
// it.
func TestTheEnvironmentsProxyIsChecked(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "")
	}
	if environment, err := Environment(); environment != nil || err != nil {
		t.Errorf("nothing set: %v", err)
	}
	t.Setenv("HTTP_PROXY", "http://proxy.example:3128")
	t.Setenv("ALL_PROXY", "http://proxy.example:3128")
	if environment, err := Environment(); environment != nil || err != nil {
		t.Errorf("another's: %v", err)
	}
	for value, good := range map[string]bool{
		"http://proxy.example:3128": true, "proxy.example:3128": true, "u:hunter2@proxy.example:3128": true, "10.0.0.1:3128": true,
		"socks5://proxy.example:1080": false, "http://u:hunter2@proxy.example:99999": false, "http://": false, "http://u:hunter2@%zz": false,
	} {
		for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
			t.Run(name, func(t *testing.T) {
				t.Setenv(name, value)
				environment, err := Environment()
				if (err == nil) != good || (environment != nil) != good {
					t.Errorf("%s: %v", value, err)
				}
				if err != nil && (strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), name)) {
					t.Errorf("%v", err)
				}
			})
		}
	}
}
