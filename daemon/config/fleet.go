package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/fleet/engineurl"
	"github.com/neonauthd/neonauthd/internal/foreign"
	"github.com/neonauthd/neonauthd/internal/secretfile"
	"github.com/neonauthd/neonauthd/internal/span"
	"github.com/neonauthd/neonauthd/protocol"
)

// Bounds of the [fleet] table.
const (
	MaxFleetURLs  = 16
	MaxFleetKeys  = 8
	MaxFleetLabel = 64
)

// What a host does after it has not heard from its fleet for longer than blind_after.
const (
	WhenBlindServe  = "serve"
	WhenBlindRefuse = "refuse"
)

// The credentials of a fleet that are looked for when the table names none.
const (
	defaultFleetPassword = "fleet-password"
	defaultFleetKey      = "fleet-key"
)

// Fleet says which fleet this host belongs to. Without a Name the host belongs
// to none.
type Fleet struct {
	// Name is the same on all hosts of the fleet, in the form of a project's name.
	Name string `toml:"name"`
	// URLs are where the engine is, as engineurl.Parse reads them, 1 to MaxFleetURLs. Several
	// are seeds of a cluster or, with Sentinel, sentinels.
	URLs []string `toml:"urls"`
	// Sentinel is the name that sentinels give the master. Empty: there are no sentinels.
	Sentinel string `toml:"sentinel"`
	// Password names what holds the engine's password. Empty: the credential
	// "fleet-password" or, without that, there is no password.
	Password string `toml:"password"`
	// Keys name what holds the keys of the fleet, 1 to MaxFleetKeys: the first seals, all
	// open.
	Keys []string `toml:"keys"`
	// CA is a file of authorities, in place of the system's. Empty: the system's.
	CA string `toml:"ca"`
	// Host is what this host is called in the fleet, for people, at most MaxFleetLabel bytes.
	// Empty: the name of the host.
	Host string `toml:"host"`
	// WhenBlind is WhenBlindServe or WhenBlindRefuse: what happens when the fleet has not been
	// heard for BlindAfter. With WhenBlindServe it is only logged.
	WhenBlind  string   `toml:"when_blind"`
	BlindAfter Duration `toml:"blind_after"`
	// Timeout is how long a lookup waits for the engine before it fetches a profile. 0 is out
	// of bounds.
	Timeout Duration `toml:"timeout"`
	// Wait is how long a lookup waits for another host that fetches the same profile. 0: not
	// at all.
	Wait Duration `toml:"wait"`
	// Profiles shares profiles. Budget makes upstream_rate, and the limit of introspection,
	// that of the fleet, and not of each host.
	Profiles bool `toml:"profiles"`
	Budget   bool `toml:"budget"`
}

func defaultFleet() Fleet {
	return Fleet{
		Keys:       []string{defaultFleetKey},
		WhenBlind:  WhenBlindServe,
		BlindAfter: Duration(5 * time.Second),
		Timeout:    Duration(50 * time.Millisecond),
		Wait:       Duration(500 * time.Millisecond),
		Profiles:   true,
		Budget:     true,
	}
}

// On reports whether this host belongs to a fleet.
func (f *Fleet) On() bool { return f.Name != "" }

// untouched reports whether the table says nothing but defaults.
func (f *Fleet) untouched() bool {
	said, defaults := *f, defaultFleet()
	if len(said.URLs) == 0 { // no list and an empty one are the same
		said.URLs = defaults.URLs
	}
	return reflect.DeepEqual(said, defaults)
}

// validate checks what can be known without touching the host or the engine.
func (f *Fleet) validate(projects []Project, report reporter) {
	switch {
	case f.Name == "" && !f.untouched(): // a table without effect would pass for a fleet
		report("name", "is required for a fleet: the same on all of its hosts")
	case f.Name != "" && !protocol.IsProject(f.Name): // a fleet is named as projects are
		report("name", "must be 1 to %d letters, digits, \"-\", \"_\" or \".\"", MaxProjectName)
	case f.Name != "" && len(f.URLs) == 0:
		report("urls", "must name the Valkey or Redis that the fleet shares, such as rediss://valkey.internal:6379")
	}
	if len(f.URLs) > MaxFleetURLs {
		report("urls", "at most %d", MaxFleetURLs)
	}
	encrypted := f.validateURLs(report)
	if f.CA != "" && !secretfile.IsPath(f.CA) {
		report("ca", "must be a path that starts with \"/\" or \"./\"")
	} else if f.CA != "" && !encrypted {
		report("ca", "means nothing without valkeys:// or rediss://")
	}
	f.validateSecrets(report)
	if len(f.Sentinel) > 128 || len(f.Host) > MaxFleetLabel || !onlyVisible(f.Sentinel) || !onlyVisible(f.Host) {
		report("host", "this and sentinel must be visible ASCII, of at most %d and 128 bytes", MaxFleetLabel)
	}
	if f.WhenBlind != WhenBlindServe && f.WhenBlind != WhenBlindRefuse {
		report("when_blind", "%s", noneOf(f.WhenBlind, WhenBlindServe, WhenBlindRefuse))
	}
	for _, d := range []struct {
		key      string
		value    Duration
		min, max time.Duration
	}{
		{"blind_after", f.BlindAfter, time.Second, time.Hour},
		{"timeout", f.Timeout, time.Millisecond, time.Second},
		{"wait", f.Wait, 0, 10 * time.Second},
	} {
		if v := time.Duration(d.value); v < d.min || v > d.max {
			report(d.key, "must be between %s and %s", span.String(d.min), span.String(d.max))
		}
	}
	for i := range projects {
		if p := &projects[i]; f.On() && f.Profiles && time.Duration(p.ProfileFresh)+time.Duration(p.ProfileStale) >= fleet.PurgeLife {
			report("profiles", "cannot share those of project %q: profile_fresh and profile_stale together must stay below %s, for so long a purge is remembered", foreign.Cut(p.Name, maxShown), span.String(fleet.PurgeLife))
		}
	}
}

