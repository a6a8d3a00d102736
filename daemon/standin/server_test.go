package standin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestRunEndsHangingAnswers(t *testing.T) {
	s := New(Options{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener) }()
	s.Inject(Me, Fault{Kind: Hang})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	done := make(chan error, 1)
	go func() {
		response, err := client.Get("http://" + listener.Addr().String() + mePath)
		if err == nil {
			response.Body.Close()
			err = errors.New("an answer in spite of the hang")
		} else {
			err = nil
		}
		done <- err
	}()
	if err := s.AwaitCalls(t.Context(), Me, 1); err != nil {
		t.Fatal(err)
	}
	if s.BaseURL() != "http://"+listener.Addr().String() {
		t.Errorf("base URL %q", s.BaseURL())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRunReportsABrokenListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := New(Options{}).Run(t.Context(), listener); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(Options{}).AwaitCalls(ctx, Me, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestRequestBodiesAreBounded(t *testing.T) {
	s := serve(t, Options{})
	body := `{"email":"` + strings.Repeat("a", maxRequestBody) + `"}`
	if got := s.do(t, http.MethodPost, "/_standin/users", body); got.status != http.StatusBadRequest {
		t.Errorf("status %d", got.status)
	}
}

func TestLastHeaderIsACopy(t *testing.T) {
	s := serve(t, Options{})
	if s.LastHeader(Me) != nil {
		t.Error("a header before the first call")
	}
	s.get(t, mePath, "User-Agent", "test/1")
	s.LastHeader(Me).Set("User-Agent", "changed")
	if got := s.LastHeader(Me).Get("User-Agent"); got != "test/1" {
		t.Errorf("%q", got)
	}
}
