package neonauthhttp_test

import (
	"bufio"
	"context"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestAnMCPClientFindsItsWay: with nothing but the address of a resource a client of npm's MCP SDK finds the document of
// the resource, the authorization server and its metadata, registers itself, gets a token for a user, and comes in.
func TestAnMCPClientFindsItsWay(t *testing.T) {
	t.Parallel()
	need.Time(t, "it installs the MCP SDK")
	node, modules := need.Program(t, "node", "nodejs"), need.Made(t, "../../..", "frameworks")
	address := freeAddress(t)
	w := newSystem(t)
	served := w.serveMCP(t, node, modules)
	startNginxAt(t, w, "tcp", address, "listen 8080;", "listen "+address+";",
		"?level=claims&require=clean-headers", "?project=mcp&require=clean-headers&require=scope:read", "server 127.0.0.1", "server "+served+"; #")
	resource := w.protect(t, "http://"+address+"/mcp")

	session, err := w.SignIn(w.ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	cookie := "__Secure-neon-auth.session_token=" + url.QueryEscape(session.NeonCookie)
	if got := mcp(t, node, modules, "ask", resource, cookie); got != w.ada.ID {
		t.Errorf("the server was asked by %q, expected %s", got, w.ada.ID)
	}
	if keys, tokens := w.Calls(standin.NeonKeys), w.Calls(standin.Access); keys == 0 || tokens != 3 {
		t.Errorf("%d key sets were fetched, and %d calls of the authorization server, expected a registration, a code and a token", keys, tokens)
	}
}

// serveMCP starts an MCP server and returns its address.
func (w *system) serveMCP(t *testing.T, node, modules string) string {
	t.Helper()
	cmd := exec.Command(node, "mcp.mjs", "serve")
	cmd.Env = e2e.Environment("FOLDER=" + modules)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + strings.TrimSpace(port)
}

func mcp(t *testing.T, node, modules string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), e2e.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append([]string{"mcp.mjs"}, args...)...)
	cmd.Env = e2e.Environment("FOLDER=" + modules)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}
