package client_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestAskRefusesWhatOnlyTheClientMaySend: after WATCH and QUIT a connection
// answers no other question, and a lookup has its own method. Nothing is sent.
func TestAskRefusesWhatOnlyTheClientMaySend(t *testing.T) {
	c := client.Client{Dial: func(context.Context) (net.Conn, error) {
		t.Error("it connects")
		return nil, errors.New("no daemon")
	}}
	for verb, says := range map[protocol.Verb]string{
		protocol.VERIFY:  "use Verify or Profile",
		protocol.PROFILE: "use Verify or Profile",
		protocol.WATCH:   "Ask does not send WATCH",
		protocol.SEEN:    "Ask does not send SEEN",
		protocol.QUIT:    "Ask does not send QUIT",
	} {
		if _, err := c.Ask(t.Context(), verb); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// TestARequestThatIsTooLongSaysWhatToShorten, whether its arguments or the name
// of the project make it so long.
func TestARequestThatIsTooLongSaysWhatToShorten(t *testing.T) {
	c := replying(func(*protocol.Request) string { return "OK" }).client(1)
	defer c.Close()
	long := strings.Repeat("x", protocol.MaxRequestLine)
	_, ofAsk := c.Ask(t.Context(), protocol.EXPLAIN, long)
	ofLookup := c.Verify(t.Context(), "a.b.c", client.WithProject(long)).(client.Unknown).Err
	for what, err := range map[string]error{"argument": ofAsk, "project": ofLookup} {
		if !errors.Is(err, protocol.ErrLineTooLong) || !strings.Contains(err.Error(), "shorten its arguments or the name of the project") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := c.Ask(t.Context(), protocol.EXPLAIN, "a.b.c"); err != nil {
		t.Errorf("the next request: %v", err)
	}
}
