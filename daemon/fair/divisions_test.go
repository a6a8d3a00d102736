package fair

import "testing"

// TestDivisionsAreSound: one caller gets something, but not everything, and something is kept wherever there is enough.
func TestDivisionsAreSound(t *testing.T) {
	for name, s := range map[string]Shares{
		"connections":     Connections(4096, 1024),
		"few connections": Connections(7, 7),
		"waiting":         Waiting(),
		"session askers":  SessionAskers(),
		"one processor":   Verifications(1),
		"two processors":  Verifications(2),
		"many processors": Verifications(64),
		"new keys":        NewKeys(),
		"calls":           Calls(),
		"unsent bodies":   UnsentBodies(),
		"wide buffers":    WideBuffers(),
		"send buffers":    SendBuffers(),
		"notices":         Notices(),
		"watches":         Watches(),
	} {
		if s.Each < 1 || s.Each > s.Total || s.Kept < 0 || s.Kept >= s.Total || !s.Admit(0, 0, 1) {
			t.Errorf("%s: %+v", name, s)
		}
		if s.Total >= 8 && s.Kept == 0 && name != "many processors" || s.Total < 8 && s.Kept > 0 {
			t.Errorf("%s: of %d, %d are kept", name, s.Total, s.Kept)
		}
	}
}

// TestWhatIsDividedFitsTheUnit adds up what callers can make the daemon and the kernel hold, all at the same time and
// with a full cache. MemoryMax= of the unit is 400 MiB.
func TestWhatIsDividedFitsTheUnit(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	connections := Connections(4096, 1024).Total
	wide, roomy := WideBuffers().Total, SendBuffers().Total
	held := 20*mib + 64*mib + // the program and the cache
		connections*(12+20)*kib + wide*64*kib + // what each connection holds, including replies of its own
		UnsentBodies().Total +
		Watches().Total*(8+4)*kib + 2*WatchBacklogs + // a goroutine and a part of the lines for each watch, in buffers that have doubled
		roomy*220*kib + (connections-roomy)*13*kib
	if held > 400*mib {
		t.Errorf("%d MiB can be held", held/mib)
	}
}
