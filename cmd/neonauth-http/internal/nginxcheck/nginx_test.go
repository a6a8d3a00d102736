package nginxcheck

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

const testTimeout = 30 * time.Second

// startNginx runs nginx with conf inside its http block, and returns when every socket of conf can be reached.
func startNginx(t *testing.T, dir, conf string) {
	t.Helper()
	path := need.Program(t, "nginx", "nginx-light")
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	file := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`%s daemon off; pid %[2]s/pid; error_log stderr; events { worker_connections 64; }
http {
access_log off; root %[2]s/none;
client_body_temp_path %[2]s/t1; proxy_temp_path %[2]s/t2; fastcgi_temp_path %[2]s/t3; uwsgi_temp_path %[2]s/t4; scgi_temp_path %[2]s/t5;
%[3]s
}
`, user, dir, conf)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-e", "stderr", "-c", file)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
	})
	sockets, deadline := strings.Count(conf, "listen unix:"), time.Now().Add(testTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := 0; i < sockets; {
		conn, err := net.Dial("unix", filepath.Join(dir, fmt.Sprintf("%d.sock", i)))
		if err == nil {
			conn.Close()
			i++
			continue
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("nginx ended: %v\n%s", err, out.String())
		case <-tick.C:
			if time.Now().After(deadline) {
				t.Fatal("nginx does not listen: ", out.String())
			}
		}
	}
}

// ask sends a request line and headers to nginx, and returns what it answers.
func ask(t *testing.T, socket string, r *request) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	text := r.method + " " + r.target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	for name, value := range r.header {
		text += strings.ReplaceAll(name, "_", "-") + ": " + value + "\r\n"
	}
	if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", r.target, err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(all)
}

// targets returns paths that programs read differently.
func targets() []string {
	all := []string{
		"/", "/x", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/A", "/A/B", "/ab", "/a.b", "/a.php", "/a/x.php", "/b/x.php", "/b", "/b/", "/b/c/x.png", "/c", "/c/", "/c/d", "/d", "/d/e/f",
		"/%61", "/%61/b", "/%41/b", "/a%2fb", "/a%2Fb", "/a//b", "//a/b", "/a/./b", "/a/../b", "/a/..", "/a/.", "/x/../a/b", "/x/%2e%2e/a", "/x%2f..%2fa", "/..", "/a/../..", "/%2e%2e/a",
		"/%2561/b", "/a;/b", "/;/a", "/a%3bx", "/a%20", "/a.", "/a%0a", "/a#b", "/a%23b", "/a?b", "/a%3fb", "/a%00", "/a%", "/a%zz", "/a%c3%a9", `/\a`, `/x\..\a`, "/a+b", "/a/...", "/a/.b",
	}
	for _, path := range []string{"/a", "/a/b", "/b/x"} {
		all = append(all, respelt(path, "")...)
	}
	return all
}

// The check chooses the location that nginx chooses.
func TestLocationsAreChosenAsNginxChoosesThem(t *testing.T) {
	t.Parallel()
	layouts := [][]string{
		{"/"},
		{"/", "/a"},
		{"/", "/a/"},
		{"/", "/a", "/a/"},
		{"/", "= /a", "/a/"},
		{"= /", "/a/b", "/a"},
		{"/", "^~ /a", "~ ^/a/b"},
		{"/", "/a", "~ ^/a/b", "~* ^/A"},
		{"/", `~* "^/a([^a-z0-9_-]|$)"`, `~ \.php$`},
		{"/", `~ \.php$`, `~* "^/a([^a-z0-9_-]|$)"`},
		{"/", `~ \.(php|png)$`, "/b/", "^~ /b/c/", "= /a.php"},
		{"/a", "/b"},
		{`~ "^/(a|b)$"`, "/c/", "=/c", "^~/d/e"},
		{"/ { location /a/b { MARK } location = /a { MARK } MARK }", "/a/c"},
		{"/a { location ~ b$ { MARK } location /a/b/ { MARK } MARK }", "~ c$"},
		{"/a { location = /a/b { MARK } MARK }", "~ ^/a"},
		{"~ ^/a { location ~ b { MARK } MARK }", "/"},
	}
	dir, err := os.MkdirTemp("", "nc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conf, marks := "", 0
	mark := func(text string) string {
		for strings.Contains(text, "MARK") {
			marks++
			text = strings.Replace(text, "MARK", fmt.Sprintf("add_header X-Mark %[1]d; proxy_pass http://unix:%[2]s/mark.sock; proxy_set_header X-Mark %[1]d;", marks, dir), 1)
		}
		return text
	}
	for i, layout := range layouts {
		conf += fmt.Sprintf("server { listen unix:%s/%d.sock;\n", dir, i)
		for _, location := range layout {
			if !strings.Contains(location, " { ") {
				location += " { MARK }"
			}
			conf += mark("location "+location) + "\n"
		}
		conf += "}\n"
	}
	// An application behind nginx answers, because nginx redirects to a path with a slash only if it passes the
	// requests to an application.
	ln, err := net.Listen("unix", filepath.Join(dir, "mark.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Mark")) })}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(ln) }()
	t.Cleanup(func() { server.Close(); <-served })
	startNginx(t, dir, conf)
	top, err := read(filepath.Join(dir, "nginx.conf"), dir)
	if err != nil {
		t.Fatal(err)
	}
	servers := top.find("http")[0].find("server")
	if len(servers) != len(layouts) {
		t.Fatal(len(servers), "servers")
	}
	for i, s := range servers {
		for _, target := range targets() {
			status, body := ask(t, filepath.Join(dir, fmt.Sprintf("%d.sock", i)), &request{method: "GET", target: target})
			want := body
			switch status {
			case http.StatusBadRequest:
				want = "refused"
			case http.StatusMovedPermanently:
				want = "redirected"
			case http.StatusNotFound:
				want = "nobody"
			}
			if got := chosen(s, target); got != want {
				t.Errorf("%s: %q goes to %s, and nginx says %s", layouts[i], target, got, want)
			}
		}
	}
}

