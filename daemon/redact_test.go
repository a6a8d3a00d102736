package daemon

import (
	"testing"

	"github.com/neonauthd/neonauthd/internal/strictjson"
)

func TestOnlyProfilesOfCallersWithSuchARuleAreRedacted(t *testing.T) {
	body := []byte(`{"a":1,"b":2}`)
	rule := &callerRule{withhold: []strictjson.Path{{"a"}}}
	for _, c := range []struct {
		name   string
		access access
		level  Level
		want   string
	}{
		{"profile", access{rule: rule}, LevelProfile, `{"b":2}`},
		{"claims", access{rule: rule}, LevelClaims, string(body)},
		{"no rule", access{}, LevelProfile, string(body)},
		{"rule that withholds nothing", access{rule: &callerRule{}}, LevelProfile, string(body)},
	} {
		if got := string(c.access.redact(&Verdict{Level: c.level, Body: body})); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if string(body) != `{"a":1,"b":2}` {
		t.Error("the profile itself was changed")
	}
}
