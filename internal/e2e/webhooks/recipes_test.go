package webhooks_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/webhook"
)

// recipe is the guide's block in a language, with the socket of a test in it.
func recipe(t *testing.T, language, socket string) string {
	t.Helper()
	const place = "/run/neonauth-http-hooks/hooks.sock"
	found := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(readFile(t, "../../../docs/operating.md"), -1)
	if len(found) != 1 || !strings.Contains(found[0][1], place) {
		t.Fatalf("the guide has %d recipes for %s, or another socket", len(found), language)
	}
	return strings.ReplaceAll(found[0][1], place, socket)
}

// TestTheGuidesRecipesHandDeliveriesOn, and nothing else: real web servers, with
// the lines of the guide.
func TestTheGuidesRecipesHandDeliveriesOn(t *testing.T) {
	for name, c := range map[string]struct {
		debian string
		config func(t *testing.T, f *e2e.Folder, socket, address string) []string // writes it, and returns the arguments
	}{
		"nginx": {"nginx-light", func(t *testing.T, f *e2e.Folder, socket, address string) []string {
			user := ""
			if os.Geteuid() == 0 {
				user = "user root;"
			}
			f.Write(t, "nginx.conf", fmt.Sprintf(`%s daemon off; pid %[2]s/nginx.pid; events {}
http {
    access_log off;
    client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fcgi; uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
    server { listen %s;
%s
    }
}
`, user, f.Dir, address, recipe(t, "nginx", socket)))
			return []string{"-p", f.Dir, "-e", "stderr", "-c", f.Path("nginx.conf")}
		}},
		"caddy": {"caddy", func(t *testing.T, f *e2e.Folder, socket, address string) []string {
			f.Write(t, "Caddyfile", "{\n\tadmin off\n}\nhttp://"+address+" {\n"+recipe(t, "caddy", socket)+"\nrespond 404\n}\n")
			return []string{"run", "--adapter", "caddyfile", "--config", f.Path("Caddyfile")}
		}},
		"haproxy": {"haproxy", func(t *testing.T, f *e2e.Folder, socket, address string) []string {
			text := strings.Replace(recipe(t, "haproxy", socket), "frontend site\n", "frontend site\n    bind "+address+"\n    http-request return status 404 unless { path /hooks/main }\n", 1)
			f.Write(t, "haproxy.cfg", "defaults\n    mode http\n    timeout client 20s\n    timeout connect 5s\n    timeout server 20s\n\n"+text)
			return []string{"-db", "-f", f.Path("haproxy.cfg")}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			program := need.Program(t, name, c.debian)
			h := newHost(t)
			h.taker.Stop(t)
			socket := h.Path("run/h.sock")
			h.taker = takeAt(t, h.Folder, "unix:"+socket)
			address := freeAddress(t)
			cmd := exec.Command(program, c.config(t, h.Folder, socket, address)...)
			cmd.Dir, cmd.Env = h.Dir, e2e.Environment("HOME="+h.Dir, "XDG_CONFIG_HOME="+h.Dir, "XDG_DATA_HOME="+h.Dir)
			front := e2e.Start(t, h.Dir, cmd)
			front.Rough = true
			front.AwaitListening(t, "tcp", address)
			token, ada := h.User("Ada")
			deliver(t, h.Upstream, "http://"+address+"/hooks/main", "user.deleted", ada, http.StatusNoContent)
			e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, `NO revoked`)
			for _, path := range []string{"/metrics", "/healthz", "/hooks/other", "/hooks/", "/"} {
				if status, _ := post(t, "http://"+address+path, nil, "{}"); status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
					t.Errorf("%s: %d", path, status)
				}
			}
			h.taker.counted(t, `neonauth_hooks_deliveries_total{project="",event="unread",result="no-project"} 0`)
			// Nearly as large as can be.
			_, bob := h.User("Bob")
			h.SetProfile(bob, "server_metadata", strings.Repeat("x", webhook.MaxBody-4096))
			deliver(t, h.Upstream, "http://"+address+"/hooks/main", "user.updated", bob, http.StatusNoContent)
		})
	}
}

// freeAddress is one of loopback where nobody listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
