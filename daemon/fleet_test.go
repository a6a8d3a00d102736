package daemon

import (
	"testing"

	"github.com/neonauthd/neonauthd/daemon/fleet"
)

func TestStatesOfHosts(t *testing.T) {
	for want, hosts := range map[string][]fleet.Host{
		"heard":     {{Opens: true, Heard: true}},
		"broken":    {{Opens: true, Heard: true, Broken: true}},
		"silent":    {{Opens: true, Silent: true}, {Opens: true, Silent: true, Broken: true}},
		"refusing":  {{Opens: true}, {Opens: true, Broken: true}},
		"left":      {{Opens: true, Left: true}},
		"other-key": {{}, {Heard: true}, {Silent: true}},
	} {
		for _, h := range hosts {
			if got := hostState(h); got != want {
				t.Errorf("%+v: %s, want %s", h, got, want)
			}
		}
	}
}
