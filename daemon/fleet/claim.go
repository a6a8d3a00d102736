package fleet

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/internal/pause"
)

// Bounds of a claim.
const (
	// MaxProfile is the largest profile that is shared, in bytes.
	MaxProfile = 4 << 20
	// maxSealed bounds a profile's value in the engine: profile, what is said of
	// it, seal and age.
	maxSealed = MaxProfile + 16<<10
	// MaxPause bounds what the fleet believes of an upstream's Retry-After, as upstream.MaxRetryAfter
	// does for one host.
	MaxPause = 5 * time.Minute
	// PurgeLife is how long every host remembers a purge. No shared profile, and no answer
	// that was given before, may be older.
	PurgeLife = 24 * time.Hour
	// leaseMargin is how much longer a lease is than a call of the upstream.
	leaseMargin = time.Second
	// leeway is how far ahead of the engine's clock a profile's time may be.
	leeway = time.Second
	// The rhythm of those who wait for another host's fetch.
	pollEvery  = 20 * time.Millisecond
	pollJitter = 10 * time.Millisecond
	ageDigits  = 15 // of the time in ms before a sealed profile
)

// Ask is what a host would call the upstream for.
type Ask struct {
	Project, Subject, Class string
	// Origin is where the profile comes from: hosts that have configured something
	// else under the project's name share none.
	Origin string
	// MaxAge is the greatest age of a profile that answers; 0 wants a live
	// check: neither a profile that is there nor a fetch that began earlier
	// will do.
	MaxAge time.Duration
	// Keep is how long a profile is of use to anybody.
	Keep time.Duration
	// Timeout is how long a call of the upstream may take.
	Timeout time.Duration
	// Rate is the upstream's budget in calls a second, for the whole fleet. Burst is how many may come at once, if more than in a second.
	Rate  float64
	Burst int
	// Background leaves half of the burst to those who wait.
	Background bool
	// Purges are the purges that end this profile: of everything, and of the
	// subject. A profile counts only if its fetcher, before it asked the
	// upstream, knew all the purges that this host knows.
	Purges []Name
	// Private takes and shares no profile: for a token that was purged itself.
	Private bool
}

// Decision says what the host has to do now. The zero value is no decision: the host only looked,
// and there is nothing.
type Decision int

// The decisions.
const (
	// Go: call the upstream, and then Finish.
	Go Decision = iota + 1
	// Have: another host has fetched it.
	Have
	// Pause: the upstream has asked for one.
	Pause
	// Budget: the upstream's budget is spent.
	Budget
)

// Answer is the result of Claim: a decision, and what belongs to it.
type Answer struct {
	Decision Decision
	Profile  []byte        // Have: as it was handed to Finish
	Age      time.Duration // Have: by the engine's clock, since its fetcher asked
	After    time.Duration // Pause, Budget: how long
	Flight   Flight        // Go: for Finish
}

// Flight is a fetch that this host does for the fleet, or for itself alone.
type Flight struct {
	ask     Ask
	mark    string // of its lease; "": for this host alone
	began   int64  // engine's time in ms
	purged  []Stamp
	private bool
}

// Alone reports whether nobody else will learn of the fetch, because the engine
// is slow or away.
func (f Flight) Alone() bool { return f.mark == "" }

// Result is the result of a fetch, for the other hosts.
type Result struct {
	Profile    []byte        // nil: there is none
	Denied     bool          // the upstream says no: what is shared is removed. The host announces a purge of the subject too, so that no fetch that began earlier counts
	RetryAfter time.Duration // a pause that the upstream asked for
}

var errShared = errors.New("a shared profile is not what it should be")

// Claim asks whether this host has to call the upstream. It takes no longer than
// the timeout of a claim, or, while another host is fetching the same,
// Wait; and not beyond ctx. It never fails: without the engine the answer is this
// host's own.
func (f *Fleet) Claim(ctx context.Context, ask Ask) Answer {
	var id [8]byte
	_, _ = rand.Read(id[:])
	c := claimer{Fleet: f, ask: ask, mark: hex.EncodeToString(id[:])}
	for _, n := range ask.Purges {
		c.purged = append(c.purged, f.table.get(n).Revoked)
	}
	c.ignoresShared = ask.MaxAge <= 0
	began := f.o.Now()
	for first := true; ; first = false {
		answer, again := c.once(ctx)
		if again == 0 {
			f.claims.note(answer)
			return answer
		}
		if first {
			f.claims.noteWait()
		}
		left := f.o.Wait - f.o.Now().Sub(began)
		if left <= 0 {
			c.takesOver = true // the other host takes too long: this one fetches itself
			continue
		}
		pause.For(ctx, min(again, left, pollEvery+mathrand.N(pollJitter)))
		if ctx.Err() != nil {
			return Answer{Decision: Budget, After: pollEvery}
		}
	}
}

