package neonauthd_test

import (
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestAnExpiredAuthorityOfAFleetIsNamed by --check and in the log, as a project's is: that the
// engine's certificate is not trusted does not say why.
func TestAnExpiredAuthorityOfAFleetIsNamed(t *testing.T) {
	t.Parallel()
	u, f := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	f.Write(t, "fleet-key", fleet.GenerateKey()+"\n")
	over, good := authorityUntil(t, time.Now().Add(-time.Hour)).pem, newAuthority(t).pem
	f.Write(t, "ca.pem", good+over)
	f.Configure(t, e2e.Settings{Tables: []string{
		"[fleet]\nname = \"test\"\nurls = [\"rediss://127.0.0.1:1\"]\nkeys = [\"./fleet-key\"]\nca = \"./ca.pem\"\n",
		u.Project(t, f, standin.Stack),
	}})
	expired := f.Path("ca.pem") + ": certificate 2 has expired on "
	if out, _ := checked(t, f); !strings.Contains(out, "ca          ./ca.pem, in place of the system's: 2 certificate(s)\n  warn        "+expired) {
		t.Errorf("--check says\n%s", out)
	}
	p := f.Start(t)
	p.Stop(t)
	if log := p.Written(); !strings.Contains(log, "an authority of fleet.ca is of no use") || !strings.Contains(log, expired) {
		t.Errorf("the log says\n%s", log)
	}
	f.Write(t, "ca.pem", over)
	if out, code := checked(t, f); code == 0 || !strings.Contains(out, "WRONG       ca: no certificate in it is valid now") {
		t.Errorf("--check ends with %d and says\n%s", code, out)
	}
}
