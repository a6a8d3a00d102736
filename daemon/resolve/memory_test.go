package resolve

import (
	"reflect"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyset"
)

// TestSizesThatAreAccountedForAreTrue compares the constants with the
// structures, rounded up to the next size of the allocator.
func TestSizesThatAreAccountedForAreTrue(t *testing.T) {
	for _, c := range []struct {
		name        string
		is, counted uintptr
	}{
		{"entry", reflect.TypeFor[entry]().Size(), entryBytes},
		{"profile", reflect.TypeFor[profile]().Size(), profileBytes},
	} {
		if c.is > c.counted || c.counted > c.is+c.is/4 {
			t.Errorf("%s takes %d bytes, %d are counted", c.name, c.is, c.counted)
		}
	}
}

// TestAnOpaqueCredentialsEntryIsAccountedFor keeps the same profile for a token and
// for an opaque credential, whose entry stands in no other place of the memory.
func TestAnOpaqueCredentialsEntryIsAccountedFor(t *testing.T) {
	now := time.Now()
	l := &Lookup{Project: &Project{name: "main"}, Token: []byte("opaque")}
	l.Project.table.Store(&config.Project{ProfileFresh: config.Duration(time.Minute)})
	e := newEntry(l, &keyset.Claims{Subject: "ada", Expires: now.Add(time.Hour)}, 0, now)
	taken := func(of *entry) int64 {
		m, err := newMemory(config.MinCacheBytes, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		before := m.Stats().Bytes
		m.keepProfile(cache.Key{1}, &profile{project: l.Project, asked: now, body: []byte("{}"), entry: of}, now)
		return m.Stats().Bytes - before
	}
	if without, with := taken(nil), taken(e); with-without != e.bytes() || e.bytes() < entryBytes+64 {
		t.Errorf("%d bytes without an entry, %d with an entry of %d", without, with, e.bytes())
	}
}

func TestMemoryKeepsNothingThatHasExpired(t *testing.T) {
	m, err := newMemory(config.MinCacheBytes, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	p := &Project{name: "main"}
	now := time.Now()
	gone := &entry{project: p, subject: "ada", expires: now.Unix() - 1, deadline: now}
	m.keepEntry(cache.Key{1}, gone, now)
	if m.entry(&cache.Key{1}, now) != nil {
		t.Error("an expired verdict is kept")
	}
	good := &entry{project: p, subject: "ada", expires: now.Unix() + 60, deadline: now.Add(time.Minute)}
	m.keepEntry(cache.Key{2}, good, now)
	if m.entry(&cache.Key{2}, now) != good || m.profile(&cache.Key{2}, now) != nil {
		t.Error("a verdict is not found, or taken for a profile")
	}
}
