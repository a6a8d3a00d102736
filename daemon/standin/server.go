package standin

import (
	"context"
	"net"

	"github.com/neonauthd/neonauthd/daemon/standin/serving"
)

// maxRequestBody bounds what is read of a request.
const maxRequestBody = 64 << 10

// Run serves on a listener, which it closes, until ctx ends; then it waits for every connection and
// goroutine it started. Without a base URL it takes one from the listener's address. The error is nil
// when the end of ctx was the reason to stop.
func (s *Standin) Run(ctx context.Context, listener net.Listener) error {
	if s.BaseURL() == "" {
		s.SetBaseURL("http://" + listener.Addr().String())
	}
	defer s.hijacked.Wait()
	return serving.Run(ctx, listener, s)
}
