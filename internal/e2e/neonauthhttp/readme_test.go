package neonauthhttp_test

import (
	"fmt"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

// section returns the indented lines below a heading of an example's README.
func section(t *testing.T, folder, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(recipe(t, folder+"/README.md"), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s/README.md has no %q", folder, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var lines []string
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			lines = append(lines, command)
		}
	}
	if len(lines) == 0 {
		t.Fatalf("%s/README.md has no commands below %q", folder, heading)
	}
	return strings.Join(lines, "")
}

// operator stands for somebody who follows a README, on a machine whose /etc is a folder of the test.
type operator struct {
	w       *system
	root    string // stands for /
	address string // of the web server, instead of 127.0.0.1:8080
}

func newOperator(t *testing.T, w *system) *operator {
	t.Helper()
	o := &operator{w: w, root: w.path("root"), address: ports.Address(t)}
	o.command(t, "systemctl", `echo "systemctl $*" >>`+w.path("done"))
	o.command(t, "usermod", `echo "usermod $*" >>`+w.path("done"))
	o.command(t, "neonauth-http", `exec `+e2e.Program("neonauth-http")+` "$@"`)
	// The edits that the README asks for: addresses, and the path of the socket on this machine.
	o.command(t, "editor", fmt.Sprintf(`echo "editor $*" >>%s
exec sed -i 's#127.0.0.1:3000#%s#; s#listen 8080#listen %s#; s#bind :8080#bind %s#; s#^:8080 {#http://:%s {#; s/^    user haproxy$//; s/^    group neonauth-http$//; s# /etc/haproxy/# %s/etc/haproxy/#' "$1"`,
		w.path("done"), w.app.address(), o.address, o.address, o.address[strings.LastIndexByte(o.address, ':')+1:], o.root))
	return o
}

