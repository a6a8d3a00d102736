// Package expositiontest compares the files that operators get with a program
// (alerts, dashboard and guide) with the metrics that the program has.
package expositiontest

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

// Given are the files that operators get with one program, as paths.
type Given struct {
	List      string // the program's metrics, as Families lists them
	Alerts    string // rules of Prometheus; beside them NAME_test.yml and prometheus.yml
	Dashboard string // of Grafana; "": there is none
	Guide     string // has a heading of the third level for each alert, in their order
	Metrics   string // a regular expression without groups for the names of the program's metrics
	Alert     string // a regular expression for the names of its alerts
}

// Check runs a subtest for each comparison.
func (g Given) Check(t *testing.T) {
	t.Run("alerts fit the metrics", g.alertsFit)
	t.Run("alerts are explained", g.alertsAreExplained)
	t.Run("alerts pass promtool", g.alertsPassPromtool)
	if g.Dashboard == "" {
		return
	}
	t.Run("dashboard fits the metrics", g.dashboardFits)
	t.Run("dashboard expressions parse", g.dashboardParses)
}

// Families lists a page's metrics as "type name labels". Samples with the same
// labels are listed once.
func Families(t testing.TB, page string) []string {
	t.Helper()
	sample := regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? \S+$`)
	label := regexp.MustCompile(`([a-z]+)="(?:[^"\\]|\\.)*"`)
	var all []string
	name, kind := "", ""
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		if help, ok := strings.CutPrefix(line, "# HELP "); ok {
			var text string
			if name, text, _ = strings.Cut(help, " "); text == "" {
				t.Errorf("%s has no help", name)
			}
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			if kind, ok = strings.CutPrefix(rest, name+" "); !ok {
				t.Errorf("type of another metric after the help of %s: %s", name, line)
			}
			continue
		}
		parts := sample.FindStringSubmatch(line)
		if parts == nil || !strings.HasPrefix(parts[1], name) {
			t.Errorf("not a sample of %s: %s", name, line)
			continue
		}
		var labels []string
		for _, l := range label.FindAllStringSubmatch(parts[2], -1) {
			labels = append(labels, l[1])
		}
		one := strings.TrimSpace(kind + " " + parts[1] + " " + strings.Join(labels, ","))
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}

// PassesPromtool requires that promtool accepts a page of metrics.
func PassesPromtool(t testing.TB, page string) {
	t.Helper()
	check := exec.CommandContext(t.Context(), need.Program(t, "promtool", "prometheus"), "check", "metrics")
	check.Stdin = strings.NewReader(page)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// listed returns the metrics of the list with all their labels.
func (g Given) listed(t testing.TB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(read(t, g.List)) {
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

// Expressions reports metrics, and labels in their braces, that the program
// does not have. It returns how many metrics it found.
func (g Given) Expressions(t testing.TB, where, text string) (met int) {
	t.Helper()
	known := g.listed(t)
	metric := regexp.MustCompile(`\b(` + g.Metrics + `)(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
	for _, m := range metric.FindAllStringSubmatch(text, -1) {
		met++
		labels, ok := known[m[1]]
		if !ok {
			t.Errorf("%s names %s, which is no metric of the program", where, m[1])
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) {
				t.Errorf("%s asks for label %s of %s, which has none such", where, l[1], m[1])
			}
		}
	}
	return met
}

func (g Given) alertsFit(t *testing.T) {
	if met := g.Expressions(t, g.Alerts, read(t, g.Alerts)); met < 5 {
		t.Errorf("%d metrics met: the test reads nothing", met)
	}
}

// alertsAreExplained compares the alerts with the guide's headings.
func (g Given) alertsAreExplained(t *testing.T) {
	names := func(pattern, path string) (all []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, path), -1) {
			all = append(all, m[1])
		}
		return all
	}
	alerts := names(`(?m)^ +- alert: (`+g.Alert+`)$`, g.Alerts)
	explained := names(`(?m)^### (`+g.Alert+`)$`, g.Guide)
	if len(alerts) == 0 || !slices.Equal(alerts, explained) {
		t.Errorf("alerts and their explanations differ, or their order:\n%q\n%q", alerts, explained)
	}
	if n := strings.Count(read(t, g.Alerts), "- alert: "); n != len(alerts) {
		t.Errorf("of %d alerts %d are called %s", n, len(alerts), g.Alert)
	}
}

func (g Given) alertsPassPromtool(t *testing.T) {
	promtool := need.Program(t, "promtool", "prometheus")
	rules := filepath.Base(g.Alerts)
	for _, args := range [][]string{
		{"check", "rules", rules},
		{"test", "rules", strings.TrimSuffix(rules, ".yml") + "_test.yml"},
		{"check", "config", "prometheus.yml"},
	} {
		c := exec.CommandContext(t.Context(), promtool, args...)
		c.Dir = filepath.Dir(g.Alerts)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}

func (g Given) dashboardFits(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, g.Dashboard)), &dashboard); err != nil {
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
			if g.Expressions(t, "panel "+p.Title, target.Expr) == 0 {
				t.Errorf("panel %q asks for no metric of ours: %s", p.Title, target.Expr)
			}
		}
	}
	if graphs == 0 {
		t.Error("the dashboard is empty")
	}
}

// dashboardParses lets promtool read each expression as a rule.
func (g Given) dashboardParses(t *testing.T) {
	promtool := need.Program(t, "promtool", "prometheus")
	var rules []any
	for _, m := range regexp.MustCompile(`"expr": ("(?:[^"\\]|\\.)*")`).FindAllStringSubmatch(read(t, g.Dashboard), -1) {
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
	// JSON is valid YAML.
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "g", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", "--lint=none", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
