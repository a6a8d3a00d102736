package client_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// start runs a program of the README and returns its address.
func (r *reader) start(t *testing.T, b block) string {
	t.Helper()
	r.paste(t, b, "ada")
	if program, ok := goProgram(b); ok {
		return r.startGo(t, program)
	}
	cmd := exec.Command("sh", "-c", "exec "+b.command())
	cmd.Dir, cmd.Env = r.dir, append(r.env[:len(r.env):len(r.env)], r.serve...)
	return startService(t, cmd)
}

// goProgram returns a whole program for a block of Go, if the block is one or can be the body of main.
func goProgram(b block) (text string, ok bool) {
	if strings.Contains(b.text, "package main\n") {
		return b.text, true
	}
	if !strings.Contains(b.text, "http.ListenAndServe(") {
		return "", false
	}
	return `package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/neonauthd/neonauthd/client/middleware"
)

func main() {
` + b.text + "}\n", true
}

// startGo builds a program that listens on port 8080, gives it a free port instead, and starts it. The program has to say why it
// ends: ListenAndServe returns only with an error, for example because another program has the port.
func (r *reader) startGo(t *testing.T, text string) string {
	t.Helper()
	const listens = `log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil))`
	if strings.Count(text, listens) != 1 {
		t.Fatalf("it does not say %s", listens)
	}
	files := map[string]string{
		"main.go": strings.Replace(text, listens, "log.Fatal(listenAnywhere())", 1),
		"listen.go": `package main

import (
	"fmt"
	"net"
	"net/http"
)

func listenAnywhere() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("listening on http://" + ln.Addr().String())
	return http.Serve(ln, nil)
}
`,
	}
	args := []string{"build", "-o", filepath.Join(r.dir, "service")}
	for name, text := range files {
		path := filepath.Join(r.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	cmd := exec.Command(filepath.Join(r.dir, "service"))
	cmd.Env = r.env
	return startService(t, cmd)
}

// serves is the trial of a program that listens on port 8080 and protects a path.
func serves(path string) trial {
	return func(t *testing.T, r *reader, b block) {
		base := r.start(t, b)
		if programHead.MatchString(b.text) {
			t.Run("as it says", func(t *testing.T) { r.tryIt(t, b, base, path) })
		}
		r.protected(t, base+path, `Bearer error="invalid_token"`)
	}
}

// builds is the trial of the commands that make a module of a program and run it. It
// builds the program instead, which would not end.
func builds(program string) trial {
	return func(t *testing.T, r *reader, b block) {
		i := slices.IndexFunc(r.blocks, func(of block) bool { return of.name() == program })
		fresh := *r
		fresh.dir = t.TempDir()
		fresh.paste(t, r.blocks[i], "ada")
		commands := strings.Replace(b.text, "/path/to/neonauthd", absolute(t, ".."), 1)
		commands = strings.Replace(commands, "go run "+program, "go build -o program "+program, 1)
		if out, err := fresh.run(t, "set -e\n"+commands); err != nil || !strings.Contains(commands, "go build") {
			t.Errorf("%s: %v\n%s", commands, err, out)
		}
	}
}

// describes is the trial of a program that listens on port 8080 and is a protected resource at a path, for a scope that the tokens
// of users do not have.
func describes(path, scope string) trial {
	return func(t *testing.T, r *reader, b block) {
		base := r.start(t, b)
		const address = "http://127.0.0.1:8080"
		at := httpauth.MetadataPath + path
		if !strings.HasSuffix(b.tryIt(), address+at) {
			t.Fatalf("it does not say how to try %s", address+at)
		}
		ada, metadata := r.system.people["ada"].token, `resource_metadata="https://mcp.example.com`+at+`"`
		for _, test := range []struct {
			at, token       string
			status          int
			challenge, says string
		}{
			{at, "", 200, "", `{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://auth.example.com"],"scopes_supported":["read","write"],`},
			{httpauth.MetadataPath + "/", "", 200, "", `{"resource":"https://mcp.example.com/mcp",`},
			{path, "", 401, "Bearer " + metadata, "Unauthorized\n"},
			{path, ada, 403, `Bearer error="insufficient_scope", scope="` + scope + `", error_description="insufficient-scope", ` + metadata, "Forbidden\n"},
		} {
			resp, body := get(t, base+test.at, test.token)
			for begun := time.Now(); resp.StatusCode == http.StatusServiceUnavailable && time.Since(begun) < systemTimeout; { // a busy machine
				resp, body = get(t, base+test.at, test.token)
			}
			if resp.StatusCode != test.status || resp.Header.Get("WWW-Authenticate") != test.challenge || !strings.HasPrefix(body, test.says) {
				t.Errorf("%s: %d, %v, %q; expected %d, %s, %q", test.at, resp.StatusCode, resp.Header, body, test.status, test.challenge, test.says)
			}
		}
	}
}

// tryIt runs the command that a program shows for trying it.
func (r *reader) tryIt(t *testing.T, b block, base, path string) {
	t.Helper()
	need.Program(t, "curl", "curl")
	const address = "http://127.0.0.1:8080"
	if !strings.Contains(b.tryIt(), address+path) {
		t.Fatalf("it does not say how to try %s", address+path)
	}
	command := strings.Replace(b.tryIt(), address, base, 1)
	for begun := time.Now(); ; {
		out, err := r.run(t, command)
		if err == nil && strings.Contains(out, " 200 ") && strings.Contains(out, "hello "+r.system.people["ada"].subject+"\n") {
			return
		}
		if err != nil || !strings.Contains(out, " 503 ") || time.Since(begun) > systemTimeout {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
}

// passes is the trial of a test that a README shows for its own programs: the test passes beside these programs, and
// without a daemon.
func passes(programs ...string) trial {
	return func(t *testing.T, r *reader, b block) {
		files := []string{filepath.Join(r.dir, b.name())}
		r.paste(t, b, "ada")
		for _, name := range programs {
			i := slices.IndexFunc(r.blocks, func(other block) bool { return other.name() == name })
			if i < 0 {
				t.Fatalf("there is no block %q", name)
			}
			r.paste(t, r.blocks[i], "ada")
			files = append(files, filepath.Join(r.dir, name))
		}
		if b.command() == "go test" { // the command needs a module
			out, err := exec.Command("go", append([]string{"test", "-count=1"}, files...)...).CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), "ok ") {
				t.Fatalf("%v\n%s", err, out)
			}
			return
		}
		if out, err := r.run(t, b.command(), client.SocketVariable+"=/nonexistent/socket"); err != nil {
			t.Fatalf("%s: %v\n%s", b.command(), err, out)
		}
	}
}

// handles is the trial of Go statements for the inside of a handler. It adds the rest of the program.
func handles(t *testing.T, r *reader, b block) {
	declarations, statements, found := strings.Cut(b.text, "\nswitch ")
	if !found {
		t.Fatal("it has no switch over the three answers")
	}
	source := filepath.Join(r.dir, "main.go")
	err := os.WriteFile(source, []byte(`package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/neonauthd/neonauthd/client"
)

`+declarations+`
func handle(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch `+statements+`
}

func serve(w http.ResponseWriter, subject string) { fmt.Fprintln(w, subject) }

func main() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening on http://" + ln.Addr().String())
	panic(http.Serve(ln, http.HandlerFunc(handle)))
}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(r.dir, "service")
	if out, err := exec.Command("go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("build the handler: %v\n%s", err, out)
	}
	cmd := exec.Command(program)
	cmd.Env = r.env
	r.protected(t, startService(t, cmd), "Bearer")
}
