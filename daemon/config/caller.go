package config

import (
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/internal/nearest"
	"github.com/neonauthd/neonauthd/protocol"
)

// validate checks one [[caller]] table against the whole configuration.
func (r *Caller) validate(c *Config, report reporter) {
	if named := count(r.UID != nil, r.GID != nil, r.User != "", r.Group != ""); named != 1 {
		report("uid", "exactly one of uid, gid, user and group must be given")
	}
	for _, name := range r.Projects {
		if !slices.ContainsFunc(c.Projects, func(p Project) bool { return p.Name == name }) {
			var names []string
			for i := range c.Projects {
				names = append(names, c.Projects[i].Name)
			}
			report("projects", "%q is not a configured project%s", cut(name), nearest.Question(name, names, `"`, `"`))
		}
	}
	for _, level := range r.Levels {
		if level != protocol.LevelClaims && level != protocol.LevelProfile {
			report("levels", "%s", noneOf(level, protocol.LevelClaims, protocol.LevelProfile))
		}
	}
	for _, path := range r.Withhold {
		if path != strings.TrimSpace(path) || slices.Contains(strings.Split(path, "."), "") { // it would withhold nothing
			report("withhold", "%q is not a path of member names joined by dots, such as \"selected_team.server_metadata\"", cut(path))
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
