package fleet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet/engineurl"
	"github.com/neonauthd/neonauthd/internal/foreign"
)

// Severity is how much a finding matters.
type Severity int

// The severities.
const (
	Fine      Severity = iota + 1
	Unchecked          // it could not be found out
	Warning            // it works, and something will bite
	Fault              // it does not work
)

// Finding is what Check found out, in words for an operator.
type Finding struct {
	Severity Severity
	Text     string
}

// scratchLife bounds how long what Check writes stays if it cannot remove it.
const scratchLife = time.Minute

// Check connects as a host would and says what it finds: whether the engine can
// be reached and is new enough, whether the user may do all that a fleet does,
// and whether what is there opens under the keys. It joins nothing and changes
// nothing of the fleet's; what it tries, it tries under a name of its own and
// removes. o needs no journal, id and clock. It takes no longer than ctx allows.
//
// Without keys in o the secrets are not known here, the password included if it is "".
// Then Check finds out what it can without them.
func Check(ctx context.Context, o Options) []Finding {
	e, err := dial(ctx, &o)
	if errors.Is(err, errPassword) && len(o.Keys) == 0 && o.Password == "" {
		return []Finding{{Fine, "the engine answers, and wants a password"}, {Unchecked, uncheckedText}}
	}
	if err != nil {
		return []Finding{{Fault, "cannot connect: " + err.Error() + wantsTLS(err, &o)}}
	}
	defer e.close()
	c := &checker{engine: e, o: &o}
	c.version(ctx)
	if c.allowed(ctx) && len(o.Keys) > 0 {
		c.opens(ctx)
	}
	if len(o.Keys) == 0 {
		c.say(Unchecked, uncheckedText)
	}
	return c.found
}

// wantsTLS returns what to add to the error if the engine ended a connection without TLS
// before it had said anything, as a port for TLS does; else "".
func wantsTLS(err error, o *Options) string {
	for _, raw := range o.URLs {
		if where, err := engineurl.Parse(raw); err != nil || where.TLS || where.Socket {
			return ""
		}
	}
	if !errors.Is(err, io.EOF) {
		return ""
	}
	return ": its port may be one for TLS; then write rediss:// into fleet.urls"
}

// uncheckedText is what Check says without keys.
const uncheckedText = "fleet key and password: a credential is delivered to the service only, whose log says at its start if one of them is wrong"

type checker struct {
	engine *engine
	o      *Options
	found  []Finding
}

func (c *checker) say(s Severity, format string, args ...any) {
	c.found = append(c.found, Finding{s, fmt.Sprintf(format, args...)})
}

// version looks at what the engine says of itself, if it says it to this user.
func (c *checker) version(ctx context.Context) {
	info, err := c.engine.commands.Do(ctx, c.engine.commands.B().Info().Build()).ToString()
	if err != nil {
		c.say(Warning, "the engine does not tell its version to this user (+info in its ACL): it has to be Valkey, or Redis 6.2 or later")
		return
	}
	c.versionIn(info)
}

// versionIn looks at the engine's answer to INFO, which is foreign text.
func (c *checker) versionIn(info string) {
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	name, version := "Redis", fields["redis_version"]
	if v := fields["valkey_version"]; v != "" {
		name, version = "Valkey", v
	}
	if !newEnough(version) {
		c.say(Fault, "%s %s is too old: a fleet needs Valkey, or Redis 6.2 or later", name, foreign.Quoted(version, maxSaid))
		return
	}
	c.say(Fine, "%s %s answers", name, foreign.Quoted(version, maxSaid))
	if policy := fields["maxmemory_policy"]; strings.HasPrefix(policy, "allkeys") {
		c.say(Warning, "the engine's maxmemory-policy %s removes revocations when memory is short: set noeviction, or a volatile-* one", foreign.Quoted(policy, maxSaid))
	}
}

// newEnough reports whether a version is 6.2 or later.
func newEnough(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (major > 6 || major == 6 && minor >= 2)
}

