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
		{"./missing", "fallback", credentials, "", "secret: " + filepath.Join(files, "missing") + ": no such file"},
		{"missing", "fallback", credentials, "", "secret: the credential that it names: no such file"},
		{"missing", "missing", credentials, "", `secret: the credential "missing": no such file`},
		{"name", "", "", "", "LoadCredential="},
		{"name", "name", "", "", `secret: the credential "name": $CRED`},
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

// TestANameIsToldFromASecret: a text that cannot name a secret is refused, and not repeated.
func TestANameIsToldFromASecret(t *testing.T) {
	for text, good := range map[string]bool{
		"": true, "server-key": true, "a": true, "key_2.txt": true, "/run/secrets/key with blank": true, "./key": true, strings.Repeat("n", maxName): true,
		strings.Repeat("n", maxName+1): false, ".": false, "..": false, "two words": false, "secrets/key": false, "../key": false,
		"p@ssw0rd!": false, "c2VjcmV0=": false, "a:b": false, "schl\u00fcssel": false, "key\n": false,
	} {
		fault := NameFault(text)
		if (fault == "") != good || len(text) > 2 && strings.Contains(fault, text) {
			t.Errorf("%q: %q", text, fault)
		}
	}
}

// TestNoNameIsRepeated, which may be the secret itself.
func TestNoNameIsRepeated(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"empty-canary": "", "large-canary": strings.Repeat("x", Max+1), "missing-canary": ""} {
		if name != "missing-canary" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o400); err != nil {
				t.Fatal(err)
			}
		}
		for _, delivered := range []string{"", dir} {
			t.Setenv(Directory, delivered)
			if _, err := (Secret{What: "secret", Name: name, Fallback: "key"}).Read(dir); err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
