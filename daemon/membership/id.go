package membership

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"log/slog"

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
	if id, err := readID(dir); err == nil {
		return id
	} else if !errors.Is(err, fs.ErrNotExist) {
		log.Warn("the host's id cannot be read: it gets a new one", "error", err)
	}
	var raw [idBytes]byte
	_, _ = rand.Read(raw[:])
	id := hex.EncodeToString(raw[:])
	err := dir.Replace(idFile, func(w io.Writer) error {
		_, err := io.WriteString(w, id+"\n")
		return err
	})
	if err != nil {
		log.Warn("the host's id cannot be saved: after a restart the fleet takes this host for another one", "error", err)
	}
	return id
}

var errID = errors.New("that is no id")

func readID(dir *statedir.Dir) (string, error) {
	file, err := dir.Open(idFile)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 2*idBytes+2))
	if err != nil {
		return "", err
	}
	if len(text) != 2*idBytes+1 || text[2*idBytes] != '\n' {
		return "", errID
	}
	if _, err := hex.DecodeString(string(text[:2*idBytes])); err != nil {
		return "", errID
	}
	return string(text[:2*idBytes]), nil
}
