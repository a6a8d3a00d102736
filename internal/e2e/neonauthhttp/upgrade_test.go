package neonauthhttp_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// willing is an application that switches to any protocol that a request names, and then accepts requests from
// everybody, like an application that speaks h2c. Requests in the tunnel are plain HTTP here, which is enough to see
// whether anybody gets in.
type willing struct {
	mu   sync.Mutex
	seen []http.Header // of every request, those in tunnels included
}

func (a *willing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.note(r)
	wish := r.Header.Get("Upgrade")
	if wish == "" {
		return
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 section 4.2.2
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+wish+
		"\r\nSec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	for wish != "websocket" { // a WebSocket has frames, and no requests
		r, err := http.ReadRequest(buf.Reader)
		if err != nil {
			return
		}
		a.note(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}
}

func (a *willing) note(r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, r.Header.Clone())
}

// taken returns the headers that were seen since the last call.
func (a *willing) taken() []http.Header {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.seen
	a.seen = nil
	return all
}

// follow sends a request and reads its answer. Then it sends, on the same connection, a request under another user's
// name. It returns the status of the first answer. A web server may hang up in between.
func follow(t *testing.T, f *front, text string) int {
	t.Helper()
	conn := dial(t, f.network, f.address)
	defer conn.Close()
	send := func(text string) {
		if _, err := io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")); err != nil && !hungUp(err) {
			t.Fatal(err)
		}
	}
	reader := bufio.NewReader(conn)
	receive := func(method string) *http.Response {
		res, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err == nil && res.StatusCode != http.StatusSwitchingProtocols {
			_, err = io.Copy(io.Discard, res.Body)
		}
		switch {
		case hungUp(err):
			return new(http.Response)
		case err != nil:
			t.Fatalf("%.200q: %v", text, err)
		}
		return res
	}
	send(text)
	method, _, _ := strings.Cut(text, " ")
	first := receive(method)
	send("GET /secret HTTP/1.1\nHost: site.example\nX-Auth-User-Id: mallory\n\n")
	receive(http.MethodGet)
	return first.StatusCode
}

func hungUp(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) && !op.Timeout()
}

// tunnels returns requests for a tunnel, from a client that can send any bytes.
func tunnels(path string) []string {
	settings := []string{"Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"}
	var all []string
	for _, wish := range [][]string{
		{"Upgrade: h2c"}, {"Upgrade: H2C"}, {"upgrade: h2c"}, {"Upgrade:h2c"}, {"Upgrade: h2c, websocket"}, {"Upgrade: websocket, h2c"},
		{"Upgrade: websocket", "Upgrade: h2c"}, {"Upgrade: h2c", "Upgrade: websocket"}, {"Upgrade: websocket h2c"}, {"Upgrade: websocket/13"},
		{"Upgrade: xwebsocket"}, {"Upgrade: websocketh2c"}, {"Upgrade: TLS/1.0"}, {"Upgrade: HTTP/2.0"}, {"Upgrade: h2"}, {"Upgrade: any"},
	} {
		for _, method := range []string{"GET", "OPTIONS", "POST"} {
			all = append(all, request(method, path, slices.Concat(settings, wish)...))
		}
		all = append(all, request("GET", path, append([]string{"Connection: HTTP2-Settings", "Connection: Upgrade", settings[1]}, wish...)...))
	}
	return all
}

// No visitor gets a connection to the application on which requests are not checked: by h2c, or by any other protocol
// that an application switches to on request.
func TestNoVisitorGetsATunnel(t *testing.T) {
	t.Parallel()
	eachFront(t, func(t *testing.T, f *front) {
		app := new(willing)
		f.w.app.Config.Handler = app
		good := bearing(f.w.token())
		for _, path := range []string{"/", "/login", "/favicon.ico", "/account/x", "/api/x", "/live/x", "/live/"} {
			for _, text := range append(tunnels(path), request("CONNECT", "site.example:80"), request("CONNECT", path), request("TRACE", path)) {
				for _, who := range []string{"", good + "\n"} {
					asked := strings.TrimSuffix(text, "\n") + who + "\n"
					status, seen := follow(t, f, asked), app.taken()
					// If there are two Upgrade headers, nginx takes the first. The other one is not passed on.
					live := strings.HasPrefix(path, "/live/") && who != "" && len(seen) == 1 && slices.Equal(seen[0]["Upgrade"], []string{"websocket"})
					if status == http.StatusSwitchingProtocols && !live {
						t.Errorf("%.200q: 101", text)
					}
					for _, h := range seen {
						if h.Get("X-Auth-User-Id") == "mallory" || len(h["Upgrade"]) > 0 && !live || len(h["Http2-Settings"]) > 0 {
							t.Errorf("%.200q: the application saw user %q, Upgrade %q, HTTP2-Settings %q", text, h["X-Auth-User-Id"], h["Upgrade"], h["Http2-Settings"])
						}
					}
				}
			}
		}
	})
}

