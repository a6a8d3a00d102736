package neonauthd_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// nobody is another user than the tests' own user, which is root.
const nobody = 65534

// callAs connects as another user. A thread of its own takes that user's id and
// ends with the goroutine. The kernel notes the ids of the thread that connects
// (unix(7), SO_PEERCRED).
func callAs(t *testing.T, uid int, socket string) (*e2e.Caller, error) {
	t.Helper()
	type result struct {
		c   *e2e.Caller
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // the thread is never unlocked, because its ids have changed
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESGID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			done <- result{nil, errno}
			return
		}
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			done <- result{nil, errno}
			return
		}
		c, err := e2e.Dial(socket)
		done <- result{c, err}
	}()
	r := <-done
	if r.err == nil {
		t.Cleanup(func() { r.c.Conn.Close() })
	}
	return r.c, r.err
}

// openToAll lets every user reach the ordinary socket, as a group would.
func openToAll(t *testing.T, h *e2e.Folder) {
	t.Helper()
	need.Root(t, "being somebody else")
	e2e.Must(t, os.Chmod(h.Dir, 0o755))
	e2e.Must(t, os.Chmod(h.Socket(), 0o666))
}

func other(t *testing.T, h *e2e.Folder) *e2e.Caller {
	t.Helper()
	c, err := callAs(t, nobody, h.Socket())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOtherUsersCannotReachTheSockets(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Tables: []string{alone}})
	openToAll(t, h)
	e2e.Must(t, os.Chmod(h.Socket(), 0o660)) // restores the mode
	for _, socket := range []string{h.Socket(), h.AdminSocket()} {
		if _, err := callAs(t, nobody, socket); err == nil {
			t.Errorf("%s lets anybody in", socket)
		}
	}
}

func TestOneUserCannotStarveAnother(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Limits: "connections = 10\nconnections_per_uid = 3", Tables: []string{alone}})
	openToAll(t, h)
	fill(t, h.Socket(), 3)
	other(t, h).Expect(t, "PING", "OK")
}

func TestCallerRulesHold(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	s := e2e.Settings{Tables: []string{
		c.Project(t, h, standin.Stack), c.Project(t, h, standin.OIDC),
		fmt.Sprintf("[[caller]]\nuid = %d\nprojects = [\"main\"]\nlevels = [\"profile\"]\nwithhold = [\"primary_email\", \"selected_team.id\"]\n", nobody),
	}}
	i := e2e.Serve(t, h, s)
	openToAll(t, h)
	c.SelfTested(t)
	u := c.AddUser(standin.User{Name: "Ada", Email: "ada@example.org", Team: standin.Team{ID: "6a1b7b7e-6b3e-4c0e-9b8e-2f3d5a1c7e90", Name: "Crew"}})
	token := c.StackToken(standin.TokenSpec{Subject: u.ID})
	oidc := c.OIDCToken(standin.TokenSpec{})
	peer := other(t, h)
	peer.Expect(t, "PING", "OK")
	peer.Expect(t, "HELLO 1 x", "OK .* projects=main")
	peer.Expect(t, "VERIFY "+token, "ERR forbidden.*")
	peer.Expect(t, "PROFILE project=oidc "+oidc, "ERR forbidden.*")
	got := peer.Ask(t, "PROFILE "+token)
	e2e.Matches(t, got, `OK level=profile .*"display_name":"Ada".*"Crew".*`)
	for _, secret := range []string{`"primary_email":`, u.Email[:3] + "@", u.Team.ID + `","display_name"`} {
		if strings.Contains(got, secret) {
			t.Errorf("%s is not withheld: %s", secret, got)
		}
	}
	// No rule names our user, so everything is forbidden. This does not affect
	// the admin socket.
	ours, admin := e2e.Call(t, h.Socket()), e2e.Call(t, h.AdminSocket())
	ours.Expect(t, "VERIFY "+token, "ERR forbidden.*")
	ours.Expect(t, "HELLO 1 x", "OK .* projects=")
	admin.Expect(t, "VERIFY "+token, "OK .*")
	e2e.Matches(t, admin.Ask(t, "PROFILE "+token), `OK .*"primary_email":.*`)

	s.Tables[2] = fmt.Sprintf("[[caller]]\nuid = %d\nrate = 5\n[[caller]]\nuid = %d\n", nobody, os.Getuid())
	h.Configure(t, s)
	i.Reload(t)
	busy := 0
	for range 50 {
		if got := peer.Ask(t, "VERIFY "+token); strings.Contains(got, "ERR busy retry-after=1") {
			busy++
		}
	}
	if busy < 30 {
		t.Errorf("of 50 lookups at once %d were refused, with 5 per second allowed", busy)
	}
	for range 50 {
		ours.Expect(t, "VERIFY "+token, "OK .*")
	}
}
