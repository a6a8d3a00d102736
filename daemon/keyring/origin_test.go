package keyring

import (
	"log/slog"
	"testing"
	"testing/synctest"
)

func TestAnOriginAdmitsWhatNobodyVouchedForWhoIsTrustedNoMore(t *testing.T) {
	for _, c := range []struct {
		name        string
		before, now Origin
		admits      bool
	}{
		{"the same", Origin{URL: "u", Authorities: []string{"a", "b"}}, Origin{URL: "u", Authorities: []string{"b", "a"}}, true},
		{"one more", Origin{URL: "u", Authorities: []string{"a"}}, Origin{URL: "u", Authorities: []string{"a", "b"}}, true},
		{"one less", Origin{URL: "u", Authorities: []string{"a", "b"}}, Origin{URL: "u", Authorities: []string{"a"}}, false},
		{"another one", Origin{URL: "u", Authorities: []string{"a"}}, Origin{URL: "u", Authorities: []string{"b"}}, false},
		{"the system's", Origin{URL: "u"}, Origin{URL: "u"}, true},
		{"in place of the system's", Origin{URL: "u"}, Origin{URL: "u", Authorities: []string{"a"}}, false},
		{"the system's instead", Origin{URL: "u", Authorities: []string{"a"}}, Origin{URL: "u"}, false},
		{"plain http as well", Origin{URL: "u"}, Origin{URL: "u", PlainHTTP: true}, true},
		{"plain http no more", Origin{URL: "u", PlainHTTP: true}, Origin{URL: "u"}, false},
		{"another address", Origin{URL: "u"}, Origin{URL: "v"}, false},
	} {
		if c.now.Admits(&c.before) != c.admits {
			t.Errorf("%s: admitted is %v", c.name, !c.admits)
		}
	}
}

// TestKeysAreInheritedByTheirOrigin: the same rule holds for the set in memory, the saved set
// and the saved issuer.
func TestKeysAreInheritedByTheirOrigin(t *testing.T) {
	one, two := keysOrigin, keysOrigin
	one.Authorities, two.Authorities = []string{"a"}, []string{"a", "b"}
	for _, c := range []struct {
		before, now Origin
		kept        bool
	}{{one, two, true}, {two, one, false}, {keysOrigin, one, false}} {
		synctest.Test(t, func(t *testing.T) {
			dir := openStateDir(t)
			before := newRig(t, NewStore(dir, "main", c.before))
			before.start()
			synctest.Wait()
			before.stop()
			if err := NewIssuerFile(dir, "main", c.before).Save("https://issuer"); err != nil {
				t.Fatal(err)
			}
			saved := newRig(t, NewStore(dir, "main", c.now))
			inherited := newRig(t, NewStore(nil, "main", c.now))
			inherited.Inherit(before.Ring)
			issuers := NewIssuerFile(dir, "main", c.now).Load(slog.New(slog.DiscardHandler))
			isSaved, isInherited, isIssuer := saved.current.Load() != nil, inherited.current.Load() != nil, len(issuers) > 0
			if isSaved != c.kept || isInherited != c.kept || isIssuer != c.kept {
				t.Errorf("%v after %v: saved %v, inherited %v, issuer %v", c.now, c.before, isSaved, isInherited, isIssuer)
			}
		})
	}
}
