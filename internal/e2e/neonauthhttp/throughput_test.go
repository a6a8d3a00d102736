package neonauthhttp_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

// bareVariable makes the test binary a bare HTTP server on this socket. This is
// the lowest possible cost of a sub-request to a program in Go.
const bareVariable = "NEONAUTH_HTTP_BARE"

func serveBare(path string) error {
	ln, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
}

// TestThroughputThroughNginx compares our sub-request with a bare handler's,
// both through the recipe and the same nginx, by turns. It runs only on
// request: it keeps every core busy, and its result means something only on an
// idle machine.
//
//	NEONAUTHD_WRK=1 go test -run Throughput -v ./internal/e2e/neonauthhttp
func TestThroughputThroughNginx(t *testing.T) {
	need.Wish(t, "NEONAUTHD_WRK", "measure")
	wrk := installed(t, "wrk")
	w := newSystem(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bare := launchForeign(t, w.dir, self, []string{bareVariable + "=" + w.path("bare.sock")})
	bare.AwaitListening(t, "unix", w.path("bare.sock"))
	// The page is a file, so that only the gate is measured and nothing behind
	// it.
	w.write(t, "ok.txt", "ok\n")
	page := fmt.Sprintf("location / { root %s; try_files /ok.txt =404; }\n    location = /unused {", w.dir)
	address, other := ports.Address(t), ports.Address(t)
	n := startNginxAt(t, w, "tcp", address, "listen 8080;", "listen "+address+";", "location / {", page)
	m := startNginxAt(t, w.copy(t), "tcp", other, "listen 8080;", "listen "+other+";", "location / {", page, "server unix:", "server unix:"+w.path("bare.sock")+"; #")

	token := bearing(w.token())
	var share, work []float64
	for range 7 {
		b := load(t, wrk, other, token, m.Process, bare)
		o := load(t, wrk, address, token, n.Process, w.http, w.daemon)
		share, work = append(share, o.rate/b.rate), append(work, b.cpu/o.cpu)
		t.Logf("bare handler %.0f/s, %.1f us CPU each %.1f; neonauth-http %.0f/s, %.1f us CPU each %.1f (nginx, helper, daemon)", b.rate, b.cpu*1e6, b.each, o.rate, o.cpu*1e6, o.each)
	}
	slices.Sort(share)
	slices.Sort(work)
	t.Logf("share of throughput %.2f, median %.2f; of CPU work (busy machine or not) %.2f, median %.2f", share, share[3], work, work[3])
}

// loaded is the result of a run of wrk.
type loaded struct {
	rate float64   // requests a second
	cpu  float64   // seconds of CPU time for a request, of wrk and all processes that took part
	each []float64 // the same of each process but wrk, in microseconds
}

// load runs wrk with 16 connections.
func load(t *testing.T, wrk, address, line string, part ...*e2e.Process) loaded {
	t.Helper()
	var before []float64
	for _, p := range part {
		before = append(before, cpuTime(t, p))
	}
	cmd := exec.Command(wrk, "-t1", "-c16", "-d3s", "-H", line, "http://"+address+"/")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "Non-2xx") {
		t.Fatalf("%v\n%s", err, out)
	}
	number := func(pattern string) float64 {
		n, err := strconv.ParseFloat(regexp.MustCompile(pattern).FindStringSubmatch(string(out))[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	result, requests := loaded{rate: number(`Requests/sec:\s+(\S+)`)}, number(`(\d+) requests in`)
	result.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds() / requests
	for i, p := range part {
		used := (cpuTime(t, p) - before[i]) / requests
		result.cpu += used
		result.each = append(result.each, used*1e6)
	}
	return result
}

// cpuTime returns the CPU time that a process and its children have used, in
// seconds.
func cpuTime(t testing.TB, p *e2e.Process) float64 {
	t.Helper()
	pids := []string{strconv.Itoa(p.Cmd.Process.Pid)}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%s/children", pids[0], pids[0]))
	need.Host(t, err == nil, fmt.Sprint("no /proc with children here: ", err))
	ticks := 0
	for _, pid := range append(pids, strings.Fields(string(children))...) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		for _, i := range []int{11, 12} { // utime, stime (proc(5)), counted after the name
			n, err := strconv.Atoi(fields[i])
			if err != nil {
				t.Fatal(err)
			}
			ticks += n
		}
	}
	return float64(ticks) / 100
}

// copy returns the same system with a folder of its own for another nginx.
func (w *system) copy(t testing.TB) *system {
	t.Helper()
	other := &system{Upstream: w.Upstream, dir: t.TempDir(), app: w.app, ada: w.ada}
	return other
}
