package webhooks_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
	"github.com/neonauthd/neonauthd/internal/webhook"
)

// recipe returns the block in this language from the guide's chapter, with
// replacements (old, new, old, new).
func recipe(t *testing.T, language string, replace ...string) string {
	t.Helper()
	_, chapter, _ := strings.Cut(readFile(t, "../../../docs/operating.md"), "\n## Webhooks\n")
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	found := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(chapter, -1)
	if len(found) != 1 {
		t.Fatalf("the chapter has %d blocks in %s", len(found), language)
	}
	text := found[0][1]
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("the block in %s has no %q to replace", language, replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	return text
}

const hooksSocket = "/run/neonauth-http-hooks/hooks.sock"

// TestTheGuidesRecipesHandDeliveriesOn, and nothing else. It runs real web
// servers with the lines of the guide.
func TestTheGuidesRecipesHandDeliveriesOn(t *testing.T) {
	for name, c := range map[string]struct {
		debian string
		config func(t *testing.T, f *e2e.Folder, socket, address string) []string // writes the configuration and returns the program's arguments
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
`, user, f.Dir, address, recipe(t, "nginx", hooksSocket, socket)))
			return []string{"-p", f.Dir, "-e", "stderr", "-c", f.Path("nginx.conf")}
		}},
		"caddy": {"caddy", func(t *testing.T, f *e2e.Folder, socket, address string) []string {
			f.Write(t, "Caddyfile", "{\n\tadmin off\n}\nhttp://"+address+" {\n"+recipe(t, "caddy", hooksSocket, socket)+"\nrespond 404\n}\n")
			return []string{"run", "--adapter", "caddyfile", "--config", f.Path("Caddyfile")}
		}},
		"haproxy": {"haproxy", func(t *testing.T, f *e2e.Folder, socket, address string) []string {
			text := strings.Replace(recipe(t, "haproxy", hooksSocket, socket), "frontend site\n", "frontend site\n    bind "+address+"\n    http-request return status 404 unless { path /hooks/main }\n", 1)
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
			address := ports.Address(t)
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
			// A delivery that is nearly as large as allowed.
			_, bob := h.User("Bob")
			h.SetProfile(bob, "server_metadata", strings.Repeat("x", webhook.MaxBody-4096))
			deliver(t, h.Upstream, "http://"+address+"/hooks/main", "user.updated", bob, http.StatusNoContent)
		})
	}
}

// TestWhatTheGuideTriesWorks unchanged, except for ports and folder.
func TestWhatTheGuideTriesWorks(t *testing.T) {
	for _, name := range []string{"bash", "curl"} {
		need.Program(t, name, name)
	}
	f := e2e.NewFolder(t)
	upstream, hooks := ports.Address(t), ports.Address(t)
	path := "PATH=" + filepath.Dir(e2e.Program("neonauthd")) + ":" + os.Getenv("PATH")
	cmd := exec.Command(e2e.Program("neonauthd"), "standin", "--daemon", "--dir", f.Dir, "--listen", upstream)
	cmd.Env = e2e.Environment(path)
	demo := e2e.Start(t, f.Dir, cmd)
	demo.AwaitListening(t, "unix", f.Path("neonauthd.sock"))
	ctx, cancel := context.WithTimeout(t.Context(), e2e.Timeout)
	defer cancel()
	try := exec.CommandContext(ctx, "bash", "-c", recipe(t, "bash", "/tmp/auth", f.Dir, "127.0.0.1:4182", hooks, "127.0.0.1:4000", upstream,
		"curl -d @bob-deleted.json", "sed s/127.0.0.1:4182/"+hooks+"/ bob-deleted.json | curl -d @-", "sleep 1", "until curl -s -o status http://"+hooks+"; do sleep 0.1; done"))
	try.Env = e2e.Environment(path)
	out, _ := try.CombinedOutput() // the exit status is that of kill
	if said := string(out); !strings.Contains(said, `{"status":204}`) || !strings.Contains(said, "rejected: revoked") {
		t.Errorf("it says:\n%s", said)
	}
}
