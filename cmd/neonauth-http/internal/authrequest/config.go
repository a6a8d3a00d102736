package authrequest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/folders"
	"github.com/neonauthd/neonauthd/internal/foreign"
	"github.com/neonauthd/neonauthd/internal/nearest"
	config "github.com/neonauthd/neonauthd/internal/settings"
	"github.com/neonauthd/neonauthd/internal/span"
)

const (
	defaultTimeout     = 5 * time.Second // the daemon's own default for a lookup
	defaultRestartWait = time.Second
	maxConfig          = 64 << 10
)

// MaxTimeout is the longest timeout that a configuration file may set.
const MaxTimeout = time.Minute

// DefaultKeep is how many accepted answers are kept by default, and MaxKeep is
// the most that a configuration file may set. Each takes up to 4 KiB.
const (
	DefaultKeep = 4096
	MaxKeep     = 1 << 16
)

// Settings are the settings of a configuration file. They do not change once
// they are in use.
type Settings struct {
	realm       string
	timeout     time.Duration    // of one request
	restartWait time.Duration    // for a restart of the daemon
	tokens      *httpauth.Search // the places where a token may be
	show        *selection
	keep        int // how many accepted answers are kept
	access      string
	format      string // the format of the log
	pprof       bool

	resources []resource
}

// Keep returns how many accepted answers are kept, for client.Client: negative
// for none.
func (s *Settings) Keep() int {
	if s.keep == 0 {
		return -1
	}
	return s.keep
}

// AccessLog returns the destination of the access log, as package accesslog
// defines it.
func (s *Settings) AccessLog() string { return s.access }

// The formats of the log, with the daemon's names.
const (
	LogText = "text" // name=value
	LogJSON = "json" // an object a line
)

// CheckLogFormat returns an error if the name is not a format of the log.
func CheckLogFormat(name string) error {
	if name == LogText || name == LogJSON {
		return nil
	}
	return errors.New("must be text or json" + nearest.Question(name, []string{LogText, LogJSON}, "", ""))
}

// LogFormat returns the format of the log: LogText or LogJSON.
func (s *Settings) LogFormat() string { return s.format }

// Fixed returns the keys that differ in next and that only a restart can change.
func (s *Settings) Fixed(next *Settings) (keys []string) {
	for _, key := range []struct {
		name    string
		differs bool
	}{
		{"keep", next.Keep() != s.Keep()},
		{"access_log", next.access != s.access},
		{"log_format", next.format != s.format},
	} {
		if key.differs {
			keys = append(keys, key.name)
		}
	}
	return keys
}

// Check returns why a start with the configuration file at path would fail: the
// file is not valid, or its access log is not safe. nil: it would not fail. It
// writes to out what was checked, and warnings. path "" means that there is no file.
func Check(out io.Writer, path string) error {
	set, err := Load(path)
	if err != nil {
		return err
	}
	if err := accesslog.Unsafe(set.access); err != nil {
		return err
	}
	if path == "" {
		fmt.Fprintln(out, "note          no file was read, because none is named: without --config FILE all settings have their defaults")
		return nil
	}
	fmt.Fprintf(out, "ok            %s\n", path)
	if set.access == "" {
		return nil
	}
	fmt.Fprintf(out, "access log    %s\n", set.access)
	if err := accesslog.Inspect(set.access); err != nil {
		fmt.Fprintf(out, "warn          access log: %v; lines are lost until it is there\n", err)
	}
	return nil
}

// file is the configuration file. A key that is absent has its default.
type file struct {
	Realm       string    `toml:"realm"`
	Timeout     period    `toml:"timeout"`
	RestartWait period    `toml:"restart_patience"`
	Tokens      *[]string `toml:"token_from"`
	Fields      *[]string `toml:"fields"`
	Claims      *[]string `toml:"claims"`
	Keep        *int      `toml:"keep"`
	Access      string    `toml:"access_log"`
	Format      string    `toml:"log_format"`
	Pprof       bool      `toml:"pprof"`

	Resources []resourceTable `toml:"resource"`
}

