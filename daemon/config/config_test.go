package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/span"
	"github.com/neonauthd/neonauthd/protocol"
)

// configFiles are copies of the files of testdata with that ending. Load may refuse the files
// themselves: a checkout can belong to anybody, and its modes follow the umask.
func configFiles(t *testing.T, ending string) []string {
	t.Helper()
	dir := need.Folder(t)
	files, err := filepath.Glob("testdata/*." + ending + ".toml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(files[i], text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestGoodConfigurationsAreTaken(t *testing.T) {
	for _, file := range configFiles(t, "good") {
		c, err := Load(file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if c.Dir != filepath.Dir(file) {
			t.Errorf("%s: folder %q", file, c.Dir)
		}
	}
}

// TestBadConfigurationsAreRefusedWithTheirFault compares with what the first
// lines of each file want.
func TestBadConfigurationsAreRefusedWithTheirFault(t *testing.T) {
	for _, file := range configFiles(t, "bad") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Load(file)
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
			continue
		}
		wants := 0
		for line := range strings.Lines(string(text)) {
			want, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "# want: ")
			if !ok {
				break
			}
			wants++
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant %s", file, err, want)
			}
		}
		if wants == 0 {
			t.Errorf("%s: the first line does not say what it wants", file)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error tells a secret", file)
		}
	}
}

// TestAByteOrderMarkBeginsAFileAndNothingElse: editors on Windows write one, and
// no editor shows it.
func TestAByteOrderMarkBeginsAFileAndNothingElse(t *testing.T) {
	text, err := os.ReadFile("testdata/minimal-stack.good.toml")
	if err != nil {
		t.Fatal(err)
	}
	const mark = "\ufeff"
	plain, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if marked, err := Parse(append([]byte(mark), text...)); err != nil || !reflect.DeepEqual(marked, plain) {
		t.Errorf("with a mark: %v", err)
	}
	for _, bad := range []string{mark + mark + string(text), string(text) + "\n" + mark} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Error("a mark that begins nothing is taken")
		}
	}
}

func TestSeveralFaultsAreAllTold(t *testing.T) {
	_, err := Parse([]byte("state_dir = \"\"\n[limits]\nconnections = 0\n[[project]]\nname = \"a b\"\npreset = \"neon\"\n"))
	for _, want := range []string{"state_dir: ", "limits.connections: ", "project \"a b\": name: ", "project \"a b\": base_url: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s as well", err, want)
		}
	}
}

// TestAWrittenStateDirectoryIsToldFromTheDefault, also if it is written like the default.
func TestAWrittenStateDirectoryIsToldFromTheDefault(t *testing.T) {
	text, err := os.ReadFile("testdata/minimal-stack.good.toml")
	if err != nil {
		t.Fatal(err)
	}
	for first, written := range map[string]bool{"": false, "#state_dir = \"/a\"\n": false, "state_dir = \"/var/lib/neonauthd\"\n": true, "\ufeffstate_dir = \"/a\"\n": true} {
		if c, err := Parse([]byte(first + string(text))); err != nil || c.StateDirWritten != written {
			t.Errorf("%q: %v, %v", first, c.StateDirWritten, err)
		}
	}
}

func TestConfigurationFilesAreBounded(t *testing.T) {
	text, err := os.ReadFile("testdata/minimal-stack.good.toml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(need.Folder(t), "c.toml")
	for _, c := range []struct {
		size int
		good bool
	}{{MaxFile - 1, true}, {MaxFile, true}, {MaxFile + 1, false}} {
		padded := append(append([]byte{}, text...), bytes.Repeat([]byte("#"), c.size-len(text))...)
		if err := os.WriteFile(path, padded, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); (err == nil) != c.good {
			t.Errorf("%d bytes: %v", c.size, err)
		}
	}
	if _, err := Load(path + ".missing"); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("missing: %v", err)
	}
}

func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	text, err := os.ReadFile("testdata/minimal-stack.good.toml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Projects[0].WithDerived()
	for _, d := range []struct {
		key       string
		got, want any
	}{
		{"socket", c.Socket, protocol.DefaultSocket},
		{"admin_socket", c.AdminSocket, protocol.DefaultAdminSocket},
		{"metrics_listen", c.MetricsListen, ""},
		{"state_dir", c.StateDir, "/var/lib/neonauthd"},
		{"revocation_retention", c.RevocationRetention.String(), "30d"},
		{"log_level", c.LogLevel.String(), "info"},
		{"max_bytes", c.Cache.MaxBytes.String(), "64MiB"},
		{"connections", c.Limits.Connections, 4096},
		{"connections_per_uid", c.Limits.ConnectionsPerUID, 1024},
		{"in_flight_per_connection", c.Limits.InFlightPerConnection, 256},
		{"idle_timeout", time.Duration(c.Limits.IdleTimeout), 5 * time.Minute},
		{"base_url", p.BaseURL, "https://api.stack-auth.com"},
		{"audience_claim", p.AudienceClaim, "aud"},
		{"leeway", time.Duration(p.Leeway), 5 * time.Second},
		{"profile_fresh", time.Duration(p.ProfileFresh), time.Minute},
		{"profile_stale", time.Duration(p.ProfileStale), 15 * time.Minute},
		{"upstream_timeout", time.Duration(p.UpstreamTimeout), 3 * time.Second},
		{"upstream_rate", p.UpstreamRate, 20.0},
		{"jwks_refresh", time.Duration(p.JWKSRefresh), 10 * time.Minute},
		{"jwks_max_age", time.Duration(p.JWKSMaxAge), time.Hour},
		{"jwks_cooldown", time.Duration(p.JWKSCooldown), 30 * time.Second},
	} {
		if !reflect.DeepEqual(d.got, d.want) {
			t.Errorf("%s: %v, want %v", d.key, d.got, d.want)
		}
	}
}

