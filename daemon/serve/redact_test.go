package serve

import (
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/strictjson"
)

func TestOnlyProfilesOfCallersWithSuchARuleAreRedacted(t *testing.T) {
	body := []byte(`{"a":1,"b":2}`)
	rule := &callerRule{withhold: []strictjson.Path{{"a"}}}
	for _, c := range []struct {
		name       string
		permission permission
		level      resolve.Level
		want       string
	}{
		{"profile", permission{rule: rule}, resolve.LevelProfile, `{"b":2}`},
		{"claims", permission{rule: rule}, resolve.LevelClaims, string(body)},
		{"no rule", permission{unlimited: true}, resolve.LevelProfile, string(body)},
		{"rule that withholds nothing", permission{rule: &callerRule{}}, resolve.LevelProfile, string(body)},
	} {
		for _, size := range []int{len(body), MinShared} {
			v := &resolve.Verdict{Level: c.level, Body: padded(string(body), size)}
			original := string(v.Body)
			held, ok := c.permission.redact(v, fair.ID{}, fair.NewBodies(fair.Shares{Total: 3 * size, Each: 3 * size}))
			if want := string(padded(c.want, size-len(body)+len(c.want))); !ok || string(v.Body) != want {
				t.Errorf("%s: %.40s, %v, want %.40s", c.name, v.Body, ok, want)
			}
			if shared := held.Bytes() != nil; shared != (size >= MinShared) || shared && string(held.Bytes()) != string(v.Body) {
				t.Errorf("%s, %d bytes: shared %v", c.name, size, shared)
			}
			if c.want == string(body) && string(v.Body) != original {
				t.Errorf("%s: changed", c.name)
			}
		}
	}
}

// padded returns the object with its last member, a number, made so long that the
// object has that size.
func padded(object string, size int) []byte {
	cut := len(object) - 1
	return []byte(object[:cut] + strings.Repeat("0", size-len(object)) + object[cut:])
}
