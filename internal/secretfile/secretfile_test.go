package secretfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhereASecretIsReadFrom also tests the error for each place. daemon/config tests,
// with the server key, what a file may contain and who may own it.
func TestWhereASecretIsReadFrom(t *testing.T) {
	files, credentials := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(files, "file"): "of a file\n", filepath.Join(credentials, "name"): "of a credential\n", filepath.Join(credentials, "fallback"): "of the fallback\ntwo lines\n\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, fallback, delivered, want, message string }{
		{"./file", "", "", "of a file", ""},
		{filepath.Join(files, "file"), "fallback", credentials, "of a file", ""},
		{"name", "fallback", credentials, "of a credential", ""},
		{"", "fallback", credentials, "of the fallback\ntwo lines\n", ""}, // one line end belongs to the file
		{"", "missing", credentials, "", ""},
		{"", "fallback", "", "", ""},
		{"./missing", "fallback", credentials, "", "no such file"},
		{"missing", "fallback", credentials, "", "no such file"},
		{"name", "", "", "", "LoadCredential="},
		{strings.Repeat("n", 1000), "", "", "", "nnn..."},
	} {
		t.Setenv(Directory, c.delivered)
		text, err := Secret{What: "secret", Name: c.name, Fallback: c.fallback}.Read(files)
		if string(text) != c.want || (err == nil) != (c.message == "") || err != nil && (!strings.Contains(err.Error(), c.message) || len(err.Error()) > 500) {
			t.Errorf("%+v: %q, %v", c, text, err)
		}
		if c.message == "LoadCredential=" && !errors.Is(err, ErrNoCredentials) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
