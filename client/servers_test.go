package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// peopled is a system with many users.
func peopled(t *testing.T) (s *system, people []person) {
	t.Helper()
	s = newSystem(t, buildDaemon(t))
	lines := []string{"reset"}
	for n := range 20 {
		lines = append(lines, fmt.Sprint("mint user", n))
	}
	for _, line := range lines {
		if _, err := s.do(line); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 20 {
		people = append(people, s.people[fmt.Sprint("user", n)])
	}
	return s, people
}

// TestServersWithGreenThreads: Python's threads and sockets are replaced by cooperative ones.
func TestServersWithGreenThreads(t *testing.T) {
	need.Time(t, "it starts the real daemon, gevent and eventlet")
	python := need.AnyOf(t, "Python 3.11 with gevent and eventlet", []string{"python3", "/usr/bin/python3"}, "-c", "import gevent, eventlet")
	s, people := peopled(t)
	var pairs [][2]string
	for _, p := range people {
		pairs = append(pairs, [2]string{p.token, p.subject})
	}
	asked, err := json.Marshal(pairs)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"gevent", "eventlet"} {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, python, "-X", "faulthandler", "-m", "tests.servers.green", kind)
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGABRT) } // makes Python print where it hangs
			cmd.WaitDelay = time.Second
			cmd.Dir, cmd.Env = "python", pythonEnv(s)
			cmd.Stdin = bytes.NewReader(asked)
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "ok\n" {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func pythonEnv(s *system, more ...string) []string {
	return append(e2e.Environment("PYTHONPATH=src", "PYTHONDONTWRITEBYTECODE=1", client.SocketVariable+"="+s.path("s")), more...)
}

// TestServersThatForkInC runs uWSGI, whose workers are forks that Python does not notice. It runs with Python's
// threads, and without, as is uWSGI's default: then no thread reads from the watch.
func TestServersThatForkInC(t *testing.T) {
	need.Time(t, "it starts the real daemon and uWSGI")
	uwsgi := need.Program(t, "uwsgi", "uwsgi-core")
	for what, flags := range map[string][]string{"without threads": nil, "with threads": {"--enable-threads", "--threads", "4"}} {
		t.Run(what, func(t *testing.T) {
			s, people := peopled(t)
			app, err := filepath.Abs("python/tests/servers/app.py")
			if err != nil {
				t.Fatal(err)
			}
			socket := s.path("uwsgi")
			cmd := exec.Command(uwsgi, append([]string{
				"--plugin", "python3", "--http-socket", socket, "--wsgi-file", app, "--master", "--processes", "4", "--die-on-term",
				"--need-app", "--disable-logging",
			}, flags...)...)
			cmd.Dir, cmd.Env = "python", pythonEnv(s, "TOKEN="+people[0].token)
			server := e2e.Start(t, s.folder.Dir, cmd)
			server.Rough = true
			server.AwaitListening(t, "unix", socket)
			workers := askWorkers(t, socket, people, func(p person) string { return p.subject })
			if len(workers) < 2 {
				t.Errorf("%d workers were asked", len(workers))
			}
			for _, name := range []string{"user0", "user7"} {
				if _, err := s.do("revoke subject " + name); err != nil {
					t.Fatal(err)
				}
			}
			askWorkers(t, socket, people, func(p person) string {
				if p == people[0] || p == people[7] {
					return "Rejected"
				}
				return p.subject
			})
		})
	}
}

// askWorkers asks about everybody many times, and returns which worker processes have answered.
func askWorkers(t *testing.T, socket string, people []person, want func(person) string) map[string]bool {
	t.Helper()
	workers := map[string]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for k := range 8 {
		all.Go(func() {
			for n := range 50 {
				p := people[(n+k)%len(people)]
				said, worker, err := askWorker(socket, p.token)
				mu.Lock()
				workers[worker] = true
				mu.Unlock()
				if err != nil || said != want(p) {
					t.Errorf("%s was answered %q, %v", want(p), said, err)
				}
			}
		})
	}
	all.Wait()
	return workers
}

func askWorker(socket, token string) (said, worker string, err error) {
	request, err := http.NewRequest(http.MethodGet, "http://server/", http.NoBody)
	if err != nil {
		return "", "", err
	}
	request.Header.Set("X-Token", token)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	c := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: e2e.Timeout}
	response, err := c.Do(request)
	if err != nil {
		return "", "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	said, worker, _ = strings.Cut(string(body), " ")
	return said, worker, err
}