// allowed does once all that a host does, under a name of its own.
func (c *checker) allowed(ctx context.Context) bool {
	var random [8]byte
	_, _ = rand.Read(random[:])
	prefix := c.engine.keys.prefix + "check:" + hex.EncodeToString(random[:]) + ":"
	log, marks, last, hosts, value := prefix+"log", prefix+"marks", prefix+"last", prefix+"hosts", prefix+"p"
	all := []string{log, marks, last, hosts, value, value + "l", value + "b", value + "r"}
	digits60, digits40 := strings.Repeat("0", 59)+"1", strings.Repeat("0", 39)+"1"
	b := c.engine.commands.B()
	s := c.engine.scripts
	try := func(one script, keys, args []string) func() error {
		return func() error { _, err := run(ctx, c.engine.commands, one, keys, args); return err }
	}
	defer func() { _ = c.engine.commands.Do(ctx, b.Del().Key(all...).Build()).Error() }()
	for _, step := range []func() error{
		try(s.announce, []string{log, marks, last}, []string{"100", "8192", "1", "x", "x", digits60, "x", "", digits40, "x", ""}),
		try(s.hosts, []string{hosts, last, log}, append(hostsArgs(), "x", "x")),
		try(s.page, []string{marks, last}, []string{"0", "10", "8192"}),
		try(s.drop, []string{hosts}, []string{"x", sha1Hex("x")}),
		try(s.claim, all[4:], []string{"1000", "1000", "x", "1000", "0", "1000", "10", "0", "1000", "0"}),
		try(s.finish, all[4:], []string{"x", strings.Repeat("1", ageDigits) + "x", "1000", "0", "1", "1000"}),
		func() error {
			return explain(c.engine.commands.Do(ctx, b.Hset().Key(hosts).FieldValue().FieldValue("x", "x").Build()).Error())
		},
		func() error {
			return explain(c.engine.listening.Do(ctx, b.Xread().Count(1).Block(1).Streams().Key(log).Id("0-0").Build()).Error())
		},
		func() error {
			return explain(c.engine.commands.Do(ctx, b.Pexpire().Key(marks).Milliseconds(scratchLife.Milliseconds()).Build()).Error())
		},
	} {
		if err := step(); err != nil {
			c.say(Fault, "a fleet cannot work with this engine: %v", err)
			return false
		}
	}
	c.say(Fine, "the user may do all that a fleet does")
	return true
}

// opens looks whether what the fleet has there opens under the keys.
func (c *checker) opens(ctx context.Context) {
	ring := newKeyring(c.o.Name, c.o.Keys)
	r := records{ring, c.engine.keys}
	opened, old, closed := 0, 0, 0
	count := func(key int, ok bool) {
		switch {
		case !ok:
			closed++
		case key != 0:
			old++
		default:
			opened++
		}
	}
	at := "0"
	for first := true; first || at != "0"; first = false {
		page, err := run(ctx, c.engine.commands, c.engine.scripts.page, []string{c.engine.keys.marks, c.engine.keys.last}, []string{at, strconv.Itoa(pageCount), strconv.Itoa(maxMark)})
		if err != nil || len(page) < 3 {
			c.say(Fault, "the fleet's marks cannot be read: %v", err)
			return
		}
		at = page[0]
		for i := 3; i+1 < len(page); i += 2 {
			_, _, key, ok := r.openField(page[i], page[i+1])
			count(key, ok)
		}
	}
	began := time.Now()
	hosts, err := run(ctx, c.engine.commands, c.engine.scripts.hosts, c.engine.keys.ofHosts(), hostsArgs())
	if err != nil || len(hosts) < hostsHead {
		c.say(Fault, "the fleet's hosts cannot be read: %v", err)
		return
	}
	p := newPeers(ring, c.engine.keys.hosts, "")
	for i := hostsHead; i+1 < len(hosts); i += 2 {
		_, key, ok := p.openWords(hosts[i], hosts[i+1])
		count(key, ok)
	}
	if d := time.UnixMilli(parseTime(hosts[1], hosts[2])).Sub(began); d > clockLimit || d < -clockLimit {
		c.say(Warning, "the engine's clock is %s ahead of this host's: set both right", d.Round(time.Millisecond))
	}
	c.judge(opened, old, closed)
}

func (c *checker) judge(opened, old, closed int) {
	switch {
	case opened+old+closed == 0:
		c.say(Fine, "nothing of the fleet %q is there yet: this is its first host, or the name or the engine is another one than on the others", c.o.Name)
	case opened+old == 0:
		c.say(Fault, "nothing of the fleet %q opens under the configured keys: they are not those of the other hosts", c.o.Name)
	case closed > 0:
		c.say(Warning, "%d records of the fleet %q open under none of the configured keys, %d do: a host has another key, or somebody else writes there", closed, c.o.Name, opened+old)
	case old > 0:
		c.say(Fine, "%d records open under the first key, %d under others, which are still needed", opened, old)
	default:
		c.say(Fine, "all %d records of the fleet open under the first key", opened)
	}
}
