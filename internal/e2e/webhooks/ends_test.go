package webhooks_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestADeliveryUnderWayIsAnsweredAtTheEnd: stopping the program loses no
// delivery.
func TestADeliveryUnderWayIsAnsweredAtTheEnd(t *testing.T) {
	h := newHost(t)
	token, ada := h.User("Ada")
	h.daemon.Freeze(t)
	statuses := make(chan int, 1)
	go func() {
		status, _ := h.Deliver(t.Context(), standin.Webhook{URL: h.taker.url, Secret: secret, Event: "user.deleted", User: ada})
		statuses <- status
	}()
	awaitDelivery(t, h)
	h.taker.Signal(t, syscall.SIGTERM)
	h.taker.Await(t, "STOPPING=1")
	if err := h.daemon.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if status := <-statuses; status != http.StatusNoContent {
		t.Errorf("status %d", status)
	}
	if code := h.taker.AwaitEnd(t); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, `NO revoked`)
}

// awaitDelivery waits until a delivery is in progress.
func awaitDelivery(t testing.TB, h *host) {
	t.Helper()
	deadline := time.Now().Add(e2e.Timeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		_, page := h.taker.ask(t, "/metrics")
		if strings.Contains(page, "neonauth_hooks_in_flight 1\n") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no delivery is under way:\n%s", page)
		}
	}
}

// TestABodyThatDoesNotComeIsGivenUp before the sender itself gives up.
func TestABodyThatDoesNotComeIsGivenUp(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(h.taker.url, "http://"), "/hooks/main"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(e2e.Timeout)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /hooks/main HTTP/1.1\r\nHost: x\r\nSvix-Id: m\r\nSvix-Timestamp: %d\r\nSvix-Signature: v1,x\r\nContent-Length: 100\r\n\r\nnot all", time.Now().Unix())
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(text), "the body did not come") {
		t.Errorf("%d %s", answer.StatusCode, text)
	}
	h.taker.counted(t, delivered("unread", "unread", 1))
}
