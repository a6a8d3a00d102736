package authrequest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

// theToken is the only token that pickyDaemon accepts.
const theToken = "eyJ.good.token"

// pickyDaemon accepts one token, refuses most others, and sometimes cannot
// tell. It counts the tokens that it accepted.
type pickyDaemon struct{ yes atomic.Int64 }

func (p *pickyDaemon) client() *client.Client {
	return &client.Client{Dial: func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go p.serve(far)
		return near, nil
	}}
}

func (p *pickyDaemon) serve(conn net.Conn) {
	in := bufio.NewReaderSize(conn, 32<<10)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		reply := "NO bad-signature\n"
		switch token := words[len(words)-1]; {
		case token == theToken && strings.Contains(line, " VERIFY "):
			p.yes.Add(1)
			reply = okReply()
		case len(token)%7 == 0:
			reply = "ERR unavailable retry-after=3\n"
		case len(token)%11 == 0:
			reply = "NO class-not-allowed\n"
		}
		if _, err := io.WriteString(conn, words[0]+" "+reply); err != nil {
			return
		}
	}
}

// script is a connection whose peer has sent everything and waits.
type script struct {
	in     *bytes.Reader
	mu     sync.Mutex
	out    bytes.Buffer
	closed chan struct{}
	once   sync.Once
}

func (s *script) Read(p []byte) (int, error) { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}
func (s *script) Close() error                     { s.once.Do(func() { close(s.closed) }); return nil }
func (s *script) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// singleListener is a listener with a single connection.
type singleListener struct {
	conn  *script
	given bool
}

func (l *singleListener) Accept() (net.Conn, error) {
	if !l.given {
		l.given = true
		return l.conn, nil
	}
	<-l.conn.closed
	return nil, io.EOF
}
func (l *singleListener) Close() error   { return nil }
func (l *singleListener) Addr() net.Addr { return &net.UnixAddr{} }

// play sends bytes to a server made by NewServer, and returns what the server
// sends.
func play(s *Service, sent []byte) string {
	// net/http cancels the requests in progress when the peer stops sending.
	// Here they go on.
	patient := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	})
	conn := &script{in: bytes.NewReader(sent), closed: make(chan struct{})}
	_ = NewServer(patient).Serve(&singleListener{conn: conn}) // ends with the connection
	conn.mu.Lock()
	defer conn.mu.Unlock()
	return conn.out.String()
}

// FuzzNoYesWithoutVerifiedToken is the most important test (N1). Whatever bytes
// arrive, there are no more 2xx than tokens that were verified for these very
// requests, and each 2xx names its user.
func FuzzNoYesWithoutVerifiedToken(f *testing.F) {
	for _, seed := range yesSeeds() {
		f.Add([]byte(strings.ReplaceAll(seed, "\n", "\r\n")))
	}
	daemon := new(pickyDaemon)
	c := daemon.client()
	f.Cleanup(func() { _ = c.Close() })
	set, err := Load("")
	if err != nil {
		f.Fatal(err)
	}
	s := New("dev", c, set, slog.New(slog.DiscardHandler), time.Now)
	status := regexp.MustCompile(`(?m)^HTTP/1\.[01] (\d)\d\d[^\n]*\r\n((?:[^\r\n][^\n]*\r\n)*)\r\n`)
	f.Fuzz(func(t *testing.T, sent []byte) {
		before := daemon.yes.Load()
		answer := play(s, sent)
		verified := int(daemon.yes.Load() - before)
		yes := 0
		for _, m := range status.FindAllStringSubmatch(answer, -1) {
			if m[1] != "2" {
				continue
			}
			yes++
			if !strings.Contains(m[2], "X-Auth-User-Id: 6f2c1d52-3c1b-4c0e-9a5e-0b7f5d0f8a11\r\n") {
				t.Errorf("a yes without a user to %q: %q", sent, answer)
			}
		}
		if yes > verified {
			t.Errorf("%d yes and %d verified tokens for %q: %q", yes, verified, sent, answer)
		}
		if s.metrics.panics.Get()+s.metrics.unproved.Get() != 0 {
			t.Errorf("a fault of ours at %q", sent)
		}
	})
}