// Shared returns a profile that the fleet has and that is no older than maxAge.
// It asks nobody to fetch one: it is for a host whose upstream has just failed.
func (f *Fleet) Shared(ctx context.Context, ask Ask, maxAge time.Duration) (profile []byte, age time.Duration, ok bool) {
	ask.MaxAge = maxAge
	c := claimer{Fleet: f, ask: ask, onlyLooks: true}
	for _, n := range ask.Purges {
		c.purged = append(c.purged, f.table.get(n).Revoked)
	}
	answer, _ := c.once(ctx)
	return answer.Profile, answer.Age, answer.Decision == Have
}

// claimer is one claim under way.
type claimer struct {
	*Fleet
	ask    Ask
	mark   string
	purged []Stamp

	ignoresShared bool // takes neither a profile that is there nor another host's fetch
	takesOver     bool // takes over another host's lease
	onlyLooks     bool // asks for no lease
	unreadable    bool // the profile that is there cannot be opened
}

// claimKeys are the keys of one claim.
func (f *Fleet) claimKeys(ask Ask) []string {
	profile := f.ring.name(0, "profile", ask.Project, ask.Origin, ask.Class, ask.Subject)
	project := f.ring.name(0, "project", ask.Project)
	p := f.keys.prefix
	return []string{p + "p:" + profile, p + "l:" + profile, p + "b:" + project, p + "r:" + project}
}

// once asks the engine once. again is how long another host's fetch may still
// take; 0 if the answer stands.
func (c *claimer) once(ctx context.Context) (answer Answer, again time.Duration) {
	e := c.Fleet.engine.Load()
	if e == nil {
		return c.alone(), 0
	}
	keys := c.claimKeys(c.ask)
	sent := c.o.Now()
	said, err := c.claims.call(ctx, c.o.Timeout, func(ctx context.Context) ([]string, error) {
		return run(ctx, e.commands, c.scripts.claim, keys, c.args())
	})
	if err == nil && len(said) != 4 {
		err = errAnswer
	}
	if err != nil {
		return c.alone(), 0
	}
	c.skipped(parseNumber(said[3]))
	at, number := parseNumber(said[0]), time.Duration(parseNumber(said[2]))*time.Millisecond
	switch said[1] {
	case "have":
		profile, age, err := c.open(keys[0], said[2], at)
		if err == nil {
			return Answer{Decision: Have, Profile: profile, Age: age + max(0, clock.Elapsed(sent, c.o.Now()))}, 0
		}
		c.counts.unopened.Add(1)
		if !c.unreadable {
			c.unreadable = true
			return c.once(ctx)
		}
	case "wait":
		if !c.ignoresShared && !c.takesOver {
			return Answer{Decision: Budget, After: number}, max(number, time.Millisecond)
		}
	case "pause":
		return Answer{Decision: Pause, After: number}, 0
	case "budget":
		return Answer{Decision: Budget, After: number}, 0
	case "none":
		return Answer{}, 0
	case "go":
		return Answer{Decision: Go, Flight: Flight{ask: c.ask, mark: c.mark, began: at, purged: c.purged, private: c.ask.Private}}, 0
	}
	return c.alone(), 0 // not an answer of the script: it has neither a value nor another's lease for an asker that takes none
}

