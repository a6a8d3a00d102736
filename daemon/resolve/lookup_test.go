package resolve

import (
	"bytes"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
)

// TestWhatALookupGoesByIsItsOwn: a connection reads the next line into the bytes of
// the line before. A copy of the lookup, with a Token of its own, is not affected.
func TestWhatALookupGoesByIsItsOwn(t *testing.T) {
	k := newHarness(t, func(c *config.Config) {
		for i := range c.Projects {
			if c.Projects[i].Preset == "stack" {
				c.Projects[i].APIKeys = []string{config.APIKeysUser}
			}
		}
	})
	for project, credential := range map[string]string{
		"stack": "sk_9aysekayw0y64xwz6faqkdx6pt82dzdnyy1n4m2r2pvk0a84b4fe3bc83483ba95c1022bb0d1e80user0574ck4u7h27c267ec",
		"neon":  "0123456789012345678901234567890123456789",
	} {
		line := []byte(credential)
		l := Lookup{Project: k.project(project), Token: line}
		l.classify()
		if l.kind != opaque {
			t.Fatalf("%s: a credential that is meant for the upstream is of kind %d", project, l.kind)
		}
		own := l
		own.Token = bytes.Clone(line)
		goes, purged, digest := string(own.revoked()), own.purged(), own.Digest()
		for i := range line {
			line[i] = 'x'
		}
		if string(own.revoked()) != goes || own.purged() != purged || own.Digest() != digest {
			t.Errorf("%s: what a lookup goes by has changed with the bytes of its line", project)
		}
	}
}

// TestWithoutAPlaceNothingIsTakenFromTheAllowance: a lookup that has to wait for a place
// costs its asker none of the session credentials that it may ask about.
func TestWithoutAPlaceNothingIsTakenFromTheAllowance(t *testing.T) {
	k := newHarness(t, nil)
	k.resolver.places.upstream = fair.NewPool(fair.Shares{Total: 1, Each: 1})
	admitted := func() (*Lookup, bool) {
		l := k.profile(k.project("neon"), "0123456789012345678901234567890123456789")
		l.classify()
		return l, k.resolver.Admit(l)
	}
	first, ok := admitted()
	if !ok {
		t.Fatal("the first was refused")
	}
	for range 2 * fair.SessionBurst {
		if _, ok := admitted(); ok {
			t.Fatal("there is only one place")
		}
	}
	k.resolver.Leave(first)
	for n := range 2 * fair.SessionBurst {
		l, ok := admitted()
		if want := n < fair.SessionBurst-1; ok != want {
			t.Fatalf("%d: %v, want %v", n, ok, want)
		}
		if ok {
			k.resolver.Leave(l)
		}
	}
}
