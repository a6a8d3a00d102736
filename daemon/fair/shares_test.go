package fair

import "testing"

func TestSharesAdmitUpToEachBound(t *testing.T) {
	s := Shares{Total: 100, Each: 60, Kept: 20}
	for _, c := range []struct {
		name          string
		own, taken, n int
		want          bool
	}{
		{"nothing held", 0, 0, 1, true},
		{"last of one caller", 59, 59, 1, true},
		{"one more than one caller may have", 60, 60, 1, false},
		{"last that anybody may have", 40, 79, 1, true},
		{"first that is kept, by a caller that holds more than is free", 40, 80, 1, false},
		{"first that is kept, by one that then holds an eighth of what was free", 1, 80, 1, true},
		{"first that is kept, by one that then holds more", 2, 80, 1, false},
		{"several at once, up to what is kept", 10, 70, 10, true},
		{"several at once, one of them kept", 10, 70, 11, false},
		{"several at once, one of them kept, by one that holds nothing", 0, 70, 11, true},
		{"last of all, by one that holds nothing", 0, 99, 1, true},
		{"last of all, by one that holds one", 1, 99, 1, false},
		{"one more than there are", 0, 100, 1, false},
		{"fewer than none", 5, 5, -1, false},
	} {
		if got := s.Admit(c.own, c.taken, c.n); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if (Shares{}).Admit(0, 0, 1) {
		t.Error("the zero value gives something")
	}
}

// TestSomethingIsLeftForTheNextCaller lets more and more callers take as much as they can
// get.
func TestSomethingIsLeftForTheNextCaller(t *testing.T) {
	s := Shares{Total: 4096, Each: 1024, Kept: 512}
	taken := 0
	for greedy := range 40 {
		own := 0
		for s.Admit(own, taken, 1) {
			own, taken = own+1, taken+1
		}
		if free := s.Total - taken; greedy == 4 && free < s.Kept/2 {
			t.Errorf("five greedy callers leave %d of %d", free, s.Total)
		}
		if !s.Admit(0, taken, 1) {
			t.Fatalf("%d greedy callers leave nothing", greedy+1)
		}
	}
}
