// Package config reads the configuration file strictly. It defines the defaults,
// the bounds, and the settings that each preset implies.
//
// Load reads a file. Validate finds every fault that can be found without touching
// the host. The methods WithDerived and Policy of a Project fill in what its preset
// implies. ReadServerKey reads the secret of a project, and the method Options of a
// Fleet reads the secrets of the fleet.
package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/neonauthd/neonauthd/internal/folders"
	"github.com/neonauthd/neonauthd/internal/settings"
	"github.com/neonauthd/neonauthd/internal/span"
	"github.com/neonauthd/neonauthd/protocol"
)

// manual is the page that lists the keys.
const manual = "neonauthd.toml(5)"

// The forms of the log.
const (
	LogText = "text" // name=value
	LogJSON = "json" // an object a line
)

// MaxFile bounds the configuration file, in bytes.
const MaxFile = 1 << 20

// Config is the configuration, as an operator can write it. Default has
// the defaults, which a file overrides key by key. After it was given to
// daemon.New, a Config must not be changed.
type Config struct {
	// Socket and AdminSocket are the paths of the ordinary and the admin socket, of at most
	// sockets.MaxPath bytes. Inherited sockets are used instead.
	Socket      string `toml:"socket"`
	AdminSocket string `toml:"admin_socket"`
	// MetricsListen is where metrics are served, HOST:PORT or unix:PATH. Empty: nowhere.
	MetricsListen string `toml:"metrics_listen"`
	// Pprof adds profiles of the process to what is served there.
	Pprof bool `toml:"pprof"`
	// StateDir is the folder of key sets and revocations; STATE_DIRECTORY overrides it, see
	// the function StateDir.
	StateDir string `toml:"state_dir"`
	// StateDirWritten says that StateDir comes from the file, and not from Default.
	StateDirWritten bool `toml:"-"`
	// LogLevel is the least level that is logged.
	LogLevel LogLevel `toml:"log_level"`
	// LogFormat is how a line of the log is written: LogText or LogJSON.
	LogFormat string `toml:"log_format"`
	// AccessLog is where a line about each lookup goes, as package accesslog has it. Empty:
	// nowhere.
	AccessLog string `toml:"access_log"`
	// RevocationRetention is how long revocations of sessions and subjects are
	// kept, and longer where longer-lived tokens have been seen. 0 is Forever.
	RevocationRetention Retention `toml:"revocation_retention"`

	Cache  Cache  `toml:"cache"`
	Limits Limits `toml:"limits"`
	Fleet  Fleet  `toml:"fleet"`
	// Projects are 1 to MaxProjects; the first is for callers that name none.
	Projects []Project `toml:"project"`
	// Callers are at most MaxCallers; the first that matches decides. Without any, everybody
	// who can open the socket may ask everything.
	Callers []Caller `toml:"caller"`

	// Dir is the folder of the file, against which "./" paths are read. Empty
	// means the working directory.
	Dir string `toml:"-"`
	// File is the path of the file. Empty: there is none.
	File string `toml:"-"`
}

// InFile returns err with the name of the file before it. It is for faults of the
// configuration that only the host shows; Load names the file itself.
func (c *Config) InFile(err error) error {
	if err == nil || c.File == "" {
		return err
	}
	return fmt.Errorf("configuration %s: %w", c.File, err)
}

// Cache bounds the memory for verdicts and profiles together.
type Cache struct {
	// MaxBytes is at least MinCacheBytes.
	MaxBytes Bytes `toml:"max_bytes"`
}

// Limits bound what callers can hold. Zero is out of bounds for each.
type Limits struct {
	// Connections is how many connections the ordinary socket has in all.
	Connections int `toml:"connections"`
	// ConnectionsPerUID is how many of them one user has, or one process if the daemon
	// cannot tell users apart.
	ConnectionsPerUID int `toml:"connections_per_uid"`
	// InFlightPerConnection is how many requests of one connection are in progress at once.
	// At the limit nothing more is read from the connection.
	InFlightPerConnection int `toml:"in_flight_per_connection"`
	// IdleTimeout is after how long without a byte and without a request in progress a
	// connection is closed.
	IdleTimeout Duration `toml:"idle_timeout"`
}

