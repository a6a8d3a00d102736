package config

import (
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/internal/foreign"
	"github.com/neonauthd/neonauthd/internal/nearest"
	"github.com/neonauthd/neonauthd/protocol"
)

// Caller is one rule of who may ask what. Exactly one of UID, GID, User and Group says
// for whom the rule is; a group is also for members whose primary group is another.
type Caller struct {
	UID   *uint32 `toml:"uid"`
	GID   *uint32 `toml:"gid"`
	User  string  `toml:"user"`
	Group string  `toml:"group"`
	// Projects are the names of those that the caller may ask about. Nil: all. An empty
	// list, which is not nil, is refused: it may come from a template's empty variable.
	Projects []string `toml:"projects"`
	// Levels are protocol.LevelClaims and protocol.LevelProfile. Nil: both. An empty list is
	// refused.
	Levels []string `toml:"levels"`
	// Withhold are members of the profile that the caller does not get: paths of names,
	// joined by dots.
	Withhold []string `toml:"withhold"`
	// Rate is how many lookups a second each user may ask for, with a burst of the same size
	// and at least 1. 0: no limit.
	Rate float64 `toml:"rate"`
}

// validate checks one [[caller]] table against the whole configuration.
func (r *Caller) validate(c *Config, report reporter) {
	if named := count(r.UID != nil, r.GID != nil, r.User != "", r.Group != ""); named != 1 {
		report("uid", "exactly one of uid, gid, user and group must be given")
	}
	if r.Projects != nil && len(r.Projects) == 0 {
		report("projects", "must name a project: leave the key out if the caller may ask about all")
	}
	if r.Levels != nil && len(r.Levels) == 0 {
		report("levels", "must be %q, %q or both: leave the key out for both", protocol.LevelClaims, protocol.LevelProfile)
	}
	for _, name := range r.Projects {
		if !slices.ContainsFunc(c.Projects, func(p Project) bool { return p.Name == name }) {
			var names []string
			for i := range c.Projects {
				names = append(names, c.Projects[i].Name)
			}
			report("projects", "%q is not a configured project%s", foreign.Cut(name, maxShown), nearest.Question(name, names, `"`, `"`))
		}
	}
	for _, level := range r.Levels {
		if level != protocol.LevelClaims && level != protocol.LevelProfile {
			report("levels", "%s", noneOf(level, protocol.LevelClaims, protocol.LevelProfile))
		}
	}
	for _, path := range r.Withhold {
		if path != strings.TrimSpace(path) || slices.Contains(strings.Split(path, "."), "") { // it would withhold nothing
			report("withhold", "%q is not a path of member names joined by dots, such as \"selected_team.server_metadata\"", foreign.Cut(path, maxShown))
		}
	}
	if !(r.Rate >= 0 && r.Rate <= 1e9) {
		report("rate", "must be a number of lookups per second, 0 for no limit")
	}
}

func count(all ...bool) (n int) {
	for _, one := range all {
		if one {
			n++
		}
	}
	return n
}
