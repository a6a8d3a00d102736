package hooks

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/connlimit"
	"github.com/neonauthd/neonauthd/internal/webhook"
)

// testTimeout is the time limit for what certainly happens, also on a slow machine.
const testTimeout = time.Minute

// serve serves a testService on a TCP socket until the end of the test and returns its
// address.
func (s *testService) serve(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln, nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// post delivers a body over a connection of its own.
func post(t *testing.T, address, text string, chunked bool) (int, error) {
	t.Helper()
	r := signed(t, http.NoBody, text)
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	var body io.Reader = strings.NewReader(text)
	if chunked {
		body = io.MultiReader(body) // of this reader net/http does not know the length
	}
	out, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+r.URL.Path, body)
	if err != nil {
		t.Fatal(err)
	}
	out.Header = r.Header
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(out)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return res.StatusCode, nil
}

// strangers opens number connections. Each sends the text and then nothing more, until
// the end of the test, and connects again at once if it is closed. The function returns
// when all have sent the text and closed of them have been closed.
func strangers(t *testing.T, address string, number int, text string, closed int) {
	t.Helper()
	ends := make(chan struct{}, number)
	ctx, stop := context.WithCancel(context.Background())
	var all, sent sync.WaitGroup
	t.Cleanup(func() { stop(); all.Wait() })
	once := func(sent func()) {
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			sent()
			return
		}
		defer nc.Close()
		defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
		_, _ = io.WriteString(nc, text)
		sent()
		_, _ = io.Copy(io.Discard, nc)
	}
	for range number {
		sent.Add(1)
		all.Go(func() {
			once(sent.Done)
			ends <- struct{}{}
			for ctx.Err() == nil {
				once(func() {})
			}
		})
	}
	sent.Wait()
	for range closed {
		<-ends
	}
}

// head returns the head of a delivery that looks right; length is the header that says
// how long the body is.
func head(t *testing.T, length string) string {
	t.Helper()
	var text bytes.Buffer
	fmt.Fprintf(&text, "POST /hooks/main HTTP/1.1\r\nHost: x\r\n%s\r\n", length)
	_ = signed(t, http.NoBody, "").Header.Write(&text) // to a buffer
	return text.String() + "\r\n"
}

// TestSlowStrangersKeepNoDeliveryOut. Strangers do not know the secret, but that shows
// only when a body is complete, and their bodies never are. Strangers whose connection is
// closed connect again at once.
func TestSlowStrangersKeepNoDeliveryOut(t *testing.T) {
	t.Parallel()
	const large = 350 << 10 // as Svix carries it
	maximum := fmt.Sprintf("Content-Length: %d", webhook.MaxBody)
	for name, c := range map[string]struct {
		number int
		text   string
		closed int
	}{
		"no connection says anything": {number: MaxConns + 50, closed: 50},
		"heads do not end":            {number: MaxConns + 50, closed: 50, text: head(t, maximum)[:100]},
		"bodies do not come":          {number: MaxConns + 50, closed: 50, text: head(t, maximum)},
		"bodies in parts do not come": {number: 100, text: head(t, "Transfer-Encoding: chunked")},
		"bodies begin and stop":       {number: 60, closed: 60 - maxLarge, text: head(t, maximum) + strings.Repeat("x", small+small/2)},
		"bodies in parts begin and stop": {
			number: 60, closed: 60 - maxLarge, text: head(t, "Transfer-Encoding: chunked") + "40000\r\n" + strings.Repeat("x", small+small/2),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestService(t, does)
			address := s.serve(t)
			strangers(t, address, c.number, c.text, c.closed)
			var all sync.WaitGroup
			defer all.Wait()
			for n := range 9 {
				all.Go(func() {
					length := []int{1 << 10, large, webhook.MaxBody}[n%3]
					began := time.Now()
					status, err := post(t, address, updated(length), n%2 == 1)
					for again := 0; status != http.StatusNoContent && again < 2 && time.Since(began) > connlimit.Lead; again++ {
						// Only on a busy machine a delivery takes so long that it is behind the pace. Then its sender tries again.
						status, err = post(t, address, updated(length), n%2 == 1)
					}
					if err != nil || status != http.StatusNoContent {
						t.Errorf("delivery %d, of %d bytes: %d %v", n+1, length, status, err)
					}
				})
			}
		})
	}
}
