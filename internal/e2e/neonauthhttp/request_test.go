package neonauthhttp_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// got is a response with its body read.
type got struct {
	*http.Response
	body string
}

// raw sends the text of a request unchanged and reads one response. Lines end
// with LF in the text and CRLF on the wire.
func raw(t testing.TB, network, address, text string) got {
	t.Helper()
	conn := dial(t, network, address)
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		t.Fatalf("send: %v", err)
	}
	method, _, _ := strings.Cut(text, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no response: %v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("body: %v", err)
	}
	return got{res, string(body)}
}

// get sends a GET request with a path and header lines ("Name: value").
func get(t testing.TB, network, address, path string, lines ...string) got {
	t.Helper()
	return raw(t, network, address, request("GET", path, lines...))
}

func request(method, path string, lines ...string) string {
	text := method + " " + path + " HTTP/1.1\nHost: site.example\n"
	for _, line := range lines {
		text += line + "\n"
	}
	return text + "\n"
}

// ask sends a question to neonauth-http as a web server does.
func (w *system) ask(t testing.TB, path string, lines ...string) got {
	t.Helper()
	return get(t, "unix", w.path("h.sock"), path, lines...)
}

// seen decodes the request that the application got. It fails the test if the
// application got none.
func (g *got) seen(t testing.TB) seen {
	t.Helper()
	var s seen
	if g.Header.Get("X-App") == "" || json.Unmarshal([]byte(g.body), &s) != nil {
		t.Fatalf("the application was not reached: %s\n%v\n%s", g.Status, g.Header, g.body)
	}
	return s
}

// reason returns the reason in a refusal of neonauth-http.
func (g *got) reason(t testing.TB) string {
	t.Helper()
	var refusal struct{ Outcome, Reason string }
	if err := json.Unmarshal([]byte(g.body), &refusal); err != nil {
		t.Fatalf("%s: %v in %q", g.Status, err, g.body)
	}
	return refusal.Reason
}

// dial connects. Everything on the connection must be done within e2e.Timeout.
func dial(t testing.TB, network, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(e2e.Timeout)); err != nil {
		t.Fatal(err)
	}
	return conn
}
