package fleet

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOnlyWhatWasSealedForThisPlaceOpens(t *testing.T) {
	ring := newKeyring("prod", []Key{testKey(t, 1)})
	home := sealedAt{"mark", "marks", "r:name"}
	sealed := string(ring.seal(home, []byte("text")))
	if text, key, err := ring.open(home, sealed); err != nil || string(text) != "text" || key != 0 {
		t.Fatalf("%q, key %d, %v", text, key, err)
	}
	for what, p := range map[string]sealedAt{
		"another record": {"entry", "marks", "r:name"}, "another key": {"mark", "log", "r:name"}, "another field": {"mark", "marks", "u:name"},
		"moved bounds": {"mark", "marksr:", "name"},
	} {
		if _, _, err := ring.open(p, sealed); err == nil {
			t.Errorf("opens in the place of %s", what)
		}
	}
	if _, _, err := newKeyring("test", []Key{testKey(t, 1)}).open(home, sealed); err == nil {
		t.Error("opens in another fleet")
	}
	if _, _, err := newKeyring("prod", []Key{testKey(t, 2)}).open(home, sealed); err == nil {
		t.Error("opens under another key")
	}
	for i := range len(sealed) {
		changed := sealed[:i] + string(sealed[i]^1) + sealed[i+1:]
		if _, _, err := ring.open(home, changed); err == nil {
			t.Fatalf("opens with byte %d changed", i)
		}
		if _, _, err := ring.open(home, sealed[:i]); err == nil {
			t.Fatalf("opens when cut after %d bytes", i)
		}
	}
}

func TestTheFirstKeySealsAndAllOpen(t *testing.T) {
	before := newKeyring("f", []Key{testKey(t, 1), testKey(t, 2)})
	after := newKeyring("f", []Key{testKey(t, 2), testKey(t, 1)})
	p := sealedAt{"mark", "k", "f"}
	if _, key, err := after.open(p, string(before.seal(p, nil))); err != nil || key != 1 {
		t.Errorf("key %d, %v", key, err)
	}
	if _, key, err := before.open(p, string(after.seal(p, nil))); err != nil || key != 1 {
		t.Errorf("key %d, %v", key, err)
	}
	if n := subject("u"); before.markName(0, n) != after.markName(1, n) || before.markName(0, n) == after.markName(0, n) {
		t.Error("names do not go by the key")
	}
}

func TestSealsAndNamesTellNothing(t *testing.T) {
	ring := newKeyring("f", []Key{testKey(t, 1)})
	p := sealedAt{"mark", "k", "f"}
	if string(ring.seal(p, []byte("canary"))) == string(ring.seal(p, []byte("canary"))) {
		t.Error("two seals of one text are alike")
	}
	if len(ring.seal(p, nil)) != len(ring.seal(p, make([]byte, padding-4))) || len(ring.seal(p, nil)) == len(ring.seal(p, make([]byte, padding-3))) {
		t.Error("lengths are not rounded up")
	}
	all := string(ring.seal(p, []byte("canary"))) + ring.markName(0, subject("canary")) + fmt.Sprintf("%v %+v %#v %s", testKey(t, 1), testKey(t, 1), testKey(t, 1), testKey(t, 1))
	if strings.Contains(all, "canary") || strings.Contains(all, "AAAA") || strings.Contains(all, string(ring.keys[0].sealing)) {
		t.Error("something shows")
	}
}

func TestManyRunsOpenAndFewAreKept(t *testing.T) {
	reader := newKeyring("f", []Key{testKey(t, 1)})
	p := sealedAt{"mark", "k", "f"}
	for range maxOpened + 10 {
		if _, _, err := reader.open(p, string(newKeyring("f", []Key{testKey(t, 1)}).seal(p, []byte("x")))); err != nil {
			t.Fatal(err)
		}
		if len(reader.opened) > maxOpened {
			t.Fatal("more are kept than there may be")
		}
	}
}

func TestAKeyIsReadAsItIsPrinted(t *testing.T) {
	if _, err := ParseKey(GenerateKey()); err != nil || GenerateKey() == GenerateKey() {
		t.Error(err)
	}
	key := GenerateKey()
	for _, wrong := range []string{"", key[1:], key + "A", key + "\n", strings.Repeat("!", len(key)), key[:40]} {
		if _, err := ParseKey(wrong); err == nil || wrong != "" && strings.Contains(err.Error(), wrong) {
			t.Errorf("%d bytes: %v", len(wrong), err)
		}
	}
}

func TestAMarkOpensOnlyUnderItsOwnName(t *testing.T) {
	r := records{newKeyring("f", []Key{testKey(t, 1)}), newEngineKeys("f")}
	rapid.Check(t, func(rt *rapid.T) {
		m := drawMark(rt, "m")
		m.Revoked++
		args := r.announcement(m, nil)
		if got, _, ok := r.openEntry(args[0], args[1]); !ok || got != m {
			rt.Fatalf("entry: %+v, %v", got, ok)
		}
		got, undone, _, ok := r.openField("r:"+args[0], args[2]+args[3])
		if !ok || undone || got.Revoked != m.Revoked || got.At != m.At || got.Until != m.Until || got.Undone != 0 {
			rt.Fatalf("revoked: %+v, %v", got, ok)
		}
		raised := digits(uint64(m.Revoked)+1) + args[2][20:]
		if _, _, _, ok := r.openField("r:"+args[0], raised+args[3]); ok {
			rt.Fatal("opens with another order in clear")
		}
		if _, _, _, ok := r.openField("u:"+args[0], args[2]+args[3]); ok {
			rt.Fatal("a revocation opens as one taken back")
		}
		if m.Undone == 0 {
			return
		}
		if got, undone, _, ok := r.openField("u:"+args[0], args[5]+args[6]); !ok || !undone || got.Undone != m.Undone || got.Revoked != 0 {
			rt.Fatalf("undone: %+v, %v", got, ok)
		}
	})
}
