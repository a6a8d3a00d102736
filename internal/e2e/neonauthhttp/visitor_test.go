package neonauthhttp_test

import (
	"net"
	"net/http"
	"os"
	"slices"
	"testing"
)

// TestTheWebServerSaysWhoItsVisitorIs, whatever the visitor sends. The test
// listens in place of neonauth-http, and notes the header.
func TestTheWebServerSaysWhoItsVisitorIs(t *testing.T) {
	t.Parallel()
	eachFront(t, func(t *testing.T, f *front) {
		f.w.http.Stop(t)
		_ = os.Remove(f.w.path("h.sock")) // the process may have removed it
		ln, err := net.Listen("unix", f.w.path("h.sock"))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"127.0.0.1"}
		if f.network == "unix" {
			want = []string{"unix:"} // on a Unix socket nginx gives this address to every visitor
		}
		told := make(chan []string, 1)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case told <- r.Header["X-Neonauth-Visitor"]:
			default: // the web server has asked again
			}
			w.WriteHeader(http.StatusUnauthorized)
		})}
		go func() { _ = server.Serve(ln) }() // ends with the test
		t.Cleanup(func() { _ = server.Close() })
		for _, sent := range [][]string{nil, {"X-Neonauth-Visitor: 192.0.2.9"}, {"x-neonauth-visitor: 192.0.2.9", "X-Neonauth-Visitor: 192.0.2.8"}, {"X-Forwarded-For: 192.0.2.9"}} {
			f.get(t, "/", append(sent, bearing("a.b.c"))...)
			if got := <-told; !slices.Equal(got, want) {
				t.Errorf("a visitor who sends %q is said to be %q", sent, got)
			}
		}
	})
}
