package authrequest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/exposition/expositiontest"
)

func scrape(s *Service) string {
	w := httptest.NewRecorder()
	s.Status(false).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	return w.Body.String()
}

func TestMetricsAreThoseOfTheList(t *testing.T) {
	t.Parallel()
	const list = "testdata/metrics.txt"
	s := quietService(t, fakeDaemon(okReply()))
	ask(s, "a.b.c")
	page := scrape(s)
	want, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(expositiontest.Families(t, page), "\n") + "\n"; got != string(want) {
		t.Errorf("the metrics differ from %s, which dashboards and alerts are written against; got\n%s", list, got)
	}
	expositiontest.PassesPromtool(t, page)
}

func TestAlertsAndDashboardFitTheMetrics(t *testing.T) {
	t.Parallel()
	const root = "../../../../"
	expositiontest.Given{
		List:      "testdata/metrics.txt",
		Alerts:    root + "examples/prometheus/neonauth-http.yml",
		Dashboard: root + "examples/grafana/neonauth-http.json",
		Guide:     root + "docs/operating.md",
		Metrics:   `(?:neonauth_http|process|go)_[a-z0-9_]+`,
		Alert:     `NeonauthHTTP\w+`,
	}.Check(t)
}

// ask sends one request with a token and returns the status.
func ask(s *Service, token string) int {
	r := httptest.NewRequest(http.MethodGet, "/nginx", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

func TestMetricsCountWhatHappened(t *testing.T) {
	t.Parallel()
	s := quietService(t, new(pickyDaemon).client())
	for token, want := range map[string]int{theToken: http.StatusNoContent, "a.b.cd": http.StatusUnauthorized} {
		if code := ask(s, token); code != want {
			t.Fatalf("%s: %d", token, code)
		}
	}
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/canary", http.NoBody))
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/nginx?level=canary", http.NoBody))
	s.Kept()
	s.Refused()
	page := scrape(s)
	for _, sample := range []string{
		`neonauth_http_build_info{version="dev",goversion="go`,
		`neonauth_http_replies_total{dialect="nginx",outcome="accepted"} 1`,
		`neonauth_http_replies_total{dialect="nginx",outcome="rejected"} 1`,
		`neonauth_http_replies_total{dialect="nginx",outcome="faulty"} 1`,
		`neonauth_http_replies_total{dialect="",outcome="no-route"} 1`,
		`neonauth_http_reasons_total{reason="bad-signature"} 1`,
		`neonauth_http_reasons_total{reason="expired"} 0`,
		`neonauth_http_duration_seconds_bucket{le="+Inf"} 4`,
		`neonauth_http_duration_seconds_count 4`,
		`neonauth_http_daemon_reachable 1`,
		`neonauth_http_in_flight 0`,
		`neonauth_http_in_flight_max 4096`,
		`neonauth_http_reloads_total{result="failed"} 1`,
		`neonauth_http_reloads_total{result="done"} 0`,
		`neonauth_http_connections_refused_total 1`,
	} {
		if !strings.Contains(page, "\n"+sample) {
			t.Errorf("there is no %s in\n%s", sample, page)
		}
	}
	if strings.Contains(page, "canary") || strings.Contains(page, theToken) {
		t.Error("what a request said is in the metrics")
	}
}

// withLog returns a service whose daemon is reached by dial, and the service's log.
func withLog(t *testing.T, dial func(ctx context.Context) (net.Conn, error)) (*Service, *bytes.Buffer) {
	t.Helper()
	c := &client.Client{Keep: -1, Dial: dial}
	t.Cleanup(func() { _ = c.Close() })
	set, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	return New("dev", c, set, slog.New(slog.NewTextHandler(log, nil)), time.Now), log
}

// unless returns a function that dials a fake daemon, unless the daemon is away.
func unless(away *atomic.Bool) func(ctx context.Context) (net.Conn, error) {
	daemon := fakeDaemon(okReply())
	return func(ctx context.Context) (net.Conn, error) {
		if away.Load() {
			return nil, errors.New("nobody there")
		}
		conn, err := daemon.Dial(ctx)
		return &brittle{conn, away}, err
	}
}

func TestADaemonThatIsBackIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		s, log := withLog(t, unless(&away))
		step := func(gone bool, want int, reachable string) {
			t.Helper()
			away.Store(gone)
			for range 3 {
				if code := ask(s, "a.b.c"); code != want {
					t.Errorf("%d, want %d", code, want)
				}
			}
			if !strings.Contains(scrape(s), "\nneonauth_http_daemon_reachable "+reachable+"\n") {
				t.Errorf("reachable is not %s", reachable)
			}
		}
		step(false, http.StatusNoContent, "1")
		if log.Len() > 0 {
			t.Errorf("all is well, and the log says %s", log)
		}
		for range 2 {
			log.Reset()
			step(true, http.StatusServiceUnavailable, "0")
			time.Sleep(time.Minute)
			step(false, http.StatusNoContent, "1")
			if n := strings.Count(log.String(), `level=INFO msg="the daemon answers again" away=1m1`); n != 1 || !strings.Contains(log.String(), "the daemon is not reachable") {
				t.Errorf("told %d times:\n%s", n, log)
			}
		}
	})
}

