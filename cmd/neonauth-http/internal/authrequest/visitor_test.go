package authrequest

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/neonauthd/neonauthd/client"
)

func TestVisitorsAreToldApartByWhatTheWebServerSays(t *testing.T) {
	const a, b = "192.0.2.1", "192.0.2.2"
	forwarded := func(values ...string) http.Header { return http.Header{"X-Forwarded-For": values} }
	told := func(values ...string) http.Header { return http.Header{visitorHeader: values} }
	for _, c := range []struct {
		name    string
		dialect string
		header  http.Header
		want    string
	}{
		{"nginx says", "nginx", told(a), a},
		{"caddy says", "caddy", told(a), a},
		{"haproxy says", "haproxy", told(a), a},
		{"envoy says", "envoy", told(a), a},
		{"not said", "nginx", nil, ""},
		{"said to be nobody", "nginx", told(""), ""},
		{"a visitor says so too", "nginx", told(b, a), ""},
		{"a visitor says where it was forwarded from", "nginx", forwarded(a), ""},
		{"traefik adds", "traefik", forwarded(a), a},
		{"traefik adds to what a visitor sent", "traefik", forwarded(b + ", " + a), a},
		{"in lines of their own", "traefik", forwarded(b, a), a},
		{"a visitor of traefik says", "traefik", told(b), ""},
		{"IPv6 is a network", "nginx", told("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"},
		{"another address of it", "nginx", told("2001:db8:1:2::1"), "2001:db8:1:2::/64"},
		{"with a zone", "nginx", told("fe80::1%eth0"), "fe80::/64"},
		{"IPv4 in IPv6", "nginx", told("::ffff:192.0.2.1"), a},
		{"no address", "nginx", told("unix:"), "unix:"},
		{"too long for one", "nginx", told(strings.Repeat("1", maxVisitor+1)), ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/"+c.dialect, nil)
		r.Header = c.header
		if got := route(dialects(), "/"+c.dialect).visitor(r); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// listening is a daemon that notes the labels in its requests. It may be an
// older daemon, which knows no labels.
type listening struct {
	older  bool
	reply  string        // to a request that it understands; "": the token is accepted
	hold   chan struct{} // answers wait for it, unless it is nil
	asked  atomic.Int64
	mu     sync.Mutex
	labels []string
}

func (l *listening) client(t *testing.T) *client.Client {
	c := &client.Client{Keep: -1, Conns: 64, Dial: func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go l.serve(far)
		return near, nil
	}}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (l *listening) serve(conn net.Conn) {
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		label := ""
		for _, w := range words {
			if text, ok := strings.CutPrefix(w, "for="); ok {
				label = text
			}
		}
		reply := cmp.Or(l.reply, okReply())
		if l.older && label != "" {
			reply = "ERR bad-request unknown field for this verb\n"
		}
		l.mu.Lock()
		l.labels = append(l.labels, label)
		l.mu.Unlock()
		l.asked.Add(1)
		if l.hold != nil {
			<-l.hold
		}
		if _, err := io.WriteString(conn, words[0]+" "+reply); err != nil {
			return
		}
	}
}

// status returns the status of the reply to a request of the visitor.
func status(s *Service, visitor string) int {
	r := httptest.NewRequest(http.MethodGet, "/nginx", nil)
	r.Header.Set("Authorization", "Bearer a.b.c")
	r.Header.Set(visitorHeader, visitor)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

func TestTheDaemonIsToldOneVisitorFromAnother(t *testing.T) {
	l := &listening{}
	s := quietService(t, l.client(t))
	for _, visitor := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.1", ""} {
		if code := status(s, visitor); code != http.StatusNoContent {
			t.Errorf("%s: %d", visitor, code)
		}
	}
	if n := l.labels; len(n) != 4 || n[0] == "" || n[0] == n[1] || n[0] != n[2] || n[3] != "" || strings.Contains(n[0], "192") {
		t.Errorf("labels %q", n)
	}
}

func TestAnOlderDaemonIsAskedWithoutVisitors(t *testing.T) {
	l := &listening{older: true}
	s := quietService(t, l.client(t))
	for range 3 {
		if code := status(s, "192.0.2.1"); code != http.StatusNoContent {
			t.Errorf("%d", code)
		}
	}
	if n := l.labels; len(n) != 4 || n[0] == "" || strings.Join(n[1:], "") != "" {
		t.Errorf("labels %q: want one, and then none", n)
	}
}

// An answer that says nothing about the token says nothing about the daemon's age either.
func TestADaemonThatCannotTellIsNoOlderOne(t *testing.T) {
	l := &listening{older: true, reply: "ERR unavailable\n"}
	s := quietService(t, l.client(t))
	for range 2 {
		if code := status(s, "192.0.2.1"); code != http.StatusServiceUnavailable {
			t.Errorf("%d", code)
		}
	}
	if n := l.labels; len(n) != 4 || n[0] == "" || n[1] != "" || n[2] != n[0] || n[3] != "" {
		t.Errorf("labels %q: want one each time, and then none", n)
	}
}

// TestOneVisitorDoesNotHaveAllTheConnections: one visitor has as many requests
// in progress as the limit allows. The visitor's next request is refused, and
// another visitor's is not.
func TestOneVisitorDoesNotHaveAllTheConnections(t *testing.T) {
	l := &listening{hold: make(chan struct{})}
	s := quietService(t, l.client(t))
	var all sync.WaitGroup
	hang := func(visitor string) {
		before := l.asked.Load()
		all.Go(func() {
			if code := status(s, visitor); code != http.StatusNoContent {
				t.Errorf("%s: %d", visitor, code)
			}
		})
		for l.asked.Load() == before {
			runtime.Gosched()
		}
	}
	for range maxPerVisitor {
		hang("192.0.2.1")
	}
	if code := status(s, "192.0.2.1"); code != http.StatusServiceUnavailable {
		t.Errorf("one more of the same visitor: %d", code)
	}
	hang("192.0.2.2")
	close(l.hold)
	all.Wait()
	if code := status(s, "192.0.2.1"); code != http.StatusNoContent || len(s.visitors.here) != 0 {
		t.Errorf("afterwards: %d, %d visitors are remembered", code, len(s.visitors.here))
	}
}
