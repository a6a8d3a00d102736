package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// Talk is a connection of one test on which each line is answered before the next is sent.
// Where that fails, the test ends.
type Talk struct {
	T    testing.TB
	Conn net.Conn
	In   *bufio.Reader
}

// NewTalk returns a Talk on a connection, which the test closes.
func NewTalk(t testing.TB, conn net.Conn) *Talk {
	return &Talk{T: t, Conn: conn, In: bufio.NewReaderSize(conn, 64<<10)}
}

// Send writes text as it is.
func (k *Talk) Send(text string) {
	k.T.Helper()
	if _, err := io.WriteString(k.Conn, text); err != nil {
		k.T.Fatalf("send: %v", err)
	}
}

// Receive reads one line.
func (k *Talk) Receive() string {
	k.T.Helper()
	text, err := k.In.ReadString('\n')
	if err != nil {
		k.T.Fatalf("receive: %v", err)
	}
	return strings.TrimSuffix(text, "\n")
}

// Ask sends one line and returns its reply.
func (k *Talk) Ask(format string, args ...any) string {
	k.T.Helper()
	k.Send(fmt.Sprintf(format, args...) + "\n")
	return k.Receive()
}
