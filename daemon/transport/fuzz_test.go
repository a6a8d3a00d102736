package transport

import (
	"strings"
	"testing"
)

// FuzzParseProxy: the text shown for a proxy can be parsed again, and has no user or
// password. A text that is refused leaves nothing in the proxy or in the error.
func FuzzParseProxy(f *testing.F) {
	for _, seed := range []string{"", "none", "http://proxy.example:3128", "https://ada:x@[::1]", "http://ada%3a:x@proxy.example", "socks5://x", "http://a b:1", "http://x:1/#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProxy(text)
		if err != nil {
			if !p.IsZero() || len(text) > 24 && strings.Contains(err.Error(), text) {
				t.Errorf("%q: %s, %v", text, p, err)
			}
			return
		}
		again, err := ParseProxy(p.String())
		if err != nil || again.String() != p.String() || strings.Contains(p.String(), "@") {
			t.Errorf("%q is shown as %q: %v", text, p, err)
		}
	})
}