// Load reads a configuration file; path "" gives the defaults. The file may
// begin with a byte order mark, which editors on Windows write. A file that other
// users can change is refused.
func Load(path string) (*Settings, error) {
	var f file
	if path != "" {
		text, err := folders.ReadConfig(path, maxConfig)
		if err != nil {
			return nil, err
		}
		if err := config.Decode(text, &f, "neonauth-http(8)"); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	set, err := f.settings()
	if err != nil && path != "" {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return set, err
}

// period is a duration in the file. The zero value is an absent key.
type period time.Duration

// Wants says what the text must be.
func (period) Wants() string {
	return "a duration from 1ms to " + span.String(MaxTimeout) + `, such as "5s"`
}

// UnmarshalText reads a duration within the bounds.
func (p *period) UnmarshalText(text []byte) error {
	d, err := span.Parse(string(text))
	if err != nil || d < time.Millisecond || d > MaxTimeout {
		return errors.New("must be " + p.Wants())
	}
	*p = period(d)
	return nil
}

func (f *file) settings() (*Settings, error) {
	set := &Settings{
		keep:        DefaultKeep,
		access:      f.Access,
		format:      cmp.Or(f.Format, LogText),
		pprof:       f.Pprof,
		realm:       f.Realm,
		timeout:     cmp.Or(time.Duration(f.Timeout), defaultTimeout),
		restartWait: cmp.Or(time.Duration(f.RestartWait), defaultRestartWait),
	}
	if !plainText(f.Realm) {
		return nil, errors.New("realm: only visible ASCII and blanks, without quotes and backslashes")
	}
	if f.Keep != nil {
		if set.keep = *f.Keep; set.keep < 0 || set.keep > MaxKeep {
			return nil, fmt.Errorf("keep: must be a number from 0, which keeps nothing, to %d", MaxKeep)
		}
	}
	if CheckLogFormat(set.format) != nil { // in the words that the daemon has for its key
		return nil, fmt.Errorf("log_format: %s is none of %q, %q%s", foreign.Quoted(set.format, maxShown), LogText, LogJSON, nearest.Question(set.format, []string{LogText, LogJSON}, `"`, `"`))
	}
	err := accesslog.Check(f.Access)
	if err != nil {
		return nil, fmt.Errorf("access_log: %w", err)
	}
	if set.tokens, err = search(f.Tokens); err != nil {
		return nil, fmt.Errorf("token_from: %w", err)
	}
	if set.show, err = chosen(f.Fields, f.Claims); err != nil {
		return nil, err
	}
	if set.resources, err = readResources(f.Resources); err != nil {
		return nil, err
	}
	return set, nil
}

// search reads token_from. Its places replace the default, so that a proxy can
// name a single place.
func search(names *[]string) (*httpauth.Search, error) {
	if names == nil {
		return httpauth.NewSearch(append(httpauth.Headers(), httpauth.SDKCookies, httpauth.SessionCookie)...)
	}
	var places []httpauth.Place
	for _, name := range *names {
		places = append(places, httpauth.Place(name))
	}
	found, err := httpauth.NewSearch(places...)
	if err == nil {
		return found, nil
	}
	known := []string{string(httpauth.SDKCookies), string(httpauth.SessionCookie)}
	for _, place := range httpauth.Headers() {
		known = append(known, string(place))
	}
	for _, name := range *names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%w%s", err, nearest.Question(name, known, `"`, `"`))
		}
	}
	return nil, err
}

// chosen reads fields and claims.
func chosen(fields, claims *[]string) (*selection, error) {
	s := &selection{recent: newRecent()}
	if claims != nil {
		s.claims = append([]string{}, *claims...)
		if i := slices.IndexFunc(s.claims, func(name string) bool { return strings.TrimSpace(name) == "" }); i >= 0 {
			return s, fmt.Errorf("claims: entry %d is empty, and must be the name of a claim", i+1)
		}
	}
	names := fieldNames()
	if fields == nil {
		for i := range s.fields {
			s.fields[i] = true
		}
		return s, nil
	}
	for _, want := range *fields {
		i := slices.IndexFunc(names[:], func(name string) bool { return shortName(name) == want })
		if i < 0 {
			return s, fmt.Errorf("fields: there is no %s; there are %s%s", foreign.Quoted(want, maxShown), strings.Join(shortNames(names[:]), ", "), nearest.Question(want, shortNames(names[:]), `"`, `"`))
		}
		s.fields[i] = true
	}
	return s, nil
}

func shortName(header string) string {
	return strings.ToLower(strings.TrimPrefix(header, identityPrefix))
}

func shortNames(headers []string) []string {
	var all []string
	for _, h := range headers {
		all = append(all, shortName(h))
	}
	return all
}

func plainText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
}
