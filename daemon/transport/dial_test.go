package transport

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
)

func TestAddressesOfPrivateNetworks(t *testing.T) {
	for address, is := range map[string][2]bool{ // loopback, private
		"127.0.0.1": {true, true}, "127.9.9.9": {true, true}, "::1": {true, true},
		"10.0.0.1": {false, true}, "10.255.255.255": {false, true}, "172.16.0.1": {false, true}, "172.31.255.255": {false, true},
		"192.168.0.1": {false, true}, "fc00::1": {false, true}, "fdff::1": {false, true},
		"9.255.255.255": {}, "11.0.0.0": {}, "172.15.255.255": {}, "172.32.0.0": {}, "192.167.255.255": {}, "192.169.0.0": {}, "8.8.8.8": {},
		"100.64.0.1": {}, "169.254.169.254": {}, "fe80::1": {}, "2001:db8::1": {}, "0.0.0.0": {}, "::": {}, "255.255.255.255": {}, "224.0.0.1": {},
		"192.0.2.1": {}, "64:ff9b::a00:1": {},
	} {
		at := netip.MustParseAddr(address)
		if loopback, private := loopbackOnly(at) == nil, privateOnly(at) == nil; loopback != is[0] || private != is[1] {
			t.Errorf("%s: loopback %v, private %v", address, loopback, private)
		}
	}
}

// dns answers every question for an IPv4 address with the next of answers, and then always
// with the last: so a name can lead to another address when it is looked up again.
func dns(t *testing.T, answers ...string) *net.Resolver {
	t.Helper()
	ours, theirs := make(chan net.Conn, 8), make(chan struct{})
	go func() {
		defer close(theirs)
		for conn := range ours {
			answers = answer(conn, answers)
		}
	}()
	t.Cleanup(func() { close(ours); <-theirs })
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		ours <- there
		return here, nil
	}}
}

// answer answers the questions of one connection, over TCP as far as the resolver can tell.
func answer(conn net.Conn, answers []string) []string {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return answers
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return answers
		}
		end := 12
		for query[end] != 0 {
			end += int(query[end]) + 1
		}
		end += 5
		reply := append([]byte{}, query[:end]...)
		copy(reply[2:12], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
		if kind := binary.BigEndian.Uint16(query[end-4:]); kind == 1 {
			reply[7] = 1
			at := netip.MustParseAddr(answers[0]).As4()
			reply = append(append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), at[:]...)
			if len(answers) > 1 {
				answers = answers[1:]
			}
		}
		binary.BigEndian.PutUint16(size[:], uint16(len(reply)))
		if _, err := conn.Write(append(size[:], reply...)); err != nil {
			return answers
		}
	}
}

// TestWhatANameLeadsToIsSeenWhenItIsConnectedTo, for each connection anew.
func TestWhatANameLeadsToIsSeenWhenItIsConnectedTo(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	d := &dialer{stage: long, resolver: dns(t, "127.0.0.1", "8.8.8.8", "169.254.169.254", "127.0.0.1")}
	for i, want := range []string{"", errNotPrivate.Error(), errNotPrivate.Error(), ""} {
		conn, err := d.plain(true)(t.Context(), "tcp", net.JoinHostPort("keys.example.net", port))
		switch {
		case want == "" && err != nil, want != "" && (err == nil || Phrase(err) != want):
			t.Fatalf("the %d. time: %v", i+1, err)
		case err == nil:
			_ = conn.Close()
		}
	}
	if _, err := d.plain(false)(t.Context(), "tcp", "10.0.0.1:80"); err == nil || Phrase(err) != errNotLoopback.Error() {
		t.Errorf("without insecure_http: %v", err)
	}
	rebound := &dialer{stage: long, resolver: dns(t, "8.8.8.8")}
	if _, err := rebound.secure(t.Context(), "tcp", "LOCALHOST:443"); err != nil && Phrase(err) != errNotLoopback.Error() && Phrase(err) != "connection refused" {
		t.Errorf("localhost: %v", err)
	}
}