// TestEveryKeyIsInTheManual and in testdata/everything.good.toml.
func TestEveryKeyIsInTheManual(t *testing.T) {
	for _, file := range []string{"../../docs/man/neonauthd.toml.5", "testdata/everything.good.toml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var walk func(reflect.Type)
		walk = func(of reflect.Type) {
			for i := range of.NumField() {
				f := of.Field(i)
				key := f.Tag.Get("toml")
				if key == "-" {
					continue
				}
				if !bytes.Contains(text, []byte(key)) {
					t.Errorf("%s says nothing of %q", file, key)
				}
				inner := f.Type
				if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
					inner = inner.Elem()
				}
				if inner.Kind() == reflect.Struct {
					walk(inner)
				}
			}
		}
		walk(reflect.TypeFor[Config]())
	}
}

func TestTheStandInsBlocksAreGoodConfigurations(t *testing.T) {
	s := standin.New(standin.Options{BaseURL: "http://127.0.0.1:4000"})
	for _, preset := range []standin.Preset{standin.Stack, standin.Neon, standin.OIDC} {
		c, err := Parse([]byte(s.ConfigBlock(preset, "")))
		if err != nil {
			t.Errorf("%s: %v", preset, err)
			continue
		}
		if p := c.Projects[0].WithDerived(); p.JWKSURL != "" && p.JWKSURL != s.KeysURL(preset) {
			t.Errorf("%s: key set at %s, but the stand-in has it at %s", preset, p.JWKSURL, s.KeysURL(preset))
		}
	}
}

func TestSizesDurationsAndLevelsAreWrittenAsTheyAreRead(t *testing.T) {
	for _, size := range []string{"0B", "1B", "1023B", "1KiB", "1025B", "64MiB", "1GiB", "1024GiB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(size)); err != nil || b.String() != size {
			t.Errorf("%s: %s, %v", size, b.String(), err)
		}
	}
	for _, size := range []string{"", "1", "B", "-1B", "1.5MiB", "01B", " 1B", "1 B", "1025GiB", "1mib", "99999999999999999999B", "1KB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(size)); err == nil {
			t.Errorf("size %q is taken for %d", size, b)
		}
	}
	for _, level := range []string{"debug", "info", "warn", "error"} {
		var l LogLevel
		if err := l.UnmarshalText([]byte(level)); err != nil || l.String() != level {
			t.Errorf("%s: %s, %v", level, l.String(), err)
		}
	}
	for _, duration := range []string{"0s", "1.5s", "5m", "24h", "7d"} {
		var d Duration
		if err := d.UnmarshalText([]byte(duration)); err != nil || d.String() != duration {
			t.Errorf("%s: %s, %v", duration, d.String(), err)
		}
	}
	for text, want := range map[string]time.Duration{"0d": 0, "1d": span.Day, "30d": 30 * span.Day, "1d12h": 36 * time.Hour, "007d0s": 7 * span.Day, "1d23h59m59.9s": 2*span.Day - 100*time.Millisecond, "100000d": 100000 * span.Day} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s: %s, %v, want %s", text, d, err, want)
		}
	}
	for _, duration := range []string{"", "5", "d", "-1d", "1.5d", "+1d", "1d1", "1d-1h", "1d24h", "1dd", "1 d", "1h1d", "1D", "106752d", "4294967296d", "99999999999999999999d", "-1s", "s", "5 s", "9999999h", strings.Repeat("9", 500) + "s"} {
		var d Duration
		if err := d.UnmarshalText([]byte(duration)); err == nil || len(err.Error()) > 300 {
			t.Errorf("duration %.20q is taken for %s, or its error is long", duration, time.Duration(d))
		}
	}
}

func TestRetentionsAreWrittenAsTheyAreRead(t *testing.T) {
	for text, want := range map[string]Retention{
		"forever": Forever, "1h": Retention(time.Hour), "30d": Retention(30 * span.Day), "24h": Retention(span.Day), "36h": Retention(36 * time.Hour),
	} {
		var r, again Retention
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%s: %s, %v", text, r, err)
		}
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%s: written as %s: %v", text, r, err)
		}
	}
	for _, text := range []string{"", "0s", "0", "0d", "59m59.999999999s", "-1h", "Forever", "forever ", "never", "30"} {
		r := Retention(span.Day)
		if err := r.UnmarshalText([]byte(text)); err == nil || r != Retention(span.Day) {
			t.Errorf("retention %q is taken for %s", text, r)
		}
	}
	if text := Retention(30 * span.Day).String(); text != "30d" {
		t.Errorf("30 days are %s", text)
	}
}