// TestADaemonThatDoesNotAnswerIsToldWithoutARequest: at the start at once, and later when it
// takes longer than a restart. The same if its socket takes connections, as under a service
// manager, and nobody serves them.
func TestADaemonThatDoesNotAnswerIsToldWithoutARequest(t *testing.T) {
	for name, absent := range map[string]func() (net.Conn, error){
		"nobody listens": func() (net.Conn, error) { return nil, errors.New("nobody there") },
		"nobody accepts": func() (net.Conn, error) {
			near, _ := net.Pipe()
			return near, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var away atomic.Bool
				there := unless(&away)
				s, log := withLog(t, func(ctx context.Context) (net.Conn, error) {
					if away.Load() {
						return absent()
					}
					return there(ctx)
				})
				step := func(gone bool, reachable string, says ...string) {
					t.Helper()
					log.Reset()
					away.Store(gone)
					time.Sleep(time.Minute)
					synctest.Wait()
					if !strings.Contains(scrape(s), "\nneonauth_http_daemon_reachable "+reachable+"\n") {
						t.Errorf("reachable is not %s", reachable)
					}
					for _, word := range says {
						if !strings.Contains(log.String(), word) {
							t.Errorf("the log lacks %s:\n%s", word, log)
						}
					}
					if n := strings.Count(log.String(), "\n"); n > 8 || len(says) == 0 && n > 0 {
						t.Errorf("the log has %d lines:\n%s", n, log)
					}
				}
				away.Store(true)
				ctx, end := context.WithCancel(t.Context())
				defer end()
				go s.Watch(ctx)
				time.Sleep(time.Second)
				synctest.Wait()
				if !strings.Contains(log.String(), `msg="the daemon is not reachable" error=`) {
					t.Errorf("at the start the log says %s", log)
				}
				step(true, "0", `msg="the daemon is not reachable" error=`)
				step(false, "1", `msg="the daemon answers again" away=1m`)
				step(false, "1")
				step(true, "0", `msg="the daemon is not reachable" error=`)
				step(false, "1", `msg="the daemon answers again" away=`)
			})
		})
	}
}

// TestARequestWithoutAnAnswerMakesTheDaemonBeAsked, so that the metric does not wait for the
// next ping.
func TestARequestWithoutAnAnswerMakesTheDaemonBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		there := unless(&away)
		s, _ := withLog(t, func(ctx context.Context) (net.Conn, error) {
			if away.Load() {
				near, _ := net.Pipe()
				return near, nil
			}
			return there(ctx)
		})
		ctx, end := context.WithCancel(t.Context())
		defer end()
		go s.Watch(ctx)
		time.Sleep(time.Minute + time.Second) // a ping has just been answered
		away.Store(true)
		if code := ask(s, "a.b.c"); code != http.StatusServiceUnavailable {
			t.Errorf("answered %d", code)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !strings.Contains(scrape(s), "\nneonauth_http_daemon_reachable 0\n") {
			t.Error("the daemon is called reachable")
		}
	})
}

