package fleet

import (
	"context"
	"crypto/x509"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"time"
)

// Journal is the source of truth of what a host knows: the fleet reads its marks once, and
// hands it what other hosts have said. One goroutine at a time calls its methods, except
// for Settled.
type Journal interface {
	// Marks yields every mark that is kept: those in force, those taken back, and
	// purges.
	Marks() iter.Seq[Mark]
	// Join takes in marks that others have told, each joined with what this host
	// has said itself: field by field the larger. When it returns, they are in
	// force here, and saved unless the error says ErrNotSaved. Any other error means that
	// some are not in force: the fleet then does not say that this host has them.
	// It is also called with marks that the journal has, and with marks that are over.
	Join(marks []Mark) error
	// Settled returns when no answer can be used any more that was given before the marks
	// that are in force now: each watch has seen the current revision, or its lease is
	// over. A daemon that has just started waits for the leases of the run before it too.
	// An error means that this is not so, for example because ctx has ended.
	Settled(ctx context.Context) error
}

// ErrNotSaved says that marks are in force, but would not survive a restart.
var ErrNotSaved = errors.New("in force, and not saved")

// Options say which fleet a host belongs to. Name, Keys, URLs, Journal, ID and
// Now must be given.
type Options struct {
	Name     string         // of the fleet, part of every name in the engine
	URLs     []string       // see engineurl.Parse; several are seeds of a cluster, or sentinels
	Sentinel string         // name of the master; "" uses no sentinels
	Password string         // "": the engine asks for none
	CA       *x509.CertPool // nil: the system's
	Keys     []Key          // the first seals, all open
	// ID tells this host from the others. It stays the same over restarts, so that
	// a restarted host is not missed as a silent one.
	ID      string
	Label   string // of this host, for people
	Version string // of the program, for people

	// RefuseAfter is how long this host may be blind before it accepts nothing; 0: it goes
	// on. The daemon acts on it; the fleet tells the other hosts.
	RefuseAfter time.Duration
	Timeout     time.Duration // of one claim; 0 is 50 ms
	Wait        time.Duration // for another host's fetch; 0 waits for none
	Profiles    bool          // share profiles
	Budget      bool          // share the upstream's budget

	Journal Journal
	Now     func() time.Time
	Log     *slog.Logger // nil discards
}

// Same reports whether o and other configure one membership: they are equal but for the id,
// the version, the journal, the clock and the log.
func (o *Options) Same(other Options) bool {
	return o.Name == other.Name && slices.Equal(o.URLs, other.URLs) && o.Sentinel == other.Sentinel &&
		o.Password == other.Password && o.CA.Equal(other.CA) && slices.EqualFunc(o.Keys, other.Keys, Key.same) && o.Label == other.Label &&
		o.RefuseAfter == other.RefuseAfter && o.Timeout == other.Timeout && o.Wait == other.Wait &&
		o.Profiles == other.Profiles && o.Budget == other.Budget
}

func (o *Options) check() error {
	if o.Name == "" || len(o.Keys) == 0 || len(o.URLs) == 0 || o.Journal == nil || o.ID == "" || len(o.ID) > 64 || o.Now == nil {
		return errors.New("a fleet needs a name, a key, a URL, a journal, a host's id of at most 64 bytes and a clock")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = 50 * time.Millisecond
	}
	_, err := clientOption(o)
	return err
}