// validateURLs reports whether the connection is encrypted.
func (f *Fleet) validateURLs(report reporter) (encrypted bool) {
	var first engineurl.Endpoint
	for i, raw := range f.URLs {
		e, err := engineurl.Parse(raw)
		if err != nil {
			report("urls", "entry %d %v", i+1, err)
			continue
		}
		if i == 0 {
			first = e
		}
		switch {
		case !e.TLS && !e.Local():
			report("urls", "entry %d must be valkeys:// or rediss://: a plain connection is taken only to a loopback address or a Unix socket", i+1)
		case e.TLS != first.TLS || e.User != first.User:
			report("urls", "entry %d must have the user and the encryption of the first", i+1)
		case e.Socket && (len(f.URLs) > 1 || f.Sentinel != ""):
			report("urls", "a Unix socket must be the only entry, and without sentinel")
		}
	}
	return first.TLS
}

func (f *Fleet) validateSecrets(report reporter) {
	if len(f.Keys) < 1 || len(f.Keys) > MaxFleetKeys || slices.Contains(f.Keys, "") {
		report("keys", "must name 1 to %d keys: the first seals, all open", MaxFleetKeys)
	}
	for i, name := range append([]string{f.Password}, f.Keys...) {
		key := "keys"
		if i == 0 {
			key = "password"
		}
		_, err := fleet.ParseKey(name)
		switch fault := secretfile.NameFault(name); {
		// Never repeated: these texts go to the log.
		case err == nil:
			report(key, "holds a key itself, and must name what holds it: put a fresh key into a file of mode 0600 and give the file's path, because others may have read this file")
		case isSecret(name):
			report(key, "holds a secret itself, and must name what holds it: put a fresh one into a file of mode 0600 and give the file's path, because others may have read this file")
		case fault != "":
			report(key, "%s", fault)
		}
	}
}

// onlyVisible reports whether text has nothing but visible ASCII. The empty text has.
func onlyVisible(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// Options reads the secrets and the certificates that the table names, and
// returns the fleet's options; the daemon adds those that are not in the table.
// dir is the folder of the configuration file. Errors never hold any of the
// secrets. If a credential is named and nobody delivers any, the error is
// ErrNoCredentials, and the options are whole but for secrets. ca is what o.CA was read from;
// nil: the system's.
func (f *Fleet) Options(dir string) (o fleet.Options, ca *CA, err error) {
	o = fleet.Options{
		Name: f.Name, URLs: f.URLs, Sentinel: f.Sentinel, Label: f.Host,
		Timeout: time.Duration(f.Timeout), Wait: time.Duration(f.Wait), Profiles: f.Profiles, Budget: f.Budget,
	}
	if f.WhenBlind == WhenBlindRefuse {
		o.RefuseAfter = time.Duration(f.BlindAfter)
	}
	if o.Label == "" {
		o.Label, _ = os.Hostname() // on an error the label is empty
	}
	var missing error // credentials
	password, err := readSecret(secretfile.Secret{What: "fleet.password", Name: f.Password, Fallback: defaultFleetPassword}, dir)
	if errors.Is(err, ErrNoCredentials) {
		missing = err
	} else if err != nil {
		return o, nil, err
	}
	o.Password = password.Reveal()
	for i, name := range f.Keys {
		s := secretfile.Secret{What: fmt.Sprintf("fleet.keys, entry %d", i+1), Name: name, Fallback: defaultFleetKey}
		text, err := readSecret(s, dir)
		if errors.Is(err, ErrNoCredentials) {
			missing = err
			continue
		} else if err != nil {
			return o, nil, err
		}
		key, err := fleet.ParseKey(text.Reveal())
		if err != nil {
			return o, nil, fmt.Errorf("%s: %s: %w", s.What, s.Where(dir), err)
		}
		o.Keys = append(o.Keys, key)
	}
	if f.CA != "" {
		if ca, err = readCA(f.CA, dir, time.Now()); err != nil {
			return o, nil, fmt.Errorf("fleet.ca: %w", err)
		}
		o.CA = ca.Pool
	}
	return o, ca, missing
}
