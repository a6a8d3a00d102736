package linkage

import "testing"

// TestTheLinkIsDoubtedAfterSoManyFreshTokens: each token counts once, and no token was
// called active between them.
func TestTheLinkIsDoubtedAfterSoManyFreshTokens(t *testing.T) {
	var w Watch
	inactive := func(n byte, fresh bool) Change { return w.Inactive([32]byte{n}, fresh) }
	for n := range byte(DoubtAfter - 1) {
		if got := inactive(n, true); got != None {
			t.Errorf("after %d: %d", n+1, got)
		}
	}
	if inactive(0, true) != None || inactive(100, false) != None || w.State().Unlinked {
		t.Error("the same token again, or an old one, counts")
	}
	if inactive(DoubtAfter, true) != Doubted || inactive(DoubtAfter+1, true) != Doubted || !w.State().Unlinked {
		t.Error("it is not doubted")
	}
	if w.Active() != Settled || w.Active() != None || w.State().Unlinked {
		t.Error("it stays doubted")
	}
	if inactive(1, true) != None {
		t.Error("those before count on")
	}
	if s := w.State(); s.Active != 2 || s.Inactive != DoubtAfter+4 {
		t.Errorf("%+v", s)
	}
}