// command puts a script on the operator's PATH.
func (o *operator) command(t *testing.T, name, script string) {
	t.Helper()
	if err := os.MkdirAll(o.w.path("bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.w.path("bin/"+name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// file puts a file into the operator's /etc.
func (o *operator) file(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(o.root+path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.root+path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// follow runs all commands in a section of a README.
func (o *operator) follow(t *testing.T, folder, heading string) string {
	t.Helper()
	examples, err := filepath.Abs("../../../examples")
	if err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer("/usr/share/doc/neonauthd/examples", examples, " /etc/", " "+o.root+"/etc/", "127.0.0.1:8080", o.address).Replace(section(t, folder, heading))
	cmd := exec.Command("sh", "-e", "-c", script)
	cmd.Dir = o.w.dir
	cmd.Env = append(e2e.Environment(), "PATH="+o.w.path("bin")+":"+os.Getenv("PATH")+":/usr/sbin:/sbin", "HOME="+o.w.dir, "TOKEN="+o.w.token())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s/README.md, %s: %v\n%s", folder, heading, err, out)
	}
	return string(out)
}

// did returns the commands that changed more than files, in order.
func (o *operator) did(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(o.w.path("done"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), o.root, "")), "\n")
}

// An operator who follows an example's README has a site that works: no step is missing, and each step does what it is
// for.
func TestWhoFollowsAREADMEHasASite(t *testing.T) {
	t.Parallel()
	need.Program(t, "curl", "curl")
	for _, test := range []struct {
		folder string
		before func(t *testing.T, o *operator)
		start  func(t *testing.T, o *operator) *e2e.Process
		did    []string
	}{
		{"nginx", beforeNginx, startNginxOf, []string{"usermod -aG neonauth-http www-data", "editor /etc/nginx/conf.d/neonauth-site.conf", "systemctl restart nginx"}},
		{"caddy", func(t *testing.T, o *operator) { o.file(t, "/etc/caddy/Caddyfile", ":80\n") }, startCaddyOf,
			[]string{"usermod -aG neonauth-http caddy", "editor /etc/caddy/Caddyfile", "systemctl restart caddy"}},
		{"haproxy", func(t *testing.T, o *operator) { o.file(t, "/etc/haproxy/haproxy.cfg", "global\n") }, startHAProxyOf,
			[]string{"editor /etc/haproxy/haproxy.cfg", "systemctl restart haproxy"}},
	} {
		t.Run(test.folder, func(t *testing.T) {
			t.Parallel()
			w := newSystem(t)
			o := newOperator(t, w)
			test.before(t, o)
			o.follow(t, test.folder, "Steps")
			if did := o.did(t); !slices.Equal(did, append([]string{"systemctl enable --now neonauth-http"}, test.did...)) {
				t.Errorf("beside files: %q", did)
			}
			p := test.start(t, o)
			p.AwaitListening(t, "tcp", o.address)
			var got []string
			for _, found := range regexp.MustCompile(`(?m)^HTTP/1.1 (\d+)`).FindAllStringSubmatch(o.follow(t, test.folder, "Try it"), -1) {
				got = append(got, found[1])
			}
			if want := []string{"401", "200", "200"}; !slices.Equal(got, want) {
				t.Errorf("the requests of the README are answered %q, want %q", got, want)
			}
		})
	}
}

// beforeNginx lays out nginx's /etc as the Debian package does.
func beforeNginx(t *testing.T, o *operator) {
	t.Helper()
	main := fmt.Sprintf(`worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
    include %[2]s/etc/nginx/conf.d/*.conf;
    include %[2]s/etc/nginx/sites-enabled/*;
}
`, o.w.dir, o.root)
	if os.Geteuid() == 0 {
		main = "user root;\n" + main
	}
	o.file(t, "/etc/nginx/nginx.conf", main)
	o.file(t, "/etc/nginx/conf.d/other.conf", "")
	o.file(t, "/etc/nginx/sites-enabled/default", "server { listen 127.0.0.1:1; root /var/www/html; location / { try_files $uri =404; } }\n")
	o.command(t, "nginx", "exec "+installed(t, "nginx")+" -c "+o.root+`/etc/nginx/nginx.conf -e stderr "$@"`)
}

func startNginxOf(t *testing.T, o *operator) *e2e.Process {
	t.Helper()
	o.move(t, "/etc/nginx/neonauth/neonauth-http.conf")
	if err := os.Remove(o.root + "/etc/nginx/sites-enabled/default"); err != nil {
		t.Fatal(err) // its port does not belong to the test
	}
	return launchForeign(t, o.w.dir, installed(t, "nginx"), nil, "-c", o.root+"/etc/nginx/nginx.conf", "-e", "stderr", "-g", "daemon off;")
}

func startCaddyOf(t *testing.T, o *operator) *e2e.Process {
	t.Helper()
	o.move(t, "/etc/caddy/Caddyfile")
	text, err := os.ReadFile(o.root + "/etc/caddy/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	o.file(t, "/etc/caddy/Caddyfile", "{\n\tadmin off\n}\n"+string(text))
	return launchForeign(t, o.w.dir, installed(t, "caddy"), []string{"XDG_DATA_HOME=" + o.w.dir, "XDG_CONFIG_HOME=" + o.w.dir, "HOME=" + o.w.dir},
		"run", "--adapter", "caddyfile", "--config", o.root+"/etc/caddy/Caddyfile")
}

func startHAProxyOf(t *testing.T, o *operator) *e2e.Process {
	t.Helper()
	o.move(t, "/etc/haproxy/neonauth.lua")
	return launchForeign(t, o.w.dir, installed(t, "haproxy"), nil, "-db", "-f", o.root+"/etc/haproxy/haproxy.cfg")
}

// move replaces the service's socket by this machine's socket in a file.
func (o *operator) move(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(o.root + path)
	if err != nil {
		t.Fatal(err)
	}
	const socket = "/run/neonauth-http/http.sock"
	if !strings.Contains(string(text), socket) {
		t.Fatalf("%s has no %s", path, socket)
	}
	o.file(t, path, strings.ReplaceAll(string(text), socket, o.w.path("h.sock")))
}

// The group gives access to the socket, as the READMEs say: for nginx a group of its user, for HAProxy the group in its
// configuration and no other.
func TestWebServersOpenTheSocketByItsGroup(t *testing.T) {
	t.Parallel()
	need.Root(t, "processes change their user, and see another /etc/group")
	need.Host(t, exec.Command("unshare", "--mount", "true").Run() == nil, "no mount namespaces here")
	const gid = 64321
	for _, test := range []struct {
		name, user, member, group string
		status                    int
		start                     func(t *testing.T, w *system, groups, user, group string) *front
	}{
		{"nginx in the group", "www-data", "www-data", "", 200, startNginxAs},
		{"nginx outside", "www-data", "", "", 503, startNginxAs},
		{"HAProxy as the recipe has it", "haproxy", "", "neonauth-http", 200, startHAProxyAs},
		{"HAProxy in the group by its user", "haproxy", "haproxy", "haproxy", 503, startHAProxyAs},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := osuser.Lookup(test.user); err != nil {
				need.Host(t, false, "no user "+test.user)
			}
			w := newSystem(t)
			before, err := os.ReadFile("/etc/group")
			if err != nil {
				t.Fatal(err)
			}
			groups := w.write(t, "group", string(before)+"neonauth-http:x:"+strconv.Itoa(gid)+":"+test.member+"\n")
			// As systemd makes the socket: it belongs to root and to the group.
			for _, change := range []error{os.Chmod(w.dir, 0o755), os.Chmod(groups, 0o644), os.Chown(w.path("h.sock"), 0, gid), os.Chmod(w.path("h.sock"), 0o660)} {
				if change != nil {
					t.Fatal(change)
				}
			}
			f := test.start(t, w, groups, test.user, test.group)
			if g := f.get(t, "/", bearing(w.token())); g.StatusCode != test.status {
				t.Errorf("%s, want %d\n%s", g.Status, test.status, f.Written())
			}
		})
	}
}

// withGroups runs a program for which a file takes the place of /etc/group.
func withGroups(t *testing.T, w *system, groups, program string, args ...string) *e2e.Process {
	t.Helper()
	p := launch(t, w.dir, "/usr/bin/unshare", nil, append([]string{
		"--mount", "sh", "-c", `mount --bind "$1" /etc/group && shift && exec "$@"`, "sh", groups, program,
	}, args...)...)
	p.Rough = true
	return p
}

func startNginxAs(t *testing.T, w *system, groups, user, _ string) *front {
	t.Helper()
	address := ports.Address(t)
	layNginx(t, w, "listen 8080;", "listen "+address+";")
	conf := w.write(t, "nginx.conf", fmt.Sprintf(`user %s; daemon off; pid %[2]s/nginx.pid; error_log stderr info; events { worker_connections 64; }
http { access_log off; include site.conf;
client_body_temp_path %[2]s/t1; proxy_temp_path %[2]s/t2; fastcgi_temp_path %[2]s/t3; uwsgi_temp_path %[2]s/t4; scgi_temp_path %[2]s/t5; }
`, user, w.dir))
	p := withGroups(t, w, groups, installed(t, "nginx"), "-p", w.dir, "-e", "stderr", "-c", conf)
	p.AwaitListening(t, "tcp", address)
	return &front{p, w, "tcp", address}
}

func startHAProxyAs(t *testing.T, w *system, groups, user, group string) *front {
	t.Helper()
	address := ports.Address(t)
	lua := w.write(t, "neonauth.lua", recipe(t, "haproxy/neonauth.lua", "/run/neonauth-http/http.sock", w.path("h.sock")))
	config := w.write(t, "haproxy.cfg", recipe(t, "haproxy/haproxy.cfg", "#user haproxy", "user "+user, "#group neonauth-http", "group "+group,
		"/etc/haproxy/neonauth.lua", lua, "bind :8080", "bind "+address, "127.0.0.1:3000", w.app.address()))
	p := withGroups(t, w, groups, installed(t, "haproxy"), "-db", "-f", config)
	p.AwaitListening(t, "tcp", address)
	return &front{p, w, "tcp", address}
}

// The examples that are not run here refer to files that exist, and name what the recipes need.
func TestTheOtherREADMEsLeadSomewhere(t *testing.T) {
	t.Parallel()
	for folder, want := range map[string][]string{
		"traefik": {"systemctl enable --now neonauth-http", "neonauth-http.socket.conf", "dynamic.yaml"},
		"envoy":   {"systemctl enable --now neonauth-http", "usermod -aG neonauth-http envoy", "envoy.yaml"},
	} {
		steps := section(t, folder, "Steps")
		for _, word := range want {
			if !strings.Contains(steps, word) {
				t.Errorf("%s/README.md does not say %q", folder, word)
			}
			if filepath.Ext(word) != "" && !strings.Contains(word, " ") {
				recipe(t, folder+"/"+word)
			}
		}
	}
	listen := regexp.MustCompile(`(?m)^ListenStream=(\S+)$`).FindStringSubmatch(recipe(t, "traefik/neonauth-http.socket.conf"))
	if listen == nil || !strings.Contains(recipe(t, "traefik/dynamic.yaml"), "http://"+listen[1]+"/traefik?") {
		t.Errorf("the socket is at %v, and Traefik asks elsewhere", listen)
	}
}
