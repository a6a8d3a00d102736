package client_test

import (
	"bytes"
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// slowWatch is a connection on which a line of a watch takes some time to send.
type slowWatch struct{ net.Conn }

const sending = 200 * time.Millisecond

func (w slowWatch) Write(line []byte) (int, error) {
	if bytes.HasPrefix(line, []byte(protocol.WATCH)) || bytes.HasPrefix(line, []byte(protocol.SEEN)) {
		time.Sleep(sending)
	}
	return w.Conn.Write(line)
}

// TestALeaseCountsFromBeforeItsLineIsSent: the daemon counts from when the line has come, and
// the process may have been stopped just after it was sent.
func TestALeaseCountsFromBeforeItsLineIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scribe{ttl: 60}
		c := &client.Client{Dial: func(context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			go s.serve(far)
			return slowWatch{near}, nil
		}}
		begun := time.Now()
		source := func(at time.Duration) client.Source {
			time.Sleep(time.Until(begun.Add(at)))
			a, _ := c.Verify(t.Context(), "a.b.c").(client.Accepted)
			synctest.Wait()
			return a.Source
		}
		const lease, opening, granted = time.Second, time.Millisecond, sending + time.Millisecond
		source(0) // opens the watch
		source(opening + granted)
		for _, asked := range []time.Duration{opening, opening + lease} { // WATCH, and the SEEN of the lookup that found the lease over
			if got := source(asked + granted); got != client.SourceCache {
				t.Errorf("%s after the lease was asked for the answer is from %v", granted, got)
			}
			if got := source(asked + lease); got != client.SourceUpstream {
				t.Errorf("%s after the lease was asked for the answer is from %v", lease, got)
			}
		}
		_ = c.Close()
	})
}
