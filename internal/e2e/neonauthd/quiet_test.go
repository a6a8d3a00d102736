package neonauthd_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestLibrariesAreSilencedBeforeTheyCanWrite: libraries may write during their
// initialisation.
func TestLibrariesAreSilencedBeforeTheyCanWrite(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), e2e.Program("neonauthd"), "--version")
	cmd.Env = e2e.Environment("GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	quiet := strings.Index(string(out), "init github.com/neonauthd/neonauthd/internal/program/quiet ")
	library := strings.Index(string(out), "init github.com/VictoriaMetrics/metrics ")
	if err != nil || quiet < 0 || library < quiet {
		t.Errorf("%v, silenced at %d, the library of metrics at %d of\n%s", err, quiet, library, out)
	}
}

// TestWhatAnUpstreamSendsUnaskedIsNotWritten: the client of net/http would log it.
func TestWhatAnUpstreamSendsUnaskedIsNotWritten(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(e2e.Timeout))
		in := bufio.NewReader(conn)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		const keys = `{"keys":[]}`
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(keys), keys)
		_, _ = conn.Write([]byte("SECRET of somebody"))
		_, _ = in.Peek(1) // the client closes a connection on which it gets data that it has not asked for
	}()
	h := e2e.NewFolder(t)
	i := e2e.Serve(t, h, e2e.Settings{Tables: []string{fmt.Sprintf("[[project]]\nname = \"main\"\npreset = \"neon\"\nbase_url = \"http://%s/neondb/auth\"\n", ln.Addr())}})
	select {
	case <-ended:
	case <-time.After(e2e.Timeout):
		t.Fatal("the daemon does not ask")
	}
	i.Stop(t)
	if said := i.Written(); strings.Contains(said, "SECRET") || strings.Contains(said, "nsolicited") {
		t.Errorf("it repeats what the upstream sent:\n%s", said)
	}
}
