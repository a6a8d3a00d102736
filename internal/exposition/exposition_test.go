package exposition

import (
	"strings"
	"testing"
)

func TestLabelsAreEscaped(t *testing.T) {
	var p Page
	p.Sample("m", 1.5, "a", "x\"\\\ny", "b", "")
	if got, want := p.String(), `m{a="x\"\\\ny",b=""} 1.5`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAFamilyHasHelpTypeAndSamples(t *testing.T) {
	var p Page
	p.Single("m_total", Counter, "What it counts.", 2)
	p.Process()
	for _, want := range []string{"# HELP m_total What it counts.\n# TYPE m_total counter\nm_total 2\n", "# TYPE go_goroutines gauge\ngo_goroutines "} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("there is no %q in\n%s", want, p.String())
		}
	}
}
