package hooks

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/internal/folders"
	"github.com/neonauthd/neonauthd/internal/nearest"
	"github.com/neonauthd/neonauthd/internal/secretfile"
	"github.com/neonauthd/neonauthd/internal/settings"
	"github.com/neonauthd/neonauthd/internal/webhook"
	"github.com/neonauthd/neonauthd/protocol"
)

// Bounds of a configuration file.
const (
	maxConfig = 64 << 10
	// MaxProjects is how many projects there can be, and MaxSecrets how many secrets
	// each can have: one, and two while it is being replaced.
	MaxProjects = 64
	MaxSecrets  = 8
)

// Credential is the default name of the credential with the secrets of a project.
const Credential = "webhook-secret"

// Settings are the contents of a configuration file. They do not change after Load.
type Settings struct{ projects []project }

// project is a project whose deliveries are accepted.
type project struct {
	name    string // in the daemon's configuration, and in the path
	secrets []webhook.Secret
}

// Projects are the names of the projects, in their order.
func (s *Settings) Projects() []string {
	var names []string
	for _, p := range s.projects {
		names = append(names, p.name)
	}
	return names
}

// file is the configuration file.
type file struct {
	Projects []projectTable `toml:"project"`
}

type projectTable struct {
	Name    string    `toml:"name"`
	Secrets *[]string `toml:"secrets"`
}

// Load reads a configuration file and the secrets that it names. A file that other users
// can change is refused. Its errors hold nothing of the secrets.
func Load(path string) (*Settings, error) {
	text, err := folders.ReadConfig(path, maxConfig)
	if err != nil {
		return nil, err
	}
	var f file
	err = settings.Decode(text, &f, "neonauth-http(8)")
	var set *Settings
	if err == nil {
		set, err = f.settings(filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return set, nil
}

// Undelivered reports whether Load failed because the program was not started by systemd,
// which provides the credentials that the file names.
func Undelivered(err error) bool { return errors.Is(err, secretfile.ErrNoCredentials) }

func (f *file) settings(dir string) (*Settings, error) {
	switch {
	case len(f.Projects) == 0:
		return nil, errors.New("there is no [[project]] table: one is needed for each project whose webhooks are to come here")
	case len(f.Projects) > MaxProjects:
		return nil, fmt.Errorf("at most %d [[project]] tables", MaxProjects)
	}
	set := &Settings{}
	for i := range f.Projects {
		p, err := f.Projects[i].read(dir)
		if err != nil {
			return nil, fmt.Errorf("project %d: %w", i+1, err)
		}
		if err := set.add(p); err != nil {
			return nil, fmt.Errorf("project %d: %w", i+1, err)
		}
	}
	return set, nil
}

// add adds a project. Its name must be new, and so must its secrets: each endpoint has a
// secret of its own, so that a delivery for one project is not accepted for another.
func (s *Settings) add(p project) error {
	for _, other := range s.projects {
		if other.name == p.name {
			return fmt.Errorf("name: there is a table for %s already; several secrets go into one list", p.name)
		}
		for _, secret := range p.secrets {
			if slices.ContainsFunc(other.secrets, secret.Equal) {
				return fmt.Errorf("secrets: one of them is one of project %s too: each endpoint has its own", other.name)
			}
		}
	}
	s.projects = append(s.projects, p)
	return nil
}

func (t *projectTable) read(dir string) (project, error) {
	if !protocol.IsProject(t.Name) || strings.Trim(t.Name, ".") == "" {
		return project{}, errors.New(`name: must be the name that the project has in neonauthd.toml: 1 to 32 letters, digits, "-", "_" or "."`)
	}
	p := project{name: t.Name}
	sources := []string{Credential}
	if t.Secrets != nil {
		sources = *t.Secrets
	}
	if len(sources) == 0 {
		return p, errors.New("secrets: the list is empty, and without a secret nobody could be told from the sender")
	}
	for _, name := range sources {
		secrets, err := readSecrets(name, dir)
		if err != nil {
			return p, fmt.Errorf("secrets: %w", err)
		}
		for _, secret := range secrets {
			if slices.ContainsFunc(p.secrets, secret.Equal) {
				return p, errors.New("secrets: one of them is there twice")
			}
			p.secrets = append(p.secrets, secret)
		}
	}
	if len(p.secrets) > MaxSecrets {
		return p, fmt.Errorf("secrets: %d of them, and there can be %d", len(p.secrets), MaxSecrets)
	}
	return p, nil
}

// readSecrets reads a file of secrets, one a line.
func readSecrets(name, dir string) ([]webhook.Secret, error) {
	switch {
	case strings.HasPrefix(name, "whsec_"):
		return nil, errors.New("this is a secret itself: write it into a file that nobody else may read, and the file's path or the credential's name here; and have it replaced if others could read it")
	case name == "":
		return nil, errors.New("must be names of credentials, or paths that begin with / or ./")
	case secretfile.NameFault(name) != "":
		return nil, errors.New(secretfile.NameFault(name) + nearest.Question(name, []string{Credential}, `"`, `"`))
	}
	source := secretfile.Secret{What: "webhook secret", Name: name, Fallback: Credential}
	text, err := source.Read(dir)
	if err != nil {
		return nil, err
	}
	var all []webhook.Secret
	for i, line := range strings.Split(string(text), "\n") {
		secret, err := webhook.ParseSecret(line)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: the secret %w", source.Where(dir), i+1, err)
		}
		all = append(all, secret)
	}
	return all, nil
}
