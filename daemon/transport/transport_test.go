package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// name is an upstream that only a proxy can reach.
const name = "https://example.com/keys"

func TestAnUpstreamIsReachedThroughAProxy(t *testing.T) {
	s, authorities := server(t)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for how, c := range map[string]struct {
		proxy func(address string) Route
		want  string // in what the proxy was asked; "" if it was not asked
	}{
		"of the configuration": {func(at string) Route { return via(t, "http://"+at) }, "CONNECT example.com:443"},
		"with a password":      {func(at string) Route { return via(t, "http://Aladdin:open%20sesame@"+at) }, "CONNECT example.com:443 Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		"of the environment": {func(at string) Route {
			return Route{Environment: func(u *url.URL) (*url.URL, error) {
				if u.String() != "https://example.com:443" {
					t.Errorf("asked about %s", u)
				}
				return url.Parse("http://" + at)
			}}
		}, "CONNECT example.com:443"},
	} {
		t.Run(how, func(t *testing.T) {
			p := e2e.NewProxy(t, nil)
			p.Leads["example.com:443"] = "127.0.0.1:" + port
			config := Config{Authorities: authorities, Route: c.proxy(p.Address())}
			if body, err := get(t, config, name); err != nil || body != "HTTP/2.0 example.com/keys" {
				t.Fatalf("%q, %v", body, err)
			}
			if asked := p.Asked(); fmt.Sprint(asked) != "["+c.want+"]" {
				t.Errorf("asked %v", asked)
			}
			u, _ := url.Parse(name)
			if at, says := config.Route.Through(u); at != "http://"+p.Address() || says != map[bool]string{true: "HTTPS_PROXY", false: "upstream_proxy"}[how == "of the environment"] {
				t.Errorf("%s by %s", at, says)
			}
		})
	}
}

func TestAProxyOverTLSIsTrustedByItsOwnAuthorities(t *testing.T) {
	s, authorities := server(t)
	p := e2e.NewProxy(t, &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS12})
	p.Leads["example.com:443"] = s.Listener.Addr().String()
	route := via(t, "https://"+p.Address())
	_, err := get(t, Config{Authorities: authorities, Route: route}, name)
	if err == nil || Phrase(err) != "the proxy cannot be reached: the certificate is signed by an unknown authority" {
		t.Errorf("a proxy that nobody vouches for: %v", err)
	}
	route.Authorities = authorities
	if body, err := get(t, Config{Authorities: authorities, Route: route}, name); err != nil || !strings.HasPrefix(body, "HTTP/2.0") {
		t.Errorf("%q, %v", body, err)
	}
	if _, err := get(t, Config{Route: route}, name); err == nil || Phrase(err) != "the certificate is signed by an unknown authority" {
		t.Errorf("an upstream that nobody vouches for: %v", err)
	}
}

// TestAProxyOverOldTLSIsNotAsked: it gets its password only over TLS 1.2 or later.
func TestAProxyOverOldTLSIsNotAsked(t *testing.T) {
	s, authorities := server(t)
	for name, version := range map[string]uint16{"TLS 1.0": tls.VersionTLS10, "TLS 1.1": tls.VersionTLS11, "TLS 1.2": tls.VersionTLS12} {
		t.Run(name, func(t *testing.T) {
			p := e2e.NewProxy(t, &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: version})
			p.Leads["example.com:443"] = s.Listener.Addr().String()
			route := via(t, "https://"+p.Address())
			route.Authorities = authorities
			_, err := get(t, Config{Authorities: authorities, Route: route}, "https://example.com/keys")
			if fit := version >= tls.VersionTLS12; (err == nil) != fit || (len(p.Asked()) > 0) != fit {
				t.Errorf("%v, asked %q", err, p.Asked())
			}
			if err != nil && !strings.HasPrefix(Phrase(err), "the proxy cannot be reached: no agreement on TLS") {
				t.Error(Phrase(err))
			}
		})
	}
}