// chosen returns the mark of the block that the check would choose.
func chosen(s *directive, target string) string {
	uri, ok := normalise(target, true)
	if !ok {
		return "refused"
	}
	block := choose(s, uri)
	switch {
	case block == nil:
		return "redirected"
	case block == s:
		return "nobody"
	}
	return block.find("proxy_set_header")[0].args[1]
}

// The check reads the maps of the recipe as nginx does.
func TestMapsAreReadAsNginxReadsThem(t *testing.T) {
	t.Parallel()
	recipe, err := filepath.Abs("../../../../examples/nginx/neonauth-http.conf")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"neonauth_ambiguous", "neonauth_upgrade", "neonauth_connection", "neonauth_preflight", "neonauth_browser", "sample"}
	dir, err := os.MkdirTemp("", "nc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	startNginx(t, dir, fmt.Sprintf(`include %s;
map "$request_method:${http_x}" $sample { default $http_y; GET:One 1; "~^GET:t(?<rest>.*)$" $neonauth_browser; ~*^get:T 3; }
server { listen unix:%s/0.sock; default_type text/plain; location / { return 200 "$%s"; } }`, recipe, dir, strings.Join(names, "|$")))
	top, err := read(filepath.Join(dir, "nginx.conf"), dir)
	if err != nil {
		t.Fatal(err)
	}
	s := top.find("http")[0].find("server")[0]
	var requests []*request
	for _, target := range targets() {
		requests = append(requests, &request{method: "GET", target: target})
	}
	for _, header := range []map[string]string{
		{"upgrade": "websocket"}, {"upgrade": "WebSocket"}, {"upgrade": "h2c"}, {"upgrade": "websocket, h2c"}, {"accept": "text/html"}, {"accept": "a,TEXT/HTML;q=1"},
		{"origin": "https://x"}, {"access-control-request-method": "PUT"}, {"origin": "https://x", "access-control-request-method": "PUT"}, {"origin": "null", "access-control-request-method": "x y"},
		{"x": "One"}, {"x": "ONE"}, {"x": "two"}, {"x": "Two"}, {"x": "two", "accept": "text/html"}, {"y": "why"},
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			known := map[string]string{}
			for name, value := range header {
				known[strings.ReplaceAll(name, "-", "_")] = value
			}
			requests = append(requests, &request{method: method, target: "/x", header: known})
		}
	}
	for _, r := range requests {
		status, body := ask(t, filepath.Join(dir, "0.sock"), r)
		if status != http.StatusOK {
			continue // nginx itself refuses it
		}
		r.uri, _ = normalise(r.target, true)
		var values []string
		for _, name := range names {
			value, known := r.expand(s, "$"+name, mapDepth)
			if !known {
				t.Errorf("$%s is not known", name)
			}
			values = append(values, value)
		}
		if want := strings.Split(body, "|"); !slices.Equal(values, want) {
			t.Errorf("%s %q %v: %q, and nginx says %q", r.method, r.target, r.header, values, want)
		}
	}
}
