// Package daemontest answers a client in place of a daemon.
package daemontest

import (
	"net"

	"github.com/neonauthd/neonauthd/protocol"
)

// Answer answers each line of a connection with the result of answer, until the
// connection ends.
func Answer(nc net.Conn, answer func(*protocol.Request) string) {
	defer nc.Close()
	lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
	for {
		line, err := lines.ReadLine()
		if err != nil {
			return
		}
		var r protocol.Request
		reply := "ERR bad-request"
		if err := protocol.ParseRequest(line, &r); err == nil {
			reply = answer(&r)
		}
		if r.Tag != nil {
			reply = "@" + string(r.Tag) + " " + reply
		}
		if _, err := nc.Write([]byte(reply + "\n")); err != nil {
			return
		}
	}
}
