package house_test

import "slices"

// programs are the rooms of those that people start; nothing imports them.
func programs() []room {
	return append([]room{
		{
			dir:      "cmd/neonauthd",
			house:    []string{"daemon", "daemon/config", "daemon/standin", "internal/program", "internal/program/command", "protocol"},
			foreign:  []string{commands},
			testsToo: []string{"internal/program/command/commandtest"},
			because:  "a door is thin: flags, config, Run",
		},
		{
			dir: "cmd/neonauthctl",
			house: []string{
				"cmd/neonauthctl/internal/admin", "cmd/neonauthctl/internal/bench", "cmd/neonauthctl/internal/cli", "cmd/neonauthctl/internal/document",
				"cmd/neonauthctl/internal/lookup", "cmd/neonauthctl/internal/terminal", "cmd/neonauthctl/internal/top",
				"internal/program", "internal/program/command",
			},
			foreign:  []string{commands},
			testsToo: []string{"cmd/neonauthctl/internal/daemontest", "cmd/neonauthctl/internal/bench/storetest", "internal/program/command/commandtest", "protocol"},
			because:  "a door is thin: commands, and what they end with",
		},
		{
			dir:     "cmd/neonauth-http/internal/nginxcheck",
			because: "it reads configuration files and nothing else",
		},
		{
			dir:      "cmd/neonauth-http",
			house:    []string{"client", "client/httpauth", "cmd/neonauth-http/internal/nginxcheck", "internal/program", "internal/program/command", "internal/sockets", "internal/strictjson", "protocol"},
			foreign:  []string{commands, metrics, tomlFiles},
			testsToo: []string{"daemon", "daemon/standin", "internal/httpauthtest", "internal/program/command/commandtest"},
			because:  "the web servers' helper asks the way an application asks",
		},
		{
			dir:     "examples/go",
			house:   []string{"client", "client/middleware"},
			because: "an example knows what its readers can import too",
		},
		{
			dir:      "packaging/boot/load",
			house:    []string{"protocol"},
			testsToo: []string{"daemon/standin"},
			because:  "what the boot test asks is judged without the code that answers",
		},
	}, control()...)
}

// control are the rooms behind neonauthctl: each may know those that stand before it.
func control() []room {
	rooms := []room{{
		dir:     "cmd/neonauthctl/internal/bench/storetest",
		because: "a double of a store speaks the store's words only",
	}}
	house := []string{"client", "internal/program", "internal/program/command", "protocol"}
	for _, name := range []string{"document", "terminal", "daemontest", "cli", "lookup", "admin", "bench", "top"} {
		dir := "cmd/neonauthctl/internal/" + name
		rooms = append(rooms, room{
			dir:      dir,
			house:    slices.Clone(house),
			foreign:  []string{commands, "github.com/spf13/pflag", "golang.org/x/sys"},
			testsToo: []string{"cmd/neonauthctl/internal/bench/storetest", "cmd/neonauthctl/internal/daemontest"},
			because:  "the person at the terminal asks the way an application asks",
		})
		if name != "daemontest" {
			house = append(house, dir)
		}
	}
	return rooms
}
