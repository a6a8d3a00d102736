package ports

import (
	"net"
	"testing"
)

func TestAPortIsOneTestsUntilItEnds(t *testing.T) {
	var given string
	t.Run("holds it", func(t *testing.T) {
		given = Free(t)
		if claim(t, given) {
			t.Error("it is given twice")
		}
		ln, err := net.Listen("tcp", "127.0.0.1:"+given)
		if err != nil {
			t.Fatal("nobody listens there, and:", err)
		}
		_ = ln.Close()
		if claim(t, given) {
			t.Error("it is given to another test while its server is down")
		}
	})
	if !claim(t, given) {
		t.Error("it is kept when the test is over")
	}
}

func TestAPortAtWhichSomebodyListensIsNotGiven(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	if claim(t, port) {
		t.Error("it is given")
	}
	_ = ln.Close()
	if !claim(t, port) {
		t.Error("it is not given afterwards")
	}
}
