package packaging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/secretfile"
)

const containers = "../examples/containers/"

// container is what a recipe for Kubernetes has of one, or of a configuration.
type container struct {
	File, Name  string
	Args        []string
	Config      map[string]string
	Mounts      map[string]bool // whether they are read-only
	Environment map[string]string
	Security    struct {
		RunAsUser, RunAsGroup                            int
		SupplementalGroups                               []int
		AllowPrivilegeEscalation, ReadOnlyRootFilesystem *bool
		Capabilities                                     struct{ Add, Drop []string }
	}
}

// manifests reads the recipes strictly, as a cluster would.
func manifests(t *testing.T) []container {
	t.Helper()
	python := need.AnyOf(t, "Python with the client of Kubernetes", []string{"python3", "/usr/bin/python3"}, "-c", "import kubernetes, yaml")
	cmd := exec.CommandContext(t.Context(), python, "testdata/manifests.py", containers+"daemonset.yaml", containers+"sidecar.yaml")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	var all []container
	if err := json.Unmarshal(out, &all); err != nil || len(all) < 8 {
		t.Fatalf("%d containers: %v\n%s", len(all), err, out)
	}
	return all
}

func TestRecipesForKubernetesHold(t *testing.T) {
	for _, c := range manifests(t) {
		s := c.Security
		switch {
		case c.Config != nil:
			checkConfig(t, c.Config["neonauthd.toml"])
			continue
		case c.Name == "application":
			if s.RunAsUser == 65532 || !slices.Contains(s.SupplementalGroups, 65532) {
				t.Errorf("%s: the application is user %d with groups %v", c.File, s.RunAsUser, s.SupplementalGroups)
			}
			if len(c.Mounts) != 1 || !c.Mounts["/run/neonauthd"] {
				t.Errorf("%s: the application mounts %v: want the sockets' folder alone, read-only", c.File, c.Mounts)
			}
			continue
		case c.Name == "folders":
			if s.RunAsUser != 0 || !slices.Equal(s.Capabilities.Add, []string{"CHOWN"}) || c.Args[0] != "folder" {
				t.Errorf("%s: %+v", c.File, c)
			}
			for _, path := range c.Args[3:] {
				if _, mounted := c.Mounts[path]; !mounted {
					t.Errorf("%s: it makes %s, which is nowhere", c.File, path)
				}
			}
		case c.Name == "neonauthd":
			if s.RunAsUser != 65532 || s.RunAsGroup != 65532 || len(s.Capabilities.Add) > 0 {
				t.Errorf("%s: the daemon is %+v", c.File, s)
			}
		default:
			t.Errorf("%s: an unknown container %s", c.File, c.Name)
		}
		if !slices.Contains(s.Capabilities.Drop, "ALL") || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			t.Errorf("%s: %s keeps rights that it does not need: %+v", c.File, c.Name, s)
		}
	}
}

