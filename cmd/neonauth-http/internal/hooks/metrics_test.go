package hooks

import (
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/exposition/expositiontest"
)

func TestMetricsAreThoseOfTheList(t *testing.T) {
	t.Parallel()
	const list = "testdata/metrics.txt"
	s := newTestService(t, does)
	s.deliver(t, updated(100))
	s.deliver(t, "[]")
	s.metrics.refused.Inc()
	page := s.scrape()
	want, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(expositiontest.Families(t, page), "\n") + "\n"; got != string(want) {
		t.Errorf("the metrics differ from %s, which alerts are written against; got\n%s", list, got)
	}
	expositiontest.PassesPromtool(t, page)
	for _, text := range []string{
		sample("main", "user.updated", done, 1), sample("main", "unread", badBody, 1), sample("", "unread", noProject, 0),
		"\nneonauth_hooks_last_signed_timestamp_seconds{project=\"main\"} 1780358400\n", "\nneonauth_hooks_daemon_reachable 1\n",
		"\nneonauth_hooks_connections_refused_total 1\n", "\nneonauth_hooks_duration_seconds_count 2\n",
	} {
		if !strings.Contains(page, text) {
			t.Errorf("there is no %q in\n%s", text, page)
		}
	}
}

// TestEachResultIsCountedAndHasAStatus, so that none of them is lost or becomes a
// success.
func TestEachResultIsCountedAndHasAStatus(t *testing.T) {
	t.Parallel()
	s := newTestService(t, does)
	page := s.scrape()
	for _, is := range []result{done, partly, ignored, noProject, badMethod, badHeaders, badTime, tooLarge, unread, badSignature, badBody, busy, unavailable, fault} {
		if !strings.Contains(page, `result="`+string(is)+`"}`) {
			t.Errorf("%s is not counted", is)
		}
		good := is == done || is == partly || is == ignored
		if status := is.status(); (status == 204) != good || (is.text() == "") != good || status == 500 && is != fault {
			t.Errorf("%s is answered %d %q", is, status, is.text())
		}
	}
	if result("").status() == 204 {
		t.Error("what is not known is acknowledged")
	}
}

func TestAlertsFitTheMetrics(t *testing.T) {
	t.Parallel()
	const root = "../../../../"
	expositiontest.Given{
		List:    "testdata/metrics.txt",
		Alerts:  root + "examples/prometheus/neonauth-hooks.yml",
		Guide:   root + "docs/operating.md",
		Metrics: `(?:neonauth_hooks|process|go)_[a-z0-9_]+`,
		Alert:   `NeonauthHooks\w+`,
	}.Check(t)
}
