package membership

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// idFile holds the host's id. A host that was made as a copy of another,
// including this file, gives itself another id when it meets the other host.
const idFile = "host-id"

// idBytes is how many bytes of an id are random.
const idBytes = 16

// hostID returns the saved id of this host, or a new one. If an id cannot be
// saved, the other hosts miss a silent host, the one with the old id, for an
// hour after each restart.
func hostID(dir *statedir.Dir, log *slog.Logger) string {
	id, sure, err := readID(dir)
	switch {
	case err == nil && sure:
		return id
	case err == nil: // now with a checksum
		saveID(dir, id, log)
		return id
	case !errors.Is(err, fs.ErrNotExist):
		log.Warn("the host's id cannot be used: it gets a new one, and the fleet counts the old one as silent for an hour", "file", filepath.Join(dir.Path(), idFile), "error", err)
	}
	var raw [idBytes]byte
	_, _ = rand.Read(raw[:])
	id = hex.EncodeToString(raw[:])
	saveID(dir, id, log)
	return id
}

// idRecord describes idFile.
func idRecord() statedir.File {
	return statedir.File{Kind: statedir.KindHostID, Name: idFile, Most: 2*idBytes + 2, Early: earlyID}
}

// earlyID reports whether a text can be an id as an earlier version wrote it: a line,
// without a checksum.
func earlyID(text []byte) bool {
	id, ended := strings.CutSuffix(string(text), "\n")
	return ended && isID(id)
}

func isID(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == 2*idBytes
}

func saveID(dir *statedir.Dir, id string, log *slog.Logger) {
	if err := dir.Save(idRecord(), []byte(`"`+id+`"`)); err != nil {
		log.Warn("the host's id cannot be saved: after a restart the fleet takes this host for another one", "error", err)
		dir.GiveUp(idFile) // the next start tries again
	}
}

// readID returns the saved id. sure is false for an id without a checksum, as an earlier version wrote it.
func readID(dir *statedir.Dir) (id string, sure bool, err error) {
	text, sure, err := dir.Load(idRecord())
	if err != nil {
		return "", false, err
	}
	if id = strings.Trim(string(text), "\"\n"); !isID(id) {
		dir.Tell(statedir.KindHostID)
		return "", false, statedir.ErrDamaged
	}
	return id, sure, nil
}
