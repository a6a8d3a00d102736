package cache

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// believed is what the model knows of one key.
type believed struct {
	value   int
	expires time.Time
	group   uint64
	after   int64 // cost of this entry and all that were set after it
	newer   int   // entries of its group set after it
}

// machine drives a Cache and a model of what it promises.
type machine struct {
	cache *Cache[*int]
	clock *handClock
	keys  []Key
	model map[Key]*believed
	next  int
}

// modelKeys returns keys in groups: three share an index hash, and six a shard.
func modelKeys() []Key {
	keys := make([]Key, 18)
	for i := range keys {
		keys[i] = Key{0: byte(i / 6), 1: byte(i / 3 % 2), 8: byte(i), 31: byte(i)}
	}
	return keys
}

func (m *machine) key(t *rapid.T) Key { return rapid.SampledFrom(m.keys).Draw(t, "key") }

func (m *machine) set(t *rapid.T) {
	k := m.key(t)
	group := rapid.Uint64Range(0, 3).Draw(t, "group")
	cost := rapid.OneOf(rapid.Int64Range(-1, 2000), rapid.Int64Range(-1, 2000), rapid.Int64Range(0, 60<<10)).Draw(t, "cost")
	lifetime := rapid.SampledFrom([]time.Duration{
		-1, 0, 1, time.Second, time.Second, time.Minute, time.Minute, time.Hour, time.Hour, 1<<63 - 1,
	}).Draw(t, "lifetime")
	m.next++
	value := m.next
	m.cache.Set(k, group, &value, cost, lifetime)

	delete(m.model, k)
	full := max(cost, 0) + Overhead
	if lifetime <= 0 || full > m.cache.limits.entry {
		return
	}
	for other, b := range m.model {
		if m.cache.hash(&other) == m.cache.hash(&k) {
			delete(m.model, other) // One entry per hash: the collision costs the older one its place.
			continue
		}
		b.after += full
		if b.group == group {
			b.newer++
		}
	}
	expires := m.clock.now().Add(lifetime)
	if lifetime == 1<<63-1 {
		expires = time.Unix(1<<40, 0)
	}
	m.model[k] = &believed{value: value, expires: expires, group: group, after: full}
}

// get checks that a hit is the newest value, and that what is in the window and within its group's bound is a hit.
func (m *machine) get(t *rapid.T) {
	k := m.key(t)
	m.check(t, k)
}

func (m *machine) check(t *rapid.T, k Key) {
	v, ok := m.cache.Get(&k)
	b := m.model[k]
	if b != nil && !m.clock.now().Before(b.expires) {
		b = nil
	}
	switch {
	case ok && b == nil:
		t.Fatalf("key %d: found %d, which should be gone", k[31], *v)
	case ok && *v != b.value:
		t.Fatalf("key %d: found %d, want %d", k[31], *v, b.value)
	case !ok && b != nil && b.newer < int(m.cache.perGroup) && b.after <= m.cache.limits.window:
		t.Fatalf("key %d: not found, though its window of newer entries is %d of %d bytes", k[31], b.after, m.cache.limits.window)
	case !ok && b != nil && b.newer == 0 && b.after <= m.cache.limits.entry && b.value == m.next:
		t.Fatalf("key %d: not found right after Set", k[31])
	case !ok:
		delete(m.model, k) // An entry that has left does not come back.
	}
}

func (m *machine) delete(t *rapid.T) {
	k := m.key(t)
	m.cache.Delete(k)
	delete(m.model, k)
}

func (m *machine) purge(*rapid.T) {
	m.cache.Purge()
	clear(m.model)
}

// renew gives the values of one group that have not ended another lifetime.
func (m *machine) renew(t *rapid.T) {
	group := rapid.Uint64Range(0, 3).Draw(t, "renewed group")
	lifetime := rapid.SampledFrom([]time.Duration{0, 1, time.Second, time.Minute, time.Hour}).Draw(t, "renewed lifetime")
	now, renewed := m.clock.now(), map[int]*believed{}
	for _, b := range m.model {
		if b.group == group && now.Before(b.expires) {
			renewed[b.value] = b
		}
	}
	m.cache.Renew(func(v *int) (time.Duration, bool) {
		return lifetime, renewed[*v] != nil
	})
	for _, b := range renewed {
		b.expires = now.Add(lifetime)
	}
}

func (m *machine) wait(t *rapid.T) {
	m.clock.advance(rapid.SampledFrom([]time.Duration{1, time.Second - 1, time.Second, time.Minute}).Draw(t, "time"))
}

func TestCacheAgreesWithItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{clock: &handClock{}, keys: modelKeys(), model: make(map[Key]*believed)}
		c, err := New[*int](Config{MaxBytes: MinBytes, PerGroup: 3, Now: m.clock.now})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		m.cache = c
		t.Repeat(map[string]func(*rapid.T){
			"set":  m.set,
			"set2": m.set,
			"set3": m.set,
			"get":  m.get,
			"get all": func(t *rapid.T) {
				for _, k := range m.keys {
					m.check(t, k)
				}
			},
			"delete": m.delete,
			"purge":  m.purge,
			"renew":  m.renew,
			"wait":   m.wait,
			"sweep":  func(*rapid.T) { c.Sweep() },
			"settle": func(*rapid.T) { c.settle() },
		})
		for _, k := range m.keys {
			m.check(t, k)
		}
		examine(t, c)
	})
}

func TestRecentAgreesWithItsModel(t *testing.T) {
	type remembered struct {
		value   int
		expires time.Time
	}
	rapid.Check(t, func(t *rapid.T) {
		clock := &handClock{}
		r := NewRecent[int](recentWays, clock.now)
		keys := make([]Key, recentWays+4)
		for i := range keys {
			keys[i] = Key{31: byte(i)}
		}
		model := make(map[Key]remembered)
		key := rapid.SampledFrom(keys)
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k, lifetime := key.Draw(t, "key"), time.Duration(rapid.IntRange(-1, 5).Draw(t, "lifetime"))
				next++
				r.Set(k, next, lifetime)
				delete(model, k)
				if lifetime > 0 {
					model[k] = remembered{next, clock.now().Add(lifetime)}
				}
			},
			"get": func(t *rapid.T) {
				k := key.Draw(t, "key")
				v, ok := r.Get(&k)
				want, known := model[k]
				known = known && clock.now().Before(want.expires)
				if ok && (!known || v != want.value) {
					t.Fatalf("found %d, want %+v (%v)", v, want, known)
				}
				if !ok && known && len(model) <= recentWays {
					t.Fatal("forgotten though there was room")
				}
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "key")
				r.Delete(k)
				delete(model, k)
			},
			"purge": func(*rapid.T) { r.Purge(); clear(model) },
			"wait":  func(*rapid.T) { clock.advance(1) },
		})
	})
}
