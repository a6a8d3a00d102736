package daemon

import (
	"strings"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve"
)

// keysReport is the part of KEYS's answer about one project.
type keysReport struct {
	Name     string         `json:"name"`
	Fetched  int64          `json:"fetched"`
	Next     int64          `json:"next"`
	Failures int            `json:"failures"`
	Source   string         `json:"source"`
	Keys     []*keyReport   `json:"keys"`
	Skipped  []skippedEntry `json:"skipped"`
	Problem  string         `json:"problem"`
}

type keyReport struct {
	KeyID      string `json:"kid"`
	Algorithm  string `json:"alg"`
	Thumbprint string `json:"thumbprint"`
	Withdrawn  bool   `json:"withdrawn"`
}

type skippedEntry struct {
	Index int    `json:"index"`
	Why   string `json:"why"`
}

func reportKey(k *keyset.Key) *keyReport {
	var algorithms []string
	for _, alg := range k.Algorithms() {
		algorithms = append(algorithms, string(alg))
	}
	return &keyReport{KeyID: k.ID(), Algorithm: strings.Join(algorithms, ","), Thumbprint: k.Thumbprint(), Withdrawn: k.Withdrawn()}
}

// reportKeys describes the keys in use.
func reportKeys(p resolve.ProjectState) keysReport {
	k := &p.Keys
	out := keysReport{Name: p.Name, Failures: k.FailuresInARow, Next: k.Next.Unix(), Source: "none", Keys: []*keyReport{}, Skipped: []skippedEntry{}, Problem: k.Problem}
	for _, s := range k.Skipped {
		out.Skipped = append(out.Skipped, skippedEntry{s.Index, s.Why})
	}
	if k.Set == nil {
		return out
	}
	out.Fetched = k.Fetched.Unix()
	switch {
	case k.Stale:
		out.Source = resolve.SourceStale.String()
	case k.Saved:
		out.Source = resolve.SourceCache.String()
	default:
		out.Source = resolve.SourceUpstream.String()
	}
	for _, key := range k.Set.Keys() {
		out.Keys = append(out.Keys, reportKey(key))
	}
	return out
}
