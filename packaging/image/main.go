// Image writes an image for containers as an OCI archive (image-spec 1.1) that
// contains only the programs, for one or several architectures. It needs no
// registry and no container daemon, and the same programs give the same bytes.
//
//	image -out FILE -version V -created SECONDS -revision COMMIT amd64=DIR arm64=DIR
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// user is the user id of the programs. Images without a distribution commonly
// use this id, and no user of a host has it.
const user = 65532

const source = "https://github.com/neonauthd/neonauthd"

func main() {
	out := flag.String("out", "", "write the archive to this `FILE`")
	version := flag.String("version", "", "version of the programs")
	revision := flag.String("revision", "", "commit of the programs")
	created := flag.Int64("created", 0, "time of the build, in `SECONDS` since 1970")
	flag.Parse()
	m := image{version: *version, revision: *revision, created: time.Unix(*created, 0).UTC(), blobs: map[string][]byte{}}
	if err := m.write(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// image is what an archive holds.
type image struct {
	version, revision string
	created           time.Time
	blobs             map[string][]byte // by digest
}

// descriptor names a blob (image-spec, descriptor.md).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// The media types of the blobs.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

func (m *image) write(out string, builds []string) error {
	if out == "" || len(builds) == 0 {
		return errors.New("needs -out and at least one ARCHITECTURE=DIR")
	}
	var manifests []descriptor
	for _, build := range builds {
		arch, dir, ok := strings.Cut(build, "=")
		if !ok {
			return fmt.Errorf("%q is not ARCHITECTURE=DIR", build)
		}
		d, err := m.add(arch, dir)
		if err != nil {
			return err
		}
		manifests = append(manifests, d)
	}
	index := m.blob(typeIndex, document{"schemaVersion": 2, "mediaType": typeIndex, "manifests": manifests, "annotations": m.labels()})
	index.Annotations = map[string]string{"org.opencontainers.image.ref.name": m.version}
	top := encode(document{"schemaVersion": 2, "mediaType": typeIndex, "manifests": []descriptor{index}})
	return os.WriteFile(out, m.archive(top), 0o644)
}

// document is a JSON object; its members are written in the order of their names.
type document map[string]any

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own values always have an encoding
	}
	return text
}

// blob adds a JSON document.
func (m *image) blob(mediaType string, v any) descriptor { return m.bytes(mediaType, encode(v)) }

func (m *image) bytes(mediaType string, text []byte) descriptor {
	d := descriptor{MediaType: mediaType, Digest: digest(text), Size: len(text)}
	m.blobs[d.Digest] = text
	return d
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (m *image) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":    "neonauthd",
		"org.opencontainers.image.version":  m.version,
		"org.opencontainers.image.revision": m.revision,
		"org.opencontainers.image.source":   source,
		"org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.created":  m.created.Format(time.RFC3339),
	}
}

// add adds the image of one architecture.
func (m *image) add(arch, dir string) (descriptor, error) {
	layer, err := m.layer(dir)
	if err != nil {
		return descriptor{}, err
	}
	var packed bytes.Buffer
	gz, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = gz.Write(layer)
	}
	if err = errors.Join(err, gz.Close()); err != nil {
		return descriptor{}, err
	}
	config := m.blob(typeConfig, document{
		"created": m.created.Format(time.RFC3339), "architecture": arch, "os": "linux",
		"config": document{
			"User": fmt.Sprintf("%d:%d", user, user), "Entrypoint": []string{"/usr/bin/neonauthd"}, "Env": []string{"PATH=/usr/bin"},
			"WorkingDir": "/", "Labels": m.labels(), "Volumes": document{"/run/neonauthd": document{}, "/var/lib/neonauthd": document{}},
		},
		"rootfs":  document{"type": "layers", "diff_ids": []string{digest(layer)}},
		"history": []document{{"created": m.created.Format(time.RFC3339), "created_by": "make image"}},
	})
	manifest := m.blob(typeManifest, document{
		"schemaVersion": 2, "mediaType": typeManifest, "config": config, "layers": []descriptor{m.bytes(typeLayer, packed.Bytes())},
	})
	manifest.Platform = &platform{arch, "linux"}
	return manifest, nil
}

// entry is a file or, with a slash at the end of its name, a folder.
type entry struct {
	name  string
	mode  int64
	owner int
	text  []byte
}

// layer returns the file system. The folders for sockets and state belong to
// the user, so that volumes which are made from them do too.
func (m *image) layer(dir string) ([]byte, error) {
	all := []entry{
		{"etc/", 0o755, 0, nil},
		{"etc/group", 0o644, 0, fmt.Appendf(nil, "root:x:0:\nneonauthd:x:%d:\n", user)},
		{"etc/neonauthd/", 0o755, 0, nil},
		{"etc/passwd", 0o644, 0, fmt.Appendf(nil, "root:x:0:0::/:/nologin\nneonauthd:x:%d:%d::/:/nologin\n", user, user)},
		{"run/", 0o755, 0, nil},
		{"run/neonauth-http/", 0o755, user, nil},
		{"run/neonauthd/", 0o755, user, nil},
		{"tmp/", 0o1777, 0, nil},
		{"usr/", 0o755, 0, nil},
		{"usr/bin/", 0o755, 0, nil},
		{"var/", 0o755, 0, nil},
		{"var/lib/", 0o755, 0, nil},
		{"var/lib/neonauthd/", 0o700, user, nil},
	}
	for _, name := range []string{"neonauth-http", "neonauthctl", "neonauthd"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		all = append(all, entry{"usr/bin/" + name, 0o755, 0, text})
	}
	return m.tar(all), nil
}

// archive returns the archive: the layout, the index, and the blobs by their
// digests.
func (m *image) archive(index []byte) []byte {
	all := []entry{
		{"oci-layout", 0o644, 0, encode(document{"imageLayoutVersion": "1.0.0"})},
		{"index.json", 0o644, 0, index},
		{"blobs/", 0o755, 0, nil},
		{"blobs/sha256/", 0o755, 0, nil},
	}
	for sum, text := range m.blobs {
		all = append(all, entry{"blobs/" + strings.Replace(sum, ":", "/", 1), 0o644, 0, text})
	}
	return m.tar(all)
}

// tar writes entries in the order of their names.
func (m *image) tar(all []entry) []byte {
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range all {
		h := &tar.Header{Name: e.name, Mode: e.mode, Uid: e.owner, Gid: e.owner, Size: int64(len(e.text)), ModTime: m.created, Format: tar.FormatUSTAR, Typeflag: tar.TypeReg}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		err := w.WriteHeader(h)
		if err == nil {
			_, err = io.Copy(w, bytes.NewReader(e.text))
		}
		if err != nil {
			panic(err) // writing to memory does not fail
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}
