package neonauthhttp_test

import (
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// outage is a way in which a web server gets no usable answer from neonauth-http.
type outage struct {
	name  string
	begin func(t *testing.T, w *system)
}

func outages() []outage {
	const yes = "HTTP/1.1 204 No Content\r\nX-Auth-User-Id: mallory\r\n"
	return []outage{
		{"neonauth-http hangs", func(t *testing.T, w *system) { w.http.Freeze(t) }},
		{"neonauth-http is gone", func(t *testing.T, w *system) { w.http.Kill(t) }},
		{"neonauth-http was never there", func(t *testing.T, w *system) { w.http.Stop(t) }},
		{"the daemon hangs", func(t *testing.T, w *system) { w.daemon.Freeze(t) }},
		{"the daemon is gone", func(t *testing.T, w *system) { w.daemon.Kill(t) }},
		{"something takes the question and says nothing", impostor("")},
		{"something says half a yes", impostor(yes)},
		{"something says no HTTP", impostor("hello\r\n\r\n")},
		{"something lets nobody in", impostor("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")},
		{"something hangs up", impostor("bye")},
		{"something hangs up in half a yes", impostor(yes + "bye")},
		{"something says 101", impostor("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")},
		{"something says 500", impostor("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")},
		{"something says 503", impostor("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")},
		{"something says more than fits", impostor("HTTP/1.1 204 No Content\r\nX-Auth-Name: " + strings.Repeat("x", 70<<10) + "\r\n\r\n")},
	}
}

// impostor takes the place of neonauth-http, and sends the same words to everybody. If they end with "bye", it then
// closes the connection.
func impostor(words string) func(*testing.T, *system) {
	return func(t *testing.T, w *system) {
		t.Helper()
		w.http.Stop(t)
		_ = os.Remove(w.path("h.sock")) // the process may have removed it
		ln, err := net.Listen("unix", w.path("h.sock"))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		done := make(chan struct{})
		t.Cleanup(func() { close(done); ln.Close(); wg.Wait() })
		answer, bye := strings.CutSuffix(words, "bye")
		wg.Go(func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				wg.Go(func() {
					defer conn.Close()
					_, _ = conn.Read(make([]byte, 1<<16))
					_, _ = conn.Write([]byte(answer))
					if !bye {
						<-done
					}
				})
			}
		})
	}
}

// Whatever happens to neonauth-http or the daemon, a visitor has an answer within the test's timeout, the answer is a
// 5xx, and the application is not reached. The time limits of the recipes are divided by ten, so that the test is not
// long.
func TestAnOutageIsA5xxInTime(t *testing.T) {
	t.Parallel()
	for _, start := range []struct {
		name string
		run  func(t testing.TB, w *system) *front
	}{
		{"nginx", func(t testing.TB, w *system) *front {
			return startNginx(t, w, "proxy_read_timeout 10s;", "proxy_read_timeout 1s;")
		}},
		{"Caddy", func(t testing.TB, w *system) *front {
			return startCaddy(t, w, "response_header_timeout 10s", "response_header_timeout 1s")
		}},
		{"HAProxy", func(t testing.TB, w *system) *front {
			return startHAProxy(t, w, "local timeout = 2500", "local timeout = 250")
		}},
	} {
		t.Run(start.name, func(t *testing.T) {
			t.Parallel()
			for _, o := range outages() {
				t.Run(o.name, func(t *testing.T) { tryOutage(t, start.run, o) })
			}
		})
	}
}

func tryOutage(t *testing.T, start func(testing.TB, *system) *front, o outage) {
	w := newSystem(t)
	f := start(t, w)
	good := bearing(w.token())
	deadline := time.Now().Add(e2e.Timeout)
	for g := f.get(t, "/", good); g.StatusCode != http.StatusOK; g = f.get(t, "/", good) {
		if time.Now().After(deadline) {
			t.Fatal(g.Status) // on a busy machine a request may exceed the short limits
		}
	}
	o.begin(t, w)
	before := w.app.count()
	fresh := bearing(w.token(claim("x", 1))) // no program can have an answer about this token
	if g := f.get(t, "/", fresh); g.StatusCode/100 != 5 || w.app.count() != before {
		t.Errorf("%s, and the application was reached %d times", g.Status, w.app.count()-before)
	}
	if g := f.get(t, "/login"); g.StatusCode != http.StatusOK {
		t.Error("the login page is closed too:", g.Status)
	}
}

// This test has the time limits of the shipped recipes. Without these limits HAProxy takes 40 s, and nginx and Caddy a
// minute and more, which is longer than the test's timeout.
func TestTheShippedWaitsEnd(t *testing.T) {
	t.Parallel()
	eachFront(t, func(t *testing.T, f *front) {
		good := bearing(f.w.token())
		f.w.http.Freeze(t)
		if g := f.get(t, "/", good); g.StatusCode != http.StatusServiceUnavailable {
			t.Error(g.Status)
		}
	})
}