// Default is the configuration of an empty file, without projects.
func Default() Config {
	return Config{
		Socket:      protocol.DefaultSocket,
		AdminSocket: protocol.DefaultAdminSocket,
		LogFormat:   LogText,
		StateDir:    "/var/lib/neonauthd",

		RevocationRetention: Retention(30 * span.Day),

		Cache: Cache{MaxBytes: 64 << 20},
		Limits: Limits{
			Connections:           4096,
			ConnectionsPerUID:     1024,
			InFlightPerConnection: 256,
			IdleTimeout:           Duration(5 * time.Minute),
		},
		Fleet: defaultFleet(),
	}
}

// Load reads, decodes and validates the file at path. Its errors name the
// file, the line and column where the decoder knows them, and the cure. A file
// that other users can change is refused: they could say who gets in.
func Load(path string) (Config, error) {
	return load(path, func([]byte) int { return os.Geteuid() })
}

// LoadToCheck is Load for a program that only says what the file means. If root calls it, the
// file is judged for the user whom the daemon will have: the owner of the state directory or, if
// there is none yet, of the folder of the file.
func LoadToCheck(path string) (Config, error) {
	return load(path, func(text []byte) int {
		configured, _ := stateDirIn(text)
		if state, _ := StateDir(configured); exists(state) {
			return folders.UserOf(state)
		}
		return folders.UserOf(filepath.Dir(path))
	})
}

// stateDirectory is the variable in which systemd names the folder of StateDirectory=.
const stateDirectory = "STATE_DIRECTORY"

// StateDir returns the state directory that is used where state_dir is configured.
// STATE_DIRECTORY overrides it; byUnit says that it does, with the same directory or with
// another one.
func StateDir(configured string) (dir string, byUnit bool) {
	if dirs := filepath.SplitList(os.Getenv(stateDirectory)); len(dirs) > 0 && dirs[0] != "" {
		return dirs[0], true
	}
	return configured, false
}

// stateDirIn returns the state directory of a text that may have mistakes: load names them.
// written says that the text has one.
func stateDirIn(text []byte) (dir string, written bool) {
	var said struct {
		StateDir string `toml:"state_dir"`
	}
	if err := toml.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &said); err != nil || said.StateDir == "" {
		return Default().StateDir, false
	}
	return said.StateDir, true
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func load(path string, userOf func(text []byte) (uid int)) (Config, error) {
	body, err := folders.ReadConfigFor(path, MaxFile, userOf)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	cfg, err := Parse(body)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	cfg.Dir, cfg.File = filepath.Dir(path), path
	return cfg, nil
}

// Parse decodes and validates one configuration file's text. It may begin
// with a byte order mark, which editors on Windows write and no editor shows.
func Parse(body []byte) (Config, error) {
	cfg := Default()
	// Table arrays start from zero values; decode them a first time only to
	// learn how many there are, then over their defaults.
	if err := settings.Decode(body, &cfg, manual); err != nil {
		return Config{}, err
	}
	_, cfg.StateDirWritten = stateDirIn(body)
	for i := range cfg.Projects {
		cfg.Projects[i] = DefaultProject()
	}
	if err := overlayProjects(bytes.TrimPrefix(body, []byte("\ufeff")), cfg.Projects); err != nil {
		return Config{}, err
	}
	if err := cfg.Validate(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// overlayProjects decodes each [[project]] table over its defaults, so that a
// key that is absent keeps its default and one that is "0s" is really zero.
func overlayProjects(body []byte, projects []Project) error {
	var raw struct {
		Projects []map[string]any `toml:"project"`
	}
	if err := toml.Unmarshal(body, &raw); err != nil {
		return err
	}
	for i, table := range raw.Projects {
		one, err := toml.Marshal(table)
		if err != nil {
			return fmt.Errorf("project %d: %w", i+1, err)
		}
		if err := toml.Unmarshal(one, &projects[i]); err != nil {
			return fmt.Errorf("project %d: %w", i+1, err)
		}
	}
	return nil
}