// args are what the script takes.
func (c *claimer) args() []string {
	age := int64(-1)
	shared := c.o.Profiles && !c.ask.Private
	if shared && !c.ignoresShared && !c.unreadable {
		age = c.ask.MaxAge.Milliseconds()
	}
	lease := int64(0)
	if shared {
		lease = (c.ask.Timeout + leaseMargin).Milliseconds()
	}
	each, burst, reserve := int64(0), int64(1), int64(0)
	if c.o.Budget {
		each, burst = budget(c.ask.Rate, c.ask.Burst)
		if c.ask.Background {
			reserve = burst / 2
		}
	}
	numbers := []int64{maxSealed, age, 0, lease, bit(c.ignoresShared || c.takesOver), each, burst, reserve, MaxPause.Milliseconds(), bit(c.onlyLooks)}
	args := make([]string, len(numbers))
	for i, n := range numbers {
		args[i] = strconv.FormatInt(n, 10)
	}
	args[2] = c.mark
	return args
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// budget is a rate as the script takes it: microseconds for each call, and how
// many calls may come at once, which is at least least.
func budget(rate float64, least int) (each, burst int64) {
	const longest = 24 * time.Hour
	each = longest.Microseconds()
	if rate > 1/longest.Seconds() {
		each = max(1, int64(1e6/rate))
	}
	return each, max(1, int64(least), int64(min(rate+0.999999, 1e6)))
}

// alone decides without the engine, by this host's own part of the budget.
func (c *claimer) alone() Answer {
	if c.onlyLooks {
		return Answer{}
	}
	if after := c.claims.own(c.ask.Project, c.ask.Rate, c.peers.known(c.o.Now())); c.o.Budget && after > 0 {
		return Answer{Decision: Budget, After: after}
	}
	return Answer{Decision: Go, Flight: Flight{ask: c.ask}}
}

// about is what is sealed with a profile.
type about struct {
	Project string  `json:"p"`
	Origin  string  `json:"o"`
	Subject string  `json:"s"`
	Class   string  `json:"c"`
	Fetched int64   `json:"t"` // ms, engine's time, when its fetcher asked
	Purged  []Stamp `json:"x"` // stamps of the purges that its fetcher knew then
}

// Finish ends a flight: the profile is shared, what was denied is removed, a pause
// is told to all, and the lease is released if it is still this host's. It waits
// no longer than a claim.
func (f *Fleet) Finish(ctx context.Context, flight Flight, r Result) {
	e := f.engine.Load()
	if flight.Alone() || e == nil {
		return
	}
	keys := f.claimKeys(flight.ask)
	value := ""
	if r.Profile != nil && !r.Denied && f.o.Profiles && !flight.private && len(r.Profile) <= MaxProfile {
		value = f.sealProfile(keys[0], flight, r.Profile)
	}
	args := []string{
		flight.mark, value, strconv.FormatInt(max(1, flight.ask.Keep.Milliseconds()), 10), strconv.FormatInt(bit(r.Denied), 10),
		strconv.FormatInt(max(0, r.RetryAfter.Milliseconds()), 10), strconv.FormatInt(MaxPause.Milliseconds(), 10),
	}
	_, _ = f.claims.call(context.WithoutCancel(ctx), f.o.Timeout, func(ctx context.Context) ([]string, error) {
		return run(ctx, e.commands, f.scripts.finish, keys, args)
	})
}

func (f *Fleet) sealProfile(key string, flight Flight, profile []byte) string {
	head, err := json.Marshal(about{flight.ask.Project, flight.ask.Origin, flight.ask.Subject, flight.ask.Class, flight.began, flight.purged})
	if err != nil {
		panic(err) // plain strings and numbers
	}
	text := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(head)+len(profile)), uint32(len(head)))
	text = append(append(text, head...), profile...)
	return fmt.Sprintf("%0*d", ageDigits, flight.began) + string(f.ring.seal(sealedAt{"profile", key, ""}, text))
}

// open reads a shared profile, and checks that it is the one that was asked for.
func (c *claimer) open(key, value string, now int64) (profile []byte, age time.Duration, err error) {
	if len(value) < ageDigits {
		return nil, 0, errShared
	}
	text, _, err := c.ring.open(sealedAt{"profile", key, ""}, value[ageDigits:])
	if err != nil {
		return nil, 0, err
	}
	if len(text) < 4 || uint64(binary.BigEndian.Uint32(text)) > uint64(len(text)-4) {
		return nil, 0, errShared
	}
	end := 4 + int(binary.BigEndian.Uint32(text))
	var a about
	if err := json.Unmarshal(text[4:end], &a); err != nil {
		return nil, 0, errShared
	}
	age = time.Duration(now-a.Fetched) * time.Millisecond
	if a.Project != c.ask.Project || a.Origin != c.ask.Origin || a.Subject != c.ask.Subject || a.Class != c.ask.Class ||
		age > c.ask.MaxAge || age < -leeway || len(a.Purged) != len(c.purged) {
		return nil, 0, errShared
	}
	for i, known := range c.purged {
		if known > a.Purged[i] {
			return nil, 0, errShared
		}
	}
	return text[end:], max(0, age), nil
}
