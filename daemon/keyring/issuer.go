package keyring

import (
	"encoding/json"
	"io"

	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// maxIssuerFile is the largest size of an issuer's file, in bytes.
const maxIssuerFile = 16 << 10

// IssuerFile keeps the issuer that a project has found for the next start, as Store keeps the
// key set. Without a folder it saves and loads nothing.
type IssuerFile struct {
	dir    *statedir.Dir
	name   string
	origin Origin
}

// NewIssuerFile returns the file of a project, for the key set of that origin. If dir is nil,
// nothing is saved.
func NewIssuerFile(dir *statedir.Dir, project string, origin Origin) IssuerFile {
	return IssuerFile{dir, "issuer-" + project + ".json", origin}
}

// savedIssuer is the file's content. It is valid only for a key set of this origin.
type savedIssuer struct {
	Origin
	Issuer string `json:"issuer"`
}

// Save replaces the saved issuer.
func (f IssuerFile) Save(issuer string) error {
	if f.dir == nil {
		return nil
	}
	return f.dir.Replace(f.name, func(w io.Writer) error {
		return json.NewEncoder(w).Encode(savedIssuer{f.origin, issuer})
	})
}

// Load returns the saved issuer, or nothing if there is none that may be used.
func (f IssuerFile) Load() []string {
	if f.dir == nil {
		return nil
	}
	file, err := f.dir.Open(f.name)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	var saved savedIssuer
	if err := json.NewDecoder(io.LimitReader(file, maxIssuerFile)).Decode(&saved); err != nil || !f.origin.Admits(&saved.Origin) || saved.Issuer == "" {
		return nil
	}
	return []string{saved.Issuer}
}
