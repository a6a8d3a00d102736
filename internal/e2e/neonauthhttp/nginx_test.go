package neonauthhttp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startNginx runs nginx with examples/nginx/site.conf. It replaces paths and
// addresses, and makes the given replacements (old, new, old, new).
func startNginx(t testing.TB, w *system, replace ...string) *front {
	t.Helper()
	address := w.path("n.sock")
	return startNginxAt(t, w, "unix", address, append(replace, "listen 8080;", "listen unix:"+address+";")...)
}

func startNginxAt(t testing.TB, w *system, network, address string, replace ...string) *front {
	t.Helper()
	path := installed(t, "nginx")
	layNginx(t, w, replace...)
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	conf := fmt.Sprintf(`%s
worker_processes 1;
daemon off;
pid %[2]s/nginx.pid;
error_log stderr info;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fcgi; uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
    include site.conf;
}
`, user, w.dir)
	p := launchForeign(t, w.dir, path, nil, "-p", w.dir, "-e", "stderr", "-c", w.write(t, "nginx.conf", conf))
	p.AwaitListening(t, network, address)
	return &front{p, w, network, address}
}

// layNginx writes the recipe's files to where a main configuration file
// includes them.
func layNginx(t testing.TB, w *system, replace ...string) {
	t.Helper()
	files, err := filepath.Glob("../../../examples/nginx/*.conf")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files of the recipe: %v", len(files), err)
	}
	if err := os.MkdirAll(w.path("neonauth"), 0o755); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	pairs := append([]string{"/run/neonauth-http/http.sock", w.path("h.sock"), "127.0.0.1:3000", w.app.address()}, replace...)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := string(text)
		for i := 0; i < len(pairs); i += 2 {
			if strings.Contains(changed, pairs[i]) {
				used[pairs[i]] = true
				changed = strings.ReplaceAll(changed, pairs[i], pairs[i+1])
			}
		}
		name := filepath.Base(file)
		if name != "site.conf" {
			name = "neonauth/" + name
		}
		w.write(t, name, changed)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !used[pairs[i]] {
			t.Fatalf("the recipe has no %q to replace", pairs[i])
		}
	}
}

func bearing(token string) string { return "Authorization: Bearer " + token }
