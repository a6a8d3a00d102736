package authrequest

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

// TestAnAnswerIsReusedWhileItWouldDoAgain: the time for which the same location
// would accept the answer again.
func TestAnAnswerIsReusedWhileItWouldDoAgain(t *testing.T) {
	t.Parallel()
	asked := time.Now()
	for query, want := range map[string]time.Duration{
		"level=profile":                       50 * time.Second, // the daemon's ttl
		"level=profile&max-age=86400":         50 * time.Second,
		"level=profile&max-age=20":            12 * time.Second, // the age may be a second more than it says
		"level=profile&max-age=8":             0,
		"level=profile&max-age=0":             0,
		"level=profile&heard=60":              0,
		"level=profile&heard=60&max-age=9":    0,
		"level=profile&require=clean-headers": 0, // another request with the token may have other headers
	} {
		r, err := parseRequirement(query)
		if err != nil {
			t.Fatal(err)
		}
		a := client.Accepted{Level: client.LevelProfile, Subject: "u", Age: 5 * time.Second, TTL: 52 * time.Second, Expires: asked.Add(time.Hour), JSON: []byte("{}")}
		if f := judge(a, &r, everything(), asked, asked.Add(2*time.Second)); f.outcome != accepted || f.reuse != want {
			t.Errorf("%q: %s, and to be reused for %s, want %s", query, f.outcome, f.reuse, want)
		}
		a.Expires = asked.Add(5 * time.Second)
		if f := judge(a, &r, everything(), asked, asked.Add(2*time.Second)); f.reuse > 3*time.Second {
			t.Errorf("%q: to be reused for %s after the token has ended", query, f.reuse)
		}
	}
}
