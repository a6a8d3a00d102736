package daemon

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// What operators are given beside the daemon, and must fit it.
const (
	alertsFile    = "../examples/prometheus/alerts.yml"
	dashboardFile = "../examples/grafana/neonauthd.json"
	guideFile     = "../docs/operating.md"
)

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// listed returns the metrics of testdata/metrics.txt with all their labels.
func listed(t testing.TB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(read(t, "testdata/metrics.txt")) {
		words := strings.Fields(line)
		labels := []string{"job", "instance"} // a scrape adds these
		if len(words) > 2 {
			labels = append(labels, strings.Split(words[2], ",")...)
		}
		all[words[1]] = append(all[words[1]], labels...)
	}
	if len(all) == 0 {
		t.Fatal("no metric is listed")
	}
	return all
}

// checkExpressions looks for metrics, and for labels in their braces, that the
// daemon does not have. It returns how many metrics it met.
func checkExpressions(t testing.TB, where, text string) (met int) {
	t.Helper()
	known := listed(t)
	metric := regexp.MustCompile(`\b((?:neonauthd|process|go)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
	for _, m := range metric.FindAllStringSubmatch(text, -1) {
		met++
		labels, ok := known[m[1]]
		if !ok {
			t.Errorf("%s names %s, which is no metric of the daemon", where, m[1])
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) {
				t.Errorf("%s asks for label %s of %s, which has none such", where, l[1], m[1])
			}
		}
	}
	return met
}

func TestAlertsFitTheMetrics(t *testing.T) {
	if met := checkExpressions(t, alertsFile, read(t, alertsFile)); met < 20 {
		t.Errorf("%d metrics met: the test reads nothing", met)
	}
}

// TestAlertsAreExplained compares the alerts with the guide's headings.
func TestAlertsAreExplained(t *testing.T) {
	names := func(pattern, path string) (all []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, path), -1) {
			all = append(all, m[1])
		}
		return all
	}
	alerts := names(`(?m)^ +- alert: (\w+)$`, alertsFile)
	explained := names(`(?m)^### (Neonauthd\w+)$`, guideFile)
	if len(alerts) == 0 || !slices.Equal(alerts, explained) {
		t.Errorf("alerts and their explanations differ, or their order:\n%q\n%q", alerts, explained)
	}
}

func TestAlertsPassPromtool(t *testing.T) {
	promtool := need.Program(t, "promtool", "prometheus")
	for _, args := range [][]string{
		{"check", "rules", "alerts.yml"},
		{"test", "rules", "alerts_test.yml"},
		{"check", "config", "prometheus.yml"},
	} {
		c := exec.Command(promtool, args...)
		c.Dir = filepath.Dir(alertsFile)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}

func TestDashboardFitsTheMetrics(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &dashboard); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	graphs := 0
	for _, p := range dashboard.Panels {
		if seen[p.ID] {
			t.Errorf("two panels have id %d", p.ID)
		}
		seen[p.ID] = true
		if p.Type == "row" {
			continue
		}
		graphs++
		if len(p.Targets) == 0 {
			t.Errorf("panel %q asks nothing", p.Title)
		}
		for _, target := range p.Targets {
			if checkExpressions(t, "panel "+p.Title, target.Expr) == 0 {
				t.Errorf("panel %q asks for no metric of ours: %s", p.Title, target.Expr)
			}
		}
	}
	if graphs == 0 {
		t.Error("the dashboard is empty")
	}
}

// TestDashboardExpressionsParse has promtool read each one as a rule.
func TestDashboardExpressionsParse(t *testing.T) {
	promtool := need.Program(t, "promtool", "prometheus")
	var rules []any
	for _, m := range regexp.MustCompile(`"expr": ("(?:[^"\\]|\\.)*")`).FindAllStringSubmatch(read(t, dashboardFile), -1) {
		var expr string
		if err := json.Unmarshal([]byte(m[1]), &expr); err != nil {
			t.Fatal(err)
		}
		expr = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$project", ".*").Replace(expr)
		rules = append(rules, map[string]string{"record": "a:b", "expr": expr})
	}
	if len(rules) == 0 {
		t.Fatal("no expression found")
	}
	// JSON is YAML.
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "g", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "check", "rules", "--lint=none", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
