package packaging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// bundle is a container as a runtime takes it: a folder with a file system and a description (OCI runtime specification).
type bundle struct {
	t       *testing.T
	dir, id string
}

// newBundle describes a container of an image whose file system is at root, with the rights that the recipes leave one.
// volumes are folders of this host by their places; one that ends in ":ro" is read-only.
func newBundle(t *testing.T, root, name string, user int, groups []int, volumes map[string]string, args ...string) *bundle {
	t.Helper()
	b := &bundle{t, t.TempDir(), "neonauthd-test-" + name}
	mounts := []map[string]any{
		{"destination": "/proc", "type": "proc", "source": "proc"},
		{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755", "size=64k"}},
	}
	for place, from := range volumes {
		from, readOnly := strings.CutSuffix(from, ":ro")
		options := []string{"rbind", "nosuid", "nodev", "rw"}
		if readOnly {
			options[3] = "ro"
		}
		mounts = append(mounts, map[string]any{"destination": place, "type": "bind", "source": from, "options": options})
	}
	var namespaces []map[string]string
	for _, kind := range []string{"pid", "ipc", "uts", "mount", "network"} {
		namespaces = append(namespaces, map[string]string{"type": kind})
	}
	text, err := json.Marshal(map[string]any{
		"ociVersion": "1.0.2", "root": map[string]any{"path": root, "readonly": true}, "mounts": mounts, "hostname": name,
		"process": map[string]any{
			"args": args, "cwd": "/", "env": []string{"PATH=/usr/bin"}, "noNewPrivileges": true, "capabilities": map[string]any{},
			"user": map[string]any{"uid": user, "gid": user, "additionalGids": groups},
		},
		"linux": map[string]any{"namespaces": namespaces},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// command runs the container until its program ends.
func (b *bundle) command() *exec.Cmd {
	cmd := exec.CommandContext(b.t.Context(), "runc", "run", "--bundle", b.dir, b.id)
	cmd.WaitDelay = time.Second
	return cmd
}

func (b *bundle) run() (string, error) {
	out, err := b.command().CombinedOutput()
	return string(out), err
}

// containersMeet in a volume: one has the daemon, from another one the application asks it.
func containersMeet(t *testing.T, root string) {
	need.Program(t, "runc", "runc")
	version := newBundle(t, root, "version", 65532, nil, nil, "/usr/bin/neonauthd", "--version")
	out, err := version.run()
	need.Host(t, err == nil || !strings.HasPrefix(out, "runc run failed"), "the runtime starts no container here: "+out)
	if err != nil || !strings.HasPrefix(out, "neonauthd 1.2.3") {
		t.Fatalf("%v: %s", err, out)
	}

	run, state := volume(t), volume(t)
	settings := filepath.Join(t.TempDir(), "neonauthd.toml")
	text := strings.Replace(read(t, containers+"neonauthd.toml"), "0.0.0.0:9464", "", 1)
	if err := os.WriteFile(settings, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(settings), 0o755); err != nil {
		t.Fatal(err)
	}
	daemon := newBundle(t, root, "daemon", 65532, nil,
		map[string]string{"/run/neonauthd": run, "/var/lib/neonauthd": state, "/etc/neonauthd/neonauthd.toml": settings + ":ro"}, "/usr/bin/neonauthd")
	var log bytes.Buffer
	cmd := daemon.command()
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("runc", "delete", "--force", daemon.id).Run() })

	asker := func(name string, groups ...int) *bundle {
		return newBundle(t, root, name, 1001, groups, map[string]string{"/run/neonauthd": run + ":ro"}, "/usr/bin/neonauthctl", "ping")
	}
	application := asker("application", 65532)
	deadline := time.Now().Add(time.Minute)
	for {
		out, err := application.run()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the application is not answered: %v, %s\n%s", err, out, &log)
		}
	}
	if out, err := asker("stranger").run(); err == nil || !strings.Contains(out, "permission") {
		t.Errorf("a container without the group: %v, %s", err, out)
	}
	if err := errors.Join(exec.Command("runc", "kill", daemon.id, "TERM").Run(), cmd.Wait()); err != nil {
		t.Errorf("the daemon does not end in order: %v\n%s", err, &log)
	}
}

// volume is a folder of this host that belongs to the image's user, as one that a runtime makes from the image does.
func volume(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "na-volume-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := errors.Join(os.Chown(dir, 65532, 65532), syscall.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}