// TestAQuestionThatTheWebServerTakesBackIsNoOutage, whether the daemon is slow or away.
func TestAQuestionThatTheWebServerTakesBackIsNoOutage(t *testing.T) {
	for name, away := range map[string]bool{"the daemon is slow": false, "the daemon restarts": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, log := withLog(t, func(context.Context) (net.Conn, error) {
					if away {
						return nil, errors.New("nobody there")
					}
					near, far := net.Pipe()
					go func() { _, _ = io.Copy(io.Discard, far) }()
					return near, nil
				})
				ctx, leave := context.WithCancel(t.Context())
				time.AfterFunc(50*time.Millisecond, leave)
				r := httptest.NewRequest(http.MethodGet, "/nginx", http.NoBody).WithContext(ctx)
				r.Header.Set("Authorization", "Bearer a.b.c")
				s.ServeHTTP(httptest.NewRecorder(), r)
				page := scrape(s)
				for _, sample := range []string{
					`neonauth_http_reasons_total{reason="cancelled"} 1`, `neonauth_http_reasons_total{reason="unreachable"} 0`,
					`neonauth_http_replies_total{dialect="nginx",outcome="unknown"} 0`,
				} {
					if !strings.Contains(page, "\n"+sample+"\n") {
						t.Errorf("there is no %s", sample)
					}
				}
				if log.Len() > 0 {
					t.Errorf("the log says %s", log)
				}
			})
		})
	}
}

// TestWhatIsNoDaemonIsTold: the path may be that of another program's socket.
func TestWhatIsNoDaemonIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, log := withLog(t, func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				_, _ = theirs.Read(make([]byte, 1024)) // the question
				_, _ = io.WriteString(theirs, "HTTP/1.1 400 Bad Request\r\n\r\n")
				_, _ = io.Copy(io.Discard, theirs) // until the client closes
			}()
			return ours, nil
		})
		ended, end := context.WithCancel(t.Context())
		end()
		s.Watch(ended)
		if log.Len() > 0 {
			t.Errorf("the program ends, and the log says %s", log)
		}
		ctx, end := context.WithCancel(t.Context())
		defer end()
		go s.Watch(ctx)
		time.Sleep(time.Second)
		synctest.Wait()
		if !strings.Contains(log.String(), `level=WARN msg="the daemon's answer cannot be used;`) {
			t.Errorf("the log says %s", log)
		}
	})
}

// brittle is a connection to a daemon that may go away.
type brittle struct {
	net.Conn
	away *atomic.Bool
}

func (b *brittle) Write(p []byte) (int, error) {
	if b.away.Load() {
		_ = b.Close()
		return 0, net.ErrClosed
	}
	return b.Conn.Write(p)
}

// TestProfilesAreServedWhereTheSettingsSaySo, and never to other hosts.
func TestProfilesAreServedWhereTheSettingsSaySo(t *testing.T) {
	t.Parallel()
	s := quietService(t, fakeDaemon(okReply()))
	status := func(exposed bool) int {
		w := httptest.NewRecorder()
		s.Status(exposed).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/heap", http.NoBody))
		return w.Code
	}
	if got := status(false); got != http.StatusNotFound {
		t.Errorf("unasked: %d", got)
	}
	set := *s.settings.Load()
	set.pprof = true
	s.Use(&set)
	if got := [2]int{status(false), status(true)}; got != [2]int{http.StatusOK, http.StatusNotFound} {
		t.Errorf("asked for: %v", got)
	}
}
