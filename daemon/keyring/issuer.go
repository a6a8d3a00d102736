package keyring

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"

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

// Save replaces the saved issuer. The caller logs an error, because nobody tries again
// before the next start.
func (f IssuerFile) Save(issuer string) error {
	if f.dir == nil {
		return nil
	}
	text, err := json.Marshal(savedIssuer{f.origin, issuer})
	if err != nil {
		return err
	}
	if err := f.dir.Save(f.proved(), text); err != nil {
		f.dir.GiveUp(f.name)
		return err
	}
	return nil
}

// proved returns the file's description. A text without a checksum, as earlier versions
// wrote it, is not used: an issuer with one wrong letter would reject every token. Early only
// keeps such a text from counting as damage.
func (f IssuerFile) proved() statedir.File {
	return statedir.File{Kind: statedir.KindIssuer, Name: f.name, Most: maxIssuerFile, Early: early}
}

// Load returns the saved issuer, or nothing if there is none that may be used. A damaged
// file is logged. It is replaced when the upstream has said its issuer.
func (f IssuerFile) Load(log *slog.Logger) []string {
	if f.dir == nil {
		return nil
	}
	text, proved, err := f.dir.Load(f.proved())
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			log.Warn("saved issuer not used: the upstream is asked for it again", "file", filepath.Join(f.dir.Path(), f.name), "error", err)
		}
		return nil
	}
	var saved savedIssuer
	if err := json.Unmarshal(text, &saved); err != nil || !proved || !f.origin.Admits(&saved.Origin) || saved.Issuer == "" {
		return nil
	}
	return []string{saved.Issuer}
}
