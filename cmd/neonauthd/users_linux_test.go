package main_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// nobody is a user who is somebody else than the tests' own, who is root.
const nobody = 65534

// callAs connects as another user. A thread of its own takes that user's id and
// ends with the goroutine; the kernel notes the ids of the thread that connects
// (unix(7), SO_PEERCRED).
func callAs(t *testing.T, uid int, socket string) (*caller, error) {
	t.Helper()
	type result struct {
		c   *caller
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread is spoilt
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESGID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			done <- result{nil, errno}
			return
		}
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			done <- result{nil, errno}
			return
		}
		c, err := dial(socket)
		done <- result{c, err}
	}()
	r := <-done
	if r.err == nil {
		t.Cleanup(func() { r.c.conn.Close() })
	}
	return r.c, r.err
}

// openToAll lets every user reach the ordinary socket, as a group would.
func openToAll(t *testing.T, h *home) {
	t.Helper()
	need.Root(t, "being somebody else")
	must(t, os.Chmod(h.dir, 0o755))
	must(t, os.Chmod(h.socket(), 0o666))
}

func other(t *testing.T, h *home) *caller {
	t.Helper()
	c, err := callAs(t, nobody, h.socket())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOtherUsersCannotReachTheSockets(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	serve(t, h, settings{tables: []string{alone}})
	openToAll(t, h)
	must(t, os.Chmod(h.socket(), 0o660)) // as it was
	for _, socket := range []string{h.socket(), h.adminSocket()} {
		if _, err := callAs(t, nobody, socket); err == nil {
			t.Errorf("%s lets anybody in", socket)
		}
	}
}

func TestOneUserCannotStarveAnother(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	serve(t, h, settings{limits: "connections = 10\nconnections_per_uid = 3", tables: []string{alone}})
	openToAll(t, h)
	fill(t, h.socket(), 3)
	other(t, h).expect(t, "PING", "OK")
}

func TestCallerRulesHold(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	s := settings{tables: []string{
		c.project(t, h, standin.Stack), c.project(t, h, standin.OIDC),
		fmt.Sprintf("[[caller]]\nuid = %d\nprojects = [\"main\"]\nlevels = [\"profile\"]\nwithhold = [\"primary_email\", \"selected_team.id\"]\n", nobody),
	}}
	i := serve(t, h, s)
	openToAll(t, h)
	c.selfTested(t)
	u := c.AddUser(standin.User{Name: "Ada", Email: "ada@example.org", Team: standin.Team{ID: "6a1b7b7e-6b3e-4c0e-9b8e-2f3d5a1c7e90", Name: "Crew"}})
	token := c.StackToken(standin.TokenSpec{Subject: u.ID})
	oidc := c.OIDCToken(standin.TokenSpec{})
	peer := other(t, h)
	peer.expect(t, "PING", "OK")
	peer.expect(t, "HELLO 1 x", "OK .* projects=main")
	peer.expect(t, "VERIFY "+token, "ERR forbidden.*")
	peer.expect(t, "PROFILE project=oidc "+oidc, "ERR forbidden.*")
	got := peer.ask(t, "PROFILE "+token)
	matches(t, got, `OK level=profile .*"display_name":"Ada".*"Crew".*`)
	for _, secret := range []string{`"primary_email":`, u.Email[:3] + "@", u.Team.ID + `","display_name"`} {
		if strings.Contains(got, secret) {
			t.Errorf("%s is not withheld: %s", secret, got)
		}
	}
	// Us no rule names: all is forbidden, and the admin socket is not concerned.
	ours, admin := call(t, h.socket()), call(t, h.adminSocket())
	ours.expect(t, "VERIFY "+token, "ERR forbidden.*")
	ours.expect(t, "HELLO 1 x", "OK .* projects=")
	admin.expect(t, "VERIFY "+token, "OK .*")
	matches(t, admin.ask(t, "PROFILE "+token), `OK .*"primary_email":.*`)

	s.tables[2] = fmt.Sprintf("[[caller]]\nuid = %d\nrate = 5\n[[caller]]\nuid = %d\n", nobody, os.Getuid())
	h.configure(t, s)
	i.reload(t)
	busy := 0
	for range 50 {
		if got := peer.ask(t, "VERIFY "+token); strings.Contains(got, "ERR busy retry-after=1") {
			busy++
		}
	}
	if busy < 30 {
		t.Errorf("of 50 lookups at once %d were refused, with 5 per second allowed", busy)
	}
	for range 50 {
		ours.expect(t, "VERIFY "+token, "OK .*")
	}
}