// checkConfig reads a recipe's configuration with the daemon's own code. Whoever has the group of the socket must not
// reach the admin socket.
func checkConfig(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv(secretfile.Directory, dir)
	if err := os.WriteFile(filepath.Join(dir, "server-key"), []byte("ssk_x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Socket != "/run/neonauthd/neonauthd.sock" || filepath.Dir(cfg.AdminSocket) == filepath.Dir(cfg.Socket) || cfg.StateDir != "/var/lib/neonauthd" {
		t.Errorf("sockets %s and %s, state in %s", cfg.Socket, cfg.AdminSocket, cfg.StateDir)
	}
}

func TestRecipeForComposeHolds(t *testing.T) {
	need.Program(t, "docker-compose", "docker-compose")
	out := do(t, containers, nil, "docker-compose", "-f", "compose.yaml", "config")
	for _, want := range []string{"neonauthd-run:/run/neonauthd:ro", "- '65532'", "read_only: true", "- ALL", "no-new-privileges:true", "/etc/neonauthd/neonauthd.toml:ro"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	checkConfig(t, read(t, containers+"neonauthd.toml"))
}

// madeImage is an image of this machine's architecture.
func madeImage(t *testing.T) string {
	t.Helper()
	need.Time(t, "it builds the image")
	programs, out := t.TempDir(), t.TempDir()
	do(t, "..", []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-tags", "image", "-ldflags", "-s -w -X main.release=1.2.3", "-o", programs+"/", "./cmd/...")
	var all [][]byte
	file := filepath.Join(out, "image.tar")
	for range 2 {
		do(t, "..", nil, "go", "run", "./packaging/image", "-out", file, "-version", "1.2.3", "-revision", "abc", "-created", "1700000000", runtime.GOARCH+"="+programs)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	if !bytes.Equal(all[0], all[1]) {
		t.Error("the same programs make another image")
	}
	return file
}

// TestTheImageIsOneAndRuns reads it with a tool of others, and runs its programs in its file system as a recipe does.
func TestTheImageIsOneAndRuns(t *testing.T) {
	need.Program(t, "skopeo", "skopeo")
	file := madeImage(t)
	var image struct {
		Architecture, OS, Created string
		Config                    struct {
			User                string
			Entrypoint          []string
			Labels              map[string]string
			Env                 []string
			ExposedPorts, Shell any
		}
	}
	text := do(t, ".", nil, "skopeo", "inspect", "--config", "oci-archive:"+file+":1.2.3")
	if err := json.Unmarshal([]byte(text), &image); err != nil {
		t.Fatal(err)
	}
	if image.Config.User != "65532:65532" || !slices.Equal(image.Config.Entrypoint, []string{"/usr/bin/neonauthd"}) || image.Architecture != runtime.GOARCH ||
		image.OS != "linux" || image.Created != "2023-11-14T22:13:20Z" || image.Config.Labels["org.opencontainers.image.version"] != "1.2.3" {
		t.Errorf("the image is %s", text)
	}
	root := unpacked(t, file)
	need.Root(t, "it runs programs in the file system of the image")
	t.Run("containers meet", func(t *testing.T) { containersMeet(t, root) })
	runsIn(t, root)
}

// unpacked is the file system of an image.
func unpacked(t *testing.T, file string) string {
	t.Helper()
	dir, root := t.TempDir(), t.TempDir()
	do(t, ".", nil, "skopeo", "copy", "--all", "oci-archive:"+file+":1.2.3", "oci:"+dir+":x") // which looks at every digest
	for _, blob := range found(t, dir+"/blobs/sha256/*") {
		if text, err := os.ReadFile(blob); err == nil && bytes.HasPrefix(text, []byte("\x1f\x8b")) {
			do(t, ".", nil, "tar", "-x", "-p", "--same-owner", "-f", blob, "-C", root)
		}
	}
	return root
}

// as is a command in the image's file system.
func as(ctx context.Context, root string, user uint32, groups []uint32, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: user, Gid: user, Groups: groups}}
	return cmd
}

func runsIn(t *testing.T, root string) {
	t.Helper()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, volume := range []string{"run/neonauthd", "var/lib/neonauthd"} { // as a volume of Kubernetes comes
		path := filepath.Join(root, volume)
		if err := errors.Join(os.Chown(path, 0, 0), os.Chmod(path, 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if out, err := as(ctx, root, 65532, nil, "/usr/bin/neonauthd", "--version").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "neonauthd 1.2.3") {
		t.Fatalf("%v %s", err, out)
	}
	var sidecar string
	var makes []string
	for _, c := range manifests(t) {
		if strings.HasSuffix(c.File, "sidecar.yaml") && c.Config != nil {
			sidecar = c.Config["neonauthd.toml"]
		}
		if c.Name == "folders" {
			makes = c.Args
		}
	}
	sidecar = strings.Replace(sidecar, "0.0.0.0:9464", "", 1) // this machine's ports are not the pod's
	if err := os.WriteFile(filepath.Join(root, "etc/neonauthd/neonauthd.toml"), []byte(sidecar), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon := func() (*exec.Cmd, *bytes.Buffer) {
		var out bytes.Buffer
		cmd := as(ctx, root, 65532, nil, "/usr/bin/neonauthd")
		cmd.Stderr = &out
		return cmd, &out
	}
	if cmd, out := daemon(); cmd.Run() == nil || !strings.Contains(out.String(), "writable by others") {
		t.Errorf("in everybody's folders it says %s", out)
	}
	for range 2 { // once more after a restart of the pod
		if out, err := as(ctx, root, 0, nil, append([]string{"/usr/bin/neonauthd"}, makes...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	cmd, log := daemon()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ping := func(groups ...uint32) error { return as(ctx, root, 1001, groups, "/usr/bin/neonauthctl", "ping").Run() }
	for ping(65532) != nil {
		if ctx.Err() != nil {
			t.Fatalf("with the group nobody is answered\n%s", log)
		}
	}
	if ping() == nil {
		t.Error("without the group it is answered too")
	}
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
}
