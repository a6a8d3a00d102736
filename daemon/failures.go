package daemon

import (
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// failure is the last time that a project's upstream did not answer one kind of
// question.
type failure struct {
	Of     string `json:"of"`
	At     int64  `json:"at"`
	Kind   string `json:"kind"`
	Status int    `json:"status"`
	Cause  string `json:"cause"`
	Over   bool   `json:"over"`
}

// failuresOf returns the failures of the project, with the key set's first.
func failuresOf(p *resolve.ProjectState) []failure {
	all := []failure{}
	if f := &p.Keys.Failure; !f.At.IsZero() {
		all = append(all, failure{"keyset", f.At.Unix(), f.Kind, f.Status, f.Cause, f.Over})
	}
	for _, f := range p.Failures {
		all = append(all, failure{f.Of, f.At.Unix(), f.Meaning.String(), f.Status, f.Cause, f.Over})
	}
	return all
}

// whyNoKeys returns why the last fetch of the project's key set failed; "" if it did not
// fail.
func whyNoKeys(p *resolve.ProjectState) string {
	if p.Keys.Failure.Over {
		return ""
	}
	return p.Keys.Failure.Cause
}

// whyNoProfiles returns why the project's calls other than for the key set fail now; ""
// if none fails.
func whyNoProfiles(p *resolve.ProjectState) string {
	var causes []string
	for _, f := range p.Failures {
		if !f.Over && !slices.Contains(causes, f.Cause) {
			causes = append(causes, f.Cause)
		}
	}
	return strings.Join(causes, "; ")
}

// circuitOf returns the state of one of the project's two circuits, for profiles and for introspection: of the one that
// lets fewer calls through.
func circuitOf(p *resolve.ProjectState) upstream.CircuitState {
	return max(p.Upstream.Circuit, p.Introspection.Circuit)
}

// misconfigured reports whether something fails now that only the operator can mend.
func misconfigured(p *resolve.ProjectState) bool {
	return slices.ContainsFunc(p.Failures, func(f upstream.LastFailure) bool { return !f.Over && f.Meaning == upstream.Misconfigured })
}

// withCauses returns a project's name with the causes that are known.
func withCauses(name string, causes ...string) string {
	causes = slices.DeleteFunc(causes, func(cause string) bool { return cause == "" })
	if len(causes) == 0 {
		return name
	}
	return name + " (" + strings.Join(causes, "; ") + ")"
}
