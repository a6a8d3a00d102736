package middleware_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/clienttest"
	"github.com/neonauthd/neonauthd/client/middleware"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestAnUpgradeIsJudgedLikeEveryRequest uses a real connection. The handler
// behind the guard takes the connection over, whatever the request is.
func TestAnUpgradeIsJudgedLikeEveryRequest(t *testing.T) {
	fake := new(clienttest.Fake)
	fake.Accept("good", client.User{ID: "ada"})
	fake.Reject("old", protocol.ReasonExpired)
	fake.Unknown("outage", protocol.CodeUnavailable)
	g := &middleware.Guard{Client: fake, OnUnknown: func(*http.Request, client.Unknown) {}}
	server := httptest.NewServer(g.Wrap(http.HandlerFunc(takeOver)))
	defer server.Close()
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	for _, test := range []struct {
		name, method, headers string
		status                int
	}{
		{"accepted", "GET", "Authorization: Bearer good\r\n", 101},
		{"without a token", "GET", "", 401},
		{"with a bad token", "GET", "Authorization: Bearer old\r\n", 401},
		{"with two tokens", "GET", "Authorization: Bearer good\r\nX-Stack-Access-Token: old\r\n", 400},
		{"in an outage", "GET", "Authorization: Bearer outage\r\n", 503},
		{"as a preflight", "OPTIONS", "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n", 401},
		{"as a preflight with a token", "OPTIONS", "Access-Control-Request-Method: GET\r\nAuthorization: Bearer good\r\n", 101},
		{"to h2c", "GET", "Upgrade: h2c\r\n", 401},
		{"to h2c as a preflight", "OPTIONS", "Access-Control-Request-Method: GET\r\nUpgrade: h2c\r\n", 401},
		{"as a method of its own", "CONNECT", "", 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, err := net.DialTimeout("tcp", server.Listener.Addr().String(), 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			target := "/"
			if test.method == http.MethodConnect {
				target = "app.example:443"
			}
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: app.example\r\n%s%s\r\n", test.method, target, upgrade, test.headers)
			from := bufio.NewReader(conn)
			line, err := from.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, fmt.Sprintf("HTTP/1.1 %d ", test.status)) {
				t.Fatalf("%q, %v, want %d", line, err, test.status)
			}
			if test.status != http.StatusSwitchingProtocols {
				return
			}
			fmt.Fprintln(conn, "who am I?")
			for line != "you are ada\n" {
				if line, err = from.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// takeOver takes the connection over, as the handler of a WebSocket does.
func takeOver(w http.ResponseWriter, r *http.Request) {
	a, _ := middleware.From(r.Context())
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(both, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_ = both.Flush()
	if _, err := both.ReadString('\n'); err == nil {
		fmt.Fprintf(both, "you are %s\n", a.Subject)
		_ = both.Flush()
	}
}