// A WebSocket is served where the recipe says so, to users, and nowhere else.
func TestWebSocketsAreServedInTheirPlaceOnly(t *testing.T) {
	t.Parallel()
	eachFront(t, func(t *testing.T, f *front) {
		app := new(willing)
		f.w.app.Config.Handler = app
		good := bearing(f.w.token())
		shake := []string{"Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
		for _, test := range []struct {
			path, wish, token string
			opened            bool
		}{
			{"/live/x", "websocket", good, true},
			{"/live/x", "WebSocket", good, true},
			{"/live/x?room=1", "websocket", good, true},
			{"/live/x", "websocket", "X-None: 1", false},
			{"/live", "websocket", good, false},
			{"/", "websocket", good, false},
			{"/login", "websocket", good, false},
			{"/login", "websocket", "X-None: 1", false},
			{"/account/x", "websocket", good, false},
			{"/api/x", "websocket", good, false},
		} {
			g := f.get(t, test.path, append(shake, "Upgrade: "+test.wish, test.token)...)
			seen := app.taken()
			if opened := g.StatusCode == http.StatusSwitchingProtocols; opened != test.opened {
				t.Errorf("%s %s: %s", test.path, test.wish, g.Status)
			}
			for _, h := range seen {
				want := []string(nil)
				if test.opened {
					want = []string{"websocket"}
				}
				if !slices.Equal(h["Upgrade"], want) || test.opened && !strings.EqualFold(h.Get("Connection"), "upgrade") || test.opened && h.Get("X-Auth-User-Id") != f.w.ada.ID {
					t.Errorf("%s %s: the application saw %q", test.path, test.wish, h)
				}
			}
		}
	})
}

// An HTTP/2 visitor asks for a protocol with an extended CONNECT (RFC 8441), which HAProxy turns into an Upgrade.
func TestNoVisitorGetsATunnelByHTTP2(t *testing.T) {
	t.Parallel()
	f := startHAProxy(t, newSystem(t))
	app := new(willing)
	f.w.app.Config.Handler = app
	good := "Bearer " + f.w.token()
	for _, test := range []struct {
		protocol, path string
		upgrade        []string
	}{
		{"h2c", "/", nil}, {"h2c", "/login", nil}, {"h2c", "/live/x", nil}, {"websocket", "/", nil}, {"websocket", "/login", nil},
		{"websocket", "/live/x", []string{"websocket"}},
	} {
		extendedConnect(t, f, [][2]string{
			{":method", "CONNECT"}, {":protocol", test.protocol}, {":scheme", "http"}, {":path", test.path}, {":authority", "site.example"},
			{"authorization", good}, {"sec-websocket-version", "13"},
		})
		seen := app.taken()
		if len(seen) != 1 {
			t.Errorf("%s at %s: %d requests reach the application", test.protocol, test.path, len(seen))
			continue
		}
		if !slices.Equal(seen[0]["Upgrade"], test.upgrade) {
			t.Errorf("%s at %s: Upgrade is %q", test.protocol, test.path, seen[0]["Upgrade"])
		}
	}
}

// extendedConnect sends a request over HTTP/2 and waits for the frame that answers it.
func extendedConnect(t *testing.T, f *front, fields [][2]string) {
	t.Helper()
	const (
		headers, reset, settings, goAway = 1, 3, 4, 7 // RFC 9113 section 6
		endHeaders                       = 4
	)
	conn := dial(t, f.network, f.address)
	defer conn.Close()
	frame := func(kind, flags byte, stream uint32, body []byte) []byte {
		head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))[1:]
		return append(binary.BigEndian.AppendUint32(append(head, kind, flags), stream), body...)
	}
	var block []byte // literal fields that are not indexed, with names and values as they are (RFC 7541 section 6.2.2)
	text := func(s string) []byte {
		if len(s) < 127 {
			return append([]byte{byte(len(s))}, s...)
		}
		return append(binary.AppendUvarint([]byte{127}, uint64(len(s)-127)), s...)
	}
	for _, field := range fields {
		block = slices.Concat(block, []byte{0}, text(field[0]), text(field[1]))
	}
	_, err := conn.Write(slices.Concat([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(settings, 0, 0, nil), frame(headers, endHeaders, 1, block)))
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	for {
		var head [9]byte
		if _, err := io.ReadFull(reader, head[:]); err != nil {
			t.Fatal(err)
		}
		switch head[3] {
		case headers, reset, goAway:
			return
		}
		if _, err := reader.Discard(int(binary.BigEndian.Uint32(append([]byte{0}, head[:3]...)))); err != nil {
			t.Fatal(err)
		}
	}
}
