package authrequest

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/internal/foreign"
	"github.com/neonauthd/neonauthd/protocol"
)

// requirement is what a location's configuration requires of a request. The
// zero value requires a genuine token of a normal user.
type requirement struct {
	level   client.Level
	project string
	maxAge  time.Duration
	live    bool             // maxAge was given
	heard   time.Duration    // within which the daemon must have heard its fleet; 0: it need not
	clean   bool             // no identity header of the visitor may be left
	tokens  *httpauth.Search // where the token is; nil: where the configuration file says
	user    httpauth.Requirements
}

// maxPlaces bounds the places in which one request may search for a token.
const maxPlaces = 16

// parseRequirement reads the query that the web server's configuration sets.
// Everything unknown is an error: a misspelt requirement must never become no
// requirement. Errors do not repeat values.
func parseRequirement(query string) (requirement, error) {
	r := requirement{level: client.LevelClaims}
	if query == "" {
		return r, nil
	}
	var seen singles
	for pair := range strings.SplitSeq(query, "&") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return r, fmt.Errorf("parameter %s has no value", foreign.Quoted(name, maxShown))
		}
		value, err := url.QueryUnescape(value)
		if err != nil {
			return r, errors.New("the query cannot be decoded")
		}
		if err := r.take(name, value, &seen); err != nil {
			return r, err
		}
	}
	if len(seen.places) > 0 {
		search, err := httpauth.NewSearch(seen.places...)
		if err != nil || len(seen.places) > maxPlaces {
			return r, fmt.Errorf("token-from names no place, or more than %d: there are authorization, sdk-header, sdk-cookie, session-cookie, header:NAME and cookie:NAME", maxPlaces)
		}
		r.tokens = search
	}
	if r.live && r.level != client.LevelProfile {
		return r, errors.New("max-age goes with level=profile only: claims have no age that the upstream could renew")
	}
	return r, nil
}

// singles notes which parameters have occurred: some may occur only once, and
// some only together with another.
type singles struct {
	level, project, maxAge, heard bool
	places                        []httpauth.Place
}

func (r *requirement) take(name, value string, seen *singles) error {
	switch name {
	case "require":
		return r.takeRequire(value)
	case "allow":
		return r.takeAllow(value)
	case "token-from":
		seen.places = append(seen.places, httpauth.Place(value))
		return nil
	case "level":
		return once(&seen.level, name, r.takeLevel, value)
	case "project":
		return once(&seen.project, name, r.takeProject, value)
	case "max-age":
		return once(&seen.maxAge, name, r.takeMaxAge, value)
	case "heard":
		return once(&seen.heard, name, r.takeHeard, value)
	}
	return fmt.Errorf("parameter %s is not known", foreign.Quoted(name, maxShown))
}

func once(seen *bool, name string, take func(string) error, value string) error {
	if *seen {
		return fmt.Errorf("parameter %s stands more than once", name)
	}
	*seen = true
	return take(value)
}

func (r *requirement) takeProject(value string) error {
	if !protocol.IsProject(value) {
		return errors.New("project is no name that a project can have")
	}
	r.project = value
	return nil
}

func (r *requirement) takeMaxAge(value string) (err error) {
	r.maxAge, err = seconds("max-age", value, 0, protocol.MaxMaxAge)
	r.live = true
	return err
}

func (r *requirement) takeHeard(value string) (err error) {
	r.heard, err = seconds("heard", value, 1, protocol.MaxHeard)
	return err
}

// seconds reads a number of seconds, without leading zeros or a sign.
func seconds(name, value string, least, most uint64) (time.Duration, error) {
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil || n < least || n > most || value != strconv.FormatUint(n, 10) {
		return 0, fmt.Errorf("%s is not a number of seconds from %d to %d", name, least, most)
	}
	return time.Duration(n) * time.Second, nil
}

func (r *requirement) takeLevel(value string) error {
	switch value {
	case client.LevelClaims.String():
		r.level = client.LevelClaims
	case client.LevelProfile.String():
		r.level = client.LevelProfile
	default:
		return errors.New("level is neither claims nor profile")
	}
	return nil
}

func (r *requirement) takeRequire(value string) error {
	const team, scope = "team:", "scope:"
	switch {
	case value == "email-verified":
		r.user.EmailVerified = true
	case value == "clean-headers":
		r.clean = true
	case len(value) > len(team) && value[:len(team)] == team:
		if r.user.Team != "" && r.user.Team != value[len(team):] {
			return errors.New("require names two teams, and a user has one selected at a time")
		}
		r.user.Team = value[len(team):]
	case strings.HasPrefix(value, scope) && httpauth.ValidScope(value[len(scope):]) && len(r.user.Scopes) < httpauth.MaxScopes:
		r.user.Scopes = append(r.user.Scopes, value[len(scope):])
	default:
		return errors.New("require is none of email-verified, team:ID, scope:NAME and clean-headers")
	}
	return nil
}

func (r *requirement) takeAllow(value string) error {
	kind := client.KindRestricted
	switch value {
	case "restricted":
	case "anonymous":
		kind = client.KindAnonymous
	case "machine":
		kind = client.KindMachine
	case "team":
		kind = client.KindTeam
	default:
		return errors.New("allow is none of restricted, anonymous, machine and team")
	}
	if len(r.user.Kinds) == 0 {
		r.user.Kinds = []client.Kind{client.KindNormal}
	}
	if !slices.Contains(r.user.Kinds, kind) {
		r.user.Kinds = append(r.user.Kinds, kind)
	}
	return nil
}

// options returns the options of the lookup.
func (r *requirement) options() []client.Option {
	var all []client.Option
	if r.project != "" {
		all = append(all, client.WithProject(r.project))
	}
	if r.live {
		all = append(all, client.MaxAge(r.maxAge))
	}
	if r.heard > 0 {
		all = append(all, client.Heard(r.heard))
	}
	return all
}

// maxShown bounds how much of a foreign text a message repeats, in bytes.
const maxShown = 40

// Searched returns the headers in which a request with this query searches for
// its token. The check does not know the configuration file: without token-from
// it assumes the default places.
func Searched(query string) ([]string, error) {
	want, err := parseRequirement(query)
	if err != nil {
		return nil, err
	}
	if want.tokens == nil {
		if want.tokens, err = search(nil); err != nil {
			return nil, err
		}
	}
	return strings.Split(want.tokens.Vary(), ", "), nil
}
