package upstream

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestACallMayTakeItsWholeTime, also if the answer only begins shortly before the end, and not a moment longer.
func TestACallMayTakeItsWholeTime(t *testing.T) {
	const whole = okHead + "Content-Length: 11\r\n\r\n{\"keys\":[]}"
	for name, late := range map[string]string{"header": whole, "interim answer": "HTTP/1.1 103 Early Hints\r\n\r\n" + whole, "body": whole[len(whole)-1:]} {
		for _, ahead := range []time.Duration{DefaultTimeout / 10, time.Millisecond, -time.Millisecond} {
			t.Run(fmt.Sprint("late ", name, " ", ahead), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var all sync.WaitGroup
					config := stackConfig("http://127.0.0.1:1")
					config.Transport.Dial = func(context.Context, string, string) (net.Conn, error) {
						ours, theirs := net.Pipe()
						all.Go(func() {
							defer func() { _ = theirs.Close() }()
							hear(theirs)
							if len(late) < len(whole) {
								_, _ = io.WriteString(theirs, whole[:len(whole)-len(late)])
							}
							time.Sleep(DefaultTimeout - ahead)
							_, _ = io.WriteString(theirs, late)
						})
						return ours, nil
					}
					c := open(t, config)
					began := time.Now()
					_, err := c.Keyset(context.Background(), Validators{})
					took := time.Since(began)
					c.Close()
					all.Wait()
					switch {
					case ahead > 0 && err != nil:
						t.Error(err)
					case ahead < 0:
						if want(t, err, Unavailable, ""); took != DefaultTimeout {
							t.Errorf("took %v", took)
						}
					}
				})
			})
		}
	}
}
