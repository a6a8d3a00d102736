package config

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/neonauthd/neonauthd/internal/foreign"
)

// maxCA bounds a file of certificates, in bytes.
const maxCA = 1 << 20

// CA is the certificate authorities of a file. They are trusted in place of the system's.
type CA struct {
	// Pool holds the authorities.
	Pool *x509.CertPool
	// Certificates is how many authorities there are.
	Certificates int
	fingerprints []string // SHA-256 of each, in hex
	// Unfit has a sentence for each certificate that has expired or is not valid yet.
	// Nothing that such a certificate signed is trusted.
	Unfit []string
}

// readCA reads the file at path, which is relative to dir, as of now: certificates in
// PEM, and nothing else.
func readCA(path, dir string, now time.Time) (*CA, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	text, err := readPublic(path)
	if err != nil {
		return nil, err
	}
	ca := &CA{Pool: x509.NewCertPool()}
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if err := ca.add(block, path, now); err != nil {
			return nil, err
		}
	}
	if ca.Certificates == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM; what is in another form, openssl x509 -inform DER can convert", path)
	}
	return ca, nil
}

// Authorities reads the authorities that the table names; nil if it names none.
func (p *Project) Authorities(dir string, now time.Time) (*CA, error) {
	if p.CA == "" {
		return nil, nil
	}
	ca, err := readCA(p.CA, dir, now)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return ca, nil
}

// Or is the pool of authorities, the system's where ca is nil.
func (ca *CA) Or(system *x509.CertPool) *x509.CertPool {
	if ca == nil {
		return system
	}
	return ca.Pool
}

// Fingerprints tell the authorities from others; none where ca is nil.
func (ca *CA) Fingerprints() []string {
	if ca == nil {
		return nil
	}
	return ca.fingerprints
}

// Warnings are the sentences of Unfit.
func (ca *CA) Warnings() []string {
	if ca == nil {
		return nil
	}
	return ca.Unfit
}

// Same reports whether the file at path, which is relative to dir, has the same
// authorities now. A nil CA stands for no file, which is path "".
func (ca *CA) Same(path, dir string) bool {
	if path == "" || ca == nil {
		return path == "" && ca == nil
	}
	now, err := readCA(path, dir, time.Time{})
	return err == nil && now.Pool.Equal(ca.Pool)
}

// add takes one block of the file at path.
func (ca *CA) add(block *pem.Block, path string, now time.Time) error {
	which := path + ": certificate " + strconv.Itoa(ca.Certificates+1)
	switch {
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return fmt.Errorf("%s holds a private key, which nobody but its owner may have: leave certificates alone in it, and have the key replaced if others could read it", path)
	case block.Type != "CERTIFICATE":
		return fmt.Errorf("%s holds %q beside certificates: leave these alone in it", path, foreign.Cut(block.Type, maxShown))
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return errors.New(which + " cannot be read: is the file whole?") // the error may repeat what is in it
	}
	switch {
	case now.After(certificate.NotAfter):
		ca.Unfit = append(ca.Unfit, which+" has expired on "+certificate.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(certificate.NotBefore):
		ca.Unfit = append(ca.Unfit, which+" is not valid before "+certificate.NotBefore.UTC().Format(time.DateOnly))
	}
	ca.Pool.AddCert(certificate)
	fingerprint := sha256.Sum256(certificate.Raw)
	ca.fingerprints = append(ca.fingerprints, hex.EncodeToString(fingerprint[:]))
	ca.Certificates++
	return nil
}

// readPublic reads a file that everybody may read, but that only root and this process's
// user may write: a user who can put another authority into the file can impersonate the
// upstream.
func readPublic(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hold up the start
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("%s has mode %#o, so that others can write to it; make it 0644", path, info.Mode().Perm())
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%s belongs to another user; make it root's", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxCA+1))
	if err == nil && len(text) > maxCA {
		err = fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return text, err
}
