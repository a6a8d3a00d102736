package daemon

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/configcheck"
	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/internal/secretfile"
	"github.com/neonauthd/neonauthd/protocol"
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

// TestAPurgeThatIsNotSavedSaysSo: neonauthctl tells by the text what is left to do.
func TestAPurgeThatIsNotSavedSaysSo(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) {
		withoutOIDC(c)
		c.Fleet = fleetOfOne(t)
	})
	w.awaitFleet(t)
	state := w.config.StateDir
	if err := os.Rename(state, state+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if reply := w.dialAdmin().Ask("PURGE subject %s", w.user.ID); reply != "ERR unavailable "+protocol.TextNotSaved {
		t.Errorf("PURGE: %s", reply)
	}
}

// TestCheckWithoutCredentialsSaysWhatItCouldNotCheck: a credential is delivered to the
// service only, and the key of a fleet is one by default.
func TestCheckWithoutCredentialsSaysWhatItCouldNotCheck(t *testing.T) {
	t.Setenv(secretfile.Directory, "")
	f := fleetOfOne(t)
	f.Keys = []string{"fleet-key"}
	var out bytes.Buffer
	wrong, err := configcheck.Run(t.Context(), &out, config.Config{Fleet: f}, configcheck.Options{})
	text := out.String()
	if err != nil || wrong != 0 || !strings.Contains(text, "  ok          the user may do all that a fleet does\n") || !strings.Contains(text, "  unchecked   fleet key and password: ") {
		t.Errorf("%d wrong, %v\n%s", wrong, err, text)
	}
}
