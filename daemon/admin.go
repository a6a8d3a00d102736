package daemon

import "github.com/neonauthd/neonauthd/protocol"

// admin answers the verbs of the admin socket.
type admin struct{ daemon *Daemon }

func (a *admin) answer(verb protocol.Verb, r *protocol.Request) protocol.Reply {
	return protocol.Reply{}
}