// yesSeeds returns requests of every shape: requests that some other program
// has wrongly let through, and requests that this program must let through.
func yesSeeds() []string {
	host := " HTTP/1.1\nHost: x\n"
	bear := "Authorization: Bearer " + theToken + "\n"
	pair := base64.StdEncoding.EncodeToString([]byte(`{"accessToken":"` + theToken + `","refreshToken":"r"}`))
	cookie := "Cookie: stack-access=" + url.QueryEscape(`["r","`+theToken+`"]`) + "\n"
	return []string{
		"GET /nginx" + host + bear + "\n",
		"GET /nginx?level=claims&allow=restricted" + host + "X-Stack-Access-Token: " + theToken + "\n\n",
		"HEAD /traefik?require=email-verified" + host + "Authorization: Bearer stackauth_" + pair + "\n\n",
		"GET /caddy" + host + cookie + "\n",
		"POST /envoy/x?y" + host + "X-Neonauth-Require: level=claims\nContent-Length: 3\n" + bear + "\nabc",
		"GET /haproxy" + host + bear + "\nGET /nginx" + host + "\n" + "GET /nginx" + host + bear + cookie + "\n",
		"GET /nginx" + host + "\n", "GET / HTTP/1.1\n\n", "GET /nginx HTTP/1.0\n\n", "OPTIONS *" + host + "\n", "OPTIONS * HTTP/1.1\nHost: x\n" + bear + "\n",
		"GET /healthz" + host + "User-Agent: GoogleHC/1.0\n\n", "GET /nginx" + host + "User-Agent:\n\n", "GET /nginx?%zz" + host + bear + "\n",
		"GET http://x/nginx" + host + "\n", "GET //nginx" + host + bear + "\n", "CONNECT x:1 HTTP/1.1\nHost: x\n" + bear + "\n", "PRI * HTTP/2.0\n\nSM\n\n",
		"GET /nginx" + host + "Cookie: stack-access=%5B%22\n\n", "GET /nginx" + host + "Authorization: Bearer hexclave_!!!\n\n",
		"GET /nginx" + host + "X-Forwarded-Uri: /login\nX-Forwarded-Method: OPTIONS\nX-Original-URL: /healthz\n\n",
		"GET /nginx" + host + "Transfer-Encoding: chunked\n" + bear + "\n0\n\n", "GET /nginx" + host + "Expect: 100-continue\nContent-Length: 1\n\n",
		"GET /nginx" + host + "Upgrade: h2c\nConnection: Upgrade, HTTP2-Settings\nHTTP2-Settings: AA\n\n", "GET /envoy" + host + bear + "\n",
		"GET /nginx" + host + "X-Stack-Auth: {\"accessToken\":\"" + theToken + "\"}\n" + "X-Stack-Access-Token: other.token.x\n\n",
		"GET /nginx?level=profile" + host + bear + "\n", "\n\n\nGET /nginx" + host + bear + "\n", "GET /nginx" + host + strings.Repeat("A: b\n", 2000) + bear + "\n",
	}
}

// This test shows that the server lets the good seeds through. Otherwise
// FuzzNoYesWithoutVerifiedToken would pass with a server that refuses
// everything.
func TestTheSeedsHoldYesAndNo(t *testing.T) {
	t.Parallel()
	daemon := new(pickyDaemon)
	s := quietService(t, daemon.client())
	yes := 0
	for _, seed := range yesSeeds() {
		yes += len(regexp.MustCompile(`(?m)^HTTP/1\.[01] 2`).FindAllString(play(s, []byte(strings.ReplaceAll(seed, "\n", "\r\n"))), -1))
	}
	if yes != 9 || daemon.yes.Load() != 9 {
		t.Errorf("%d yes, %d verified", yes, daemon.yes.Load())
	}
}
