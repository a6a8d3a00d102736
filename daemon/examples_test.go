package daemon

import (
	"os"
	"testing"

	"github.com/neonauthd/neonauthd/internal/exposition/expositiontest"
)

const guideFile = "../docs/operating.md"

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// given returns the files that operators get together with the daemon.
func given() expositiontest.Given {
	return expositiontest.Given{
		List:      "testdata/metrics.txt",
		Alerts:    "../examples/prometheus/alerts.yml",
		Dashboard: "../examples/grafana/neonauthd.json",
		Guide:     guideFile,
		Metrics:   `(?:neonauthd|process|go)_[a-z0-9_]+`,
		Alert:     `Neonauthd\w+`,
	}
}

func TestAlertsAndDashboardFitTheMetrics(t *testing.T) { given().Check(t) }
