package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/internal/secretfile"
)

func TestServerKeysComeFromPrivateFilesOfOneLine(t *testing.T) {
	long := strings.Repeat("k", secretfile.Max)
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		want       string // the key
		message    string // or the error
	}{
		{"plain", "ssk_abc", 0o600, "ssk_abc", ""},
		{"with its line's end", "ssk_abc\n", 0o400, "ssk_abc", ""},
		{"with two", "ssk_abc\n\n", 0o600, "", "alone"},
		{"with a carriage return", "ssk_abc\r\n", 0o600, "", "alone"},
		{"with a blank", "ssk abc", 0o600, "", "alone"},
		{"with a name", "KEY=ssk_abc\nOTHER=x\n", 0o600, "", "alone"},
		{"not ASCII", "ssk_äbc", 0o600, "", "alone"},
		{"empty", "", 0o600, "", "empty"},
		{"empty line", "\n", 0o600, "", "empty"},
		{"almost too long", long[1:] + "\n", 0o600, long[1:], ""},
		{"as long as can be", long + "\n", 0o600, long, ""},
		{"too long", long + "k", 0o600, "", "larger"},
		{"too long by what follows", long + "\nmore", 0o600, "", "larger"},
		{"group may read", "ssk_abc", 0o640, "", "0640"},
		{"group may write", "ssk_abc", 0o620, "", "0620"},
		{"others may read", "ssk_abc", 0o604, "", "0604"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "key")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{path, "./key"} {
				key, err := ReadServerKey(name, dir)
				if c.message == "" && (err != nil || key.Reveal() != c.want) {
					t.Errorf("%s: %v", name, err)
				}
				if c.message != "" && (err == nil || !strings.Contains(err.Error(), c.message)) {
					t.Errorf("%s: error %v, want %q", name, err, c.message)
				}
				if err != nil && strings.Contains(err.Error(), "ssk") {
					t.Errorf("the error tells the key: %v", err)
				}
			}
		})
	}
}

func TestWhatIsNoFileIsNoServerKeyAndHoldsUpNothing(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir} {
		if _, err := ReadServerKey(path, ""); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := ReadServerKey("./missing", dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestServerKeysAsCredentials(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "other"), []byte("ssk_other"), 0o444); err != nil { // systemd's own folder protects it
		t.Fatal(err)
	}
	for _, c := range []struct{ name, folder, want, message string }{
		{"", "", "", ""},
		{"", dir, "", ""}, // no default credential: no key
		{"other", dir, "ssk_other", ""},
		{"missing", dir, "", "no such file"},
		{"other", "", "", "LoadCredential="},
	} {
		t.Setenv(secretfile.Directory, c.folder)
		key, err := ReadServerKey(c.name, "/nowhere")
		if c.message == "" && err != nil || c.message != "" && (err == nil || !strings.Contains(err.Error(), c.message)) {
			t.Errorf("%q in %q: error %v, want %q", c.name, c.folder, err, c.message)
		}
		if got := key.Reveal(); got != c.want {
			t.Errorf("%q in %q: another key", c.name, c.folder)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, defaultServerKey), []byte("ssk_default"), 0o400); err != nil {
		t.Fatal(err)
	}
	t.Setenv(secretfile.Directory, dir)
	if key, err := ReadServerKey("", "/nowhere"); err != nil || key.Reveal() != "ssk_default" {
		t.Errorf("default credential: %v", err)
	}
}
