package neonauthhttp_test

import (
	"bufio"
	"context"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/client/middleware"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

// TestAnMCPClientFindsItsWay: a client of npm's MCP SDK knows only the address of a resource. It finds the document of
// the resource, the authorization server and its metadata, registers itself, gets a token for a user, and is let in.
func TestAnMCPClientFindsItsWay(t *testing.T) {
	t.Parallel()
	need.Time(t, "it installs the MCP SDK")
	node, modules := need.Program(t, "node", "nodejs"), need.Made(t, "../../..", "frameworks")
	address := ports.Address(t)
	w := newSystem(t)
	served := w.serveMCP(t, node, modules, "serve")
	startNginxAt(t, w, "tcp", address, "listen 8080;", "listen "+address+";",
		"?level=claims&require=clean-headers", "?project=mcp&require=clean-headers&require=scope:read", "server 127.0.0.1", "server "+served+"; #")
	resource := w.protect(t, "http://"+address+"/mcp")

	w.walk(t, node, modules, resource)
}

// TestAnMCPClientFindsItsWayThroughAGuard of each language, with only the guard before the MCP server.
func TestAnMCPClientFindsItsWayThroughAGuard(t *testing.T) {
	t.Parallel()
	need.Time(t, "it installs the MCP SDK")
	node, modules := need.Program(t, "node", "nodejs"), need.Made(t, "../../..", "frameworks")
	for language, start := range map[string]func(t *testing.T, w *system, address string){
		"Go": func(t *testing.T, w *system, address string) {
			serveGuarded(t, w, address, w.serveMCP(t, node, modules, "serve"))
		},
		"Node": func(t *testing.T, w *system, address string) {
			w.serveMCP(t, node, modules, "guarded", address, w.BaseURL())
		},
		"Python": func(t *testing.T, w *system, address string) {
			python := need.Program(t, "python3", "python3")
			w.program(t, python, []string{"PYTHONPATH=../../../client/python/src", "PYTHONDONTWRITEBYTECODE=1"},
				"guarded.py", address, w.serveMCP(t, node, modules, "serve"), w.BaseURL())
		},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			w, address := newSystem(t), ports.Address(t)
			resource := w.protect(t, "http://"+address+"/mcp")
			start(t, w, address)
			w.walk(t, node, modules, resource)
		})
	}
}

// serveGuarded puts the guard for Go before an MCP server, and passes the user on to this server.
func serveGuarded(t *testing.T, w *system, address, behind string) {
	t.Helper()
	resource, err := httpauth.NewResource(httpauth.Metadata{
		Resource: "http://" + address + "/mcp", AuthorizationServers: []string{w.BaseURL()}, Scopes: []string{"read", "write"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &client.Client{Socket: w.path("d.sock"), Project: "mcp", Timeout: e2e.Timeout}
	t.Cleanup(func() { _ = c.Close() })
	guard := &middleware.Guard{Client: c, Resource: resource, Require: httpauth.Requirements{Scopes: []string{"read"}}}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: behind})
		answer, _ := middleware.From(r.In.Context())
		r.Out.Header.Set("X-Auth-User-Id", answer.User().ID)
	}}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(guard.Wrap(proxy))
	server.Listener.Close()
	server.Listener = ln
	server.Start()
	t.Cleanup(server.Close)
}

// walk lets in a client that knows the resource's address and has a browser's cookie.
func (w *system) walk(t *testing.T, node, modules, resource string) {
	t.Helper()
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

// serveMCP starts an MCP server. It returns the server's address if the server has chosen it.
func (w *system) serveMCP(t *testing.T, node, modules string, args ...string) string {
	t.Helper()
	return "127.0.0.1:" + w.program(t, node, []string{"FOLDER=" + modules}, append([]string{"mcp.mjs"}, args...)...)
}

// program starts a server that asks the daemon, and returns the line that the server prints when it listens.
func (w *system) program(t *testing.T, path string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = e2e.Environment(append(env, client.SocketVariable+"="+w.path("d.sock"))...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func mcp(t *testing.T, node, modules string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), e2e.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append([]string{"mcp.mjs"}, args...)...)
	cmd.Env = e2e.Environment("FOLDER=" + modules)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}
