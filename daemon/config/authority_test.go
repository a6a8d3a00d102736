package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority is a certificate in PEM that is valid for an hour from begin, and its key.
func authority(t *testing.T, name string, begin time.Time) (certificate, key string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: begin, NotAfter: begin.Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func TestFilesOfAuthorities(t *testing.T) {
	now := time.Now()
	one, key := authority(t, "one", now.Add(-time.Minute))
	two, _ := authority(t, "two", now.Add(-time.Minute))
	old, _ := authority(t, "old", now.Add(-2*time.Hour))
	early, _ := authority(t, "early", now.Add(time.Minute))
	der, _ := pem.Decode([]byte(one))
	broken := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der.Bytes[:len(der.Bytes)-1]}))
	padding := func(n int) string { return one + strings.Repeat("#", n-len(one)) }
	for name, c := range map[string]struct {
		text  string
		want  string // in the error; "" if it is read
		count int
		unfit string
	}{
		"one":              {one, "", 1, ""},
		"two with remarks": {"# ours\n" + one + "\nSubject: CN=two\n" + two, "", 2, ""},
		"an expired one":   {one + old, "", 2, "certificate 2 has expired on "},
		"an early one":     {early, "", 1, "certificate 1 is not valid before "},
		"at its limit":     {padding(maxCA), "", 1, ""},
		"over its limit":   {padding(maxCA + 1), "larger than 1 MiB", 0, ""},
		"empty":            {"", "holds no certificate in PEM", 0, ""},
		"DER":              {string(der.Bytes), "holds no certificate in PEM", 0, ""},
		"with its key":     {one + key, "holds a private key", 0, ""},
		"key of old":       {one + "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "holds a private key", 0, ""},
		"something else":   {one + "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", `holds "X509 CRL" beside certificates`, 0, ""},
		"a broken one":     {one + broken, "certificate 2 cannot be read", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			ca, err := readCA("./ca.pem", dir, now)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "ca.pem") {
					t.Errorf("%v, want %s", err, c.want)
				}
				return
			}
			if err != nil || ca.Certificates != c.count || (len(ca.Unfit) > 0) != (c.unfit != "") || !strings.Contains(strings.Join(ca.Unfit, ""), c.unfit) {
				t.Fatalf("%+v, %v", ca, err)
			}
		})
	}
}

// TestAFileOfAuthoritiesMustBeOurOwn: whoever can write to it can pass for the upstream.
func TestAFileOfAuthoritiesMustBeOurOwn(t *testing.T) {
	one, _ := authority(t, "one", time.Now())
	dir := t.TempDir()
	path := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(path, []byte(one), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o444: true, 0o664: false, 0o646: false, 0o666: false, 0o620: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := readCA(path, "/elsewhere", time.Now()); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "others can write") {
			t.Errorf("mode %#o: %v", mode, err)
		}
	}
	if _, err := readCA(dir, "", time.Now()); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := readCA("./missing.pem", dir, time.Now()); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("none: %v", err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		if _, err := readCA(path, "", time.Now()); err == nil || !strings.Contains(err.Error(), "another user") {
			t.Errorf("somebody else's: %v", err)
		}
	}
}

func TestAProxyMayStandInAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "proxy")
	var p Proxy
	if err := p.UnmarshalText([]byte("./proxy")); err != nil || p.IsZero() {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"http://ada:hunter2@proxy.internal:3128\n": "http://proxy.internal:3128", "none": "none",
		"": "is empty", "http://ada:hunter2@": "must be", "socks5://ada:hunter2@proxy.internal": "must begin with http", "./other": "must be",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := p.Read(dir)
		if said := got.String(); err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "proxy")) || err == nil && said != want {
			t.Errorf("%q: %s, %v, want %s", text, said, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Read(dir); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a file that others can read: %v", err)
	}
	if _, err := p.Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no file: %v", err)
	}
}