func TestWhatFailsOnTheWayToAProxyIsTold(t *testing.T) {
	s, authorities := server(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	status := func(code int) string {
		return fmt.Sprintf("HTTP/1.1 %d canary\r\nX-Canary: canary\r\nContent-Length: 0\r\n\r\n", code)
	}
	for what, c := range map[string]struct {
		answer  string
		silent  bool
		proxy   string // in place of a real one
		target  string
		want    string
		refused bool
	}{
		"nobody there":       {proxy: closed.Addr().String(), want: "the proxy cannot be reached: connection refused"},
		"no such host":       {proxy: "proxy.invalid:3128", want: "the proxy cannot be reached: the host name"},
		"silent":             {silent: true, want: "the proxy does not answer: no answer in time"},
		"no HTTP":            {answer: "SSH-2.0-canary\r\n", want: "the proxy does not answer: the exchange failed"},
		"cut off":            {answer: "HTTP/1.1 200 OK\r\n", silent: false, want: "the proxy does not answer: "},
		"endless":            {answer: "HTTP/1.1 200 OK\r\nX-Canary: " + strings.Repeat("x", maxConnectHeader) + "\r\n\r\n", want: "the proxy does not answer: the answer was cut off"},
		"eager":              {answer: status(200) + "canary", want: "the proxy does not answer: the proxy sends more than an answer"},
		"no password":        {answer: status(407), want: "the proxy wants user and password, or others (407)", refused: true},
		"not this one":       {answer: status(403), want: "the proxy refuses to connect to the upstream (403)", refused: true},
		"no proxy":           {answer: status(405), want: "the proxy refuses to connect to the upstream (405)", refused: true},
		"elsewhere":          {answer: status(302), want: "the proxy answers CONNECT with 302: is it a proxy?", refused: true},
		"upstream away":      {target: "https://" + closed.Addr().String(), want: "the proxy does not reach the upstream (502)"},
		"upstream too slow":  {answer: status(504), want: "the proxy does not reach the upstream (504)"},
		"somebody else":      {target: "https://example.org", want: "the certificate is for another host name"},
		"not the upstream's": {target: "https://example.com", want: "the certificate is signed by an unknown authority"},
	} {
		t.Run(what, func(t *testing.T) {
			p := e2e.NewProxy(t, nil)
			p.Answer, p.Silent = c.answer, c.silent
			p.Leads["example.com:443"], p.Leads["example.org:443"] = s.Listener.Addr().String(), s.Listener.Addr().String()
			// Loopback is asked directly, so the closed port goes by a name.
			target := "https://example.com"
			if what == "upstream away" {
				p.Leads["example.com:443"] = closed.Addr().String()
			} else if c.target != "" {
				target = c.target
			}
			config := Config{Authorities: authorities, Route: via(t, "http://u:canary@"+p.Address())}
			if c.proxy != "" {
				config.Route = via(t, "http://u:canary@"+c.proxy)
			}
			if what == "not the upstream's" {
				config.Authorities = nil
			}
			if c.silent || what == "cut off" {
				config.Stage = 200 * time.Millisecond
			}
			_, err := get(t, config, target)
			if err == nil || !strings.HasPrefix(Phrase(err), c.want) || strings.Contains(Phrase(err), "canary") {
				t.Fatalf("%v", err)
			}
			var e *ProxyError
			if is := errors.As(err, &e); is != strings.HasPrefix(c.want, "the proxy") || is && e.Refused() != c.refused {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestThisMachineAndPlainHTTPTakeNoProxy, whatever is configured: this host
// could not check where a proxy connects to.
func TestThisMachineAndPlainHTTPTakeNoProxy(t *testing.T) {
	s, authorities := server(t)
	p := e2e.NewProxy(t, nil)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(plain.Close)
	route := via(t, "http://"+p.Address())
	for _, target := range []string{s.URL, plain.URL, strings.Replace(plain.URL, "127.0.0.1", "localhost", 1)} {
		if _, err := get(t, Config{Authorities: authorities, Route: route}, target); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		u, _ := url.Parse(target)
		if at, says := route.Through(u); at != "" || says != "" {
			t.Errorf("%s goes through %s", target, at)
		}
	}
	if _, err := get(t, Config{Route: route, PrivateHTTP: true}, "http://192.0.2.1/"); err == nil || Phrase(err) != errNotPrivate.Error() {
		t.Errorf("a public address: %v", err)
	}
	if asked := p.Asked(); len(asked) != 0 {
		t.Errorf("the proxy was asked %v", asked)
	}
}

func TestNoneIsNoProxyWhateverTheEnvironmentSays(t *testing.T) {
	_, authorities := server(t)
	p := e2e.NewProxy(t, nil)
	route := via(t, "none")
	route.Environment = func(*url.URL) (*url.URL, error) { return url.Parse("http://" + p.Address()) }
	config := Config{Authorities: authorities, Route: route, Stage: 200 * time.Millisecond}
	_, err := get(t, config, "https://neonauthd.invalid/")
	if err == nil || strings.Contains(Phrase(err), "proxy") || len(p.Asked()) != 0 {
		t.Errorf("%v, and the proxy was asked %v", err, p.Asked())
	}
}
