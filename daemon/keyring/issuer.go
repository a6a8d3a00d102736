package keyring

import (
	"encoding/json"
	"io"

	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// maxIssuerFile bounds the file of an issuer.
const maxIssuerFile = 16 << 10

// IssuerFile is where an issuer that was found outlives the process, as the key set
// does. One without a folder saves and loads nothing.
type IssuerFile struct {
	dir    *statedir.Dir
	name   string
	origin Origin
}

// NewIssuerFile returns that of a project, for the key set of that origin; dir is nil for none.
func NewIssuerFile(dir *statedir.Dir, project string, origin Origin) IssuerFile {
	return IssuerFile{dir, "issuer-" + project + ".json", origin}
}

// savedIssuer is the file's content. It counts for the key set of this origin only.
type savedIssuer struct {
	Origin
	Issuer string `json:"issuer"`
}

// Save replaces the issuer that is kept.
func (f IssuerFile) Save(issuer string) error {
	if f.dir == nil {
		return nil
	}
	return f.dir.Replace(f.name, func(w io.Writer) error {
		return json.NewEncoder(w).Encode(savedIssuer{f.origin, issuer})
	})
}

// Load returns the issuer that was saved, none if there is none to be used.
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
