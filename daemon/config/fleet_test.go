package config

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/internal/secretfile"
)

// fleetFolder holds the secrets of a fleet.
func fleetFolder(t *testing.T) (dir, key string) {
	t.Helper()
	dir, key = t.TempDir(), fleet.GenerateKey()
	for name, text := range map[string]string{"key": key + "\n", "old": fleet.GenerateKey(), "password": "hunter2", "bad": "hunter2"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, key
}

func aFleet() Fleet {
	f := defaultFleet()
	f.Name, f.URLs, f.Keys, f.Password = "prod", []string{"redis://localhost"}, []string{"./key", "./old"}, "./password"
	return f
}

func TestAFleetsSecretsAreReadAndNeverTold(t *testing.T) {
	dir, key := fleetFolder(t)
	f := aFleet()
	f.WhenBlind, f.Host = WhenBlindRefuse, "web-1"
	o, _, err := f.Options(dir)
	if err != nil {
		t.Fatal(err)
	}
	if o.Password != "hunter2" || len(o.Keys) != 2 || o.Label != "web-1" || o.RefuseAfter != 5*time.Second || o.Timeout != 50*time.Millisecond || !o.Profiles {
		t.Errorf("read %+v", o)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", o.Keys, o.Keys, o.Keys), key) {
		t.Error("the key shows")
	}
	f.Keys = []string{"./bad"}
	if _, _, err := f.Options(dir); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "fleet-key") {
		t.Errorf("a key that is none: %v", err)
	}
	f.Keys = []string{"fleet-key"}
	if _, _, err := f.Options(dir); !errors.Is(err, ErrNoCredentials) {
		t.Errorf("a credential without systemd: %v", err)
	}
	t.Setenv(secretfile.Directory, dir)
	f.Keys, f.Password = []string{"key"}, "" // no credential of the default name
	if o, _, err := f.Options(""); err != nil || o.Password != "" || o.RefuseAfter == 0 {
		t.Errorf("%+v, %v", o, err)
	}
	if err := os.Chmod(filepath.Join(dir, "key"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.Keys = []string{"./key"}
	if _, _, err := f.Options(dir); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a key that others can read: %v", err)
	}
}

func TestAFleetsCertificatesAreRead(t *testing.T) {
	dir, _ := fleetFolder(t)
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	f := aFleet()
	for ca, good := range map[string]bool{"": true, "./ca.pem": true, "./key": false, "./missing": false} {
		f.CA = ca
		if o, read, err := f.Options(dir); (err == nil) != good || good && ((o.CA != nil) != (ca != "") || (read != nil) != (ca != "")) {
			t.Errorf("%q: %v", ca, err)
		}
	}
}

func TestAHostWithoutALabelHasTheHostsName(t *testing.T) {
	dir, _ := fleetFolder(t)
	f := aFleet()
	name, _ := os.Hostname()
	if o, _, err := f.Options(dir); err != nil || o.Label != name || o.RefuseAfter != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	if f.Name = ""; f.On() {
		t.Error("a fleet without a name is on")
	}
}
