package neonauthd_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestStopAnswersEveryLineAlreadySent(t *testing.T) {
	t.Parallel()
	c, h, i := serving(t)
	token, _ := c.User("Ada")
	asked := c.SelfTested(t)
	tagged, ordered := e2e.Call(t, h.Socket()), e2e.Call(t, h.Socket())
	tagged.Expect(t, "VERIFY "+token, "OK .*")
	ordered.Expect(t, "PING", "OK")

	// Two questions that only the upstream can answer, which takes its time.
	release := make(chan struct{})
	c.Inject(standin.StackKeys, standin.Fault{Kind: standin.Delay, Until: release})
	c.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: release})
	tagged.Send(t, "@kid VERIFY "+c.Strange("stranger")+"\n@me PROFILE "+token+"\n")
	c.Await(t, standin.StackKeys, 2)
	c.Await(t, standin.Me, asked+1)
	const pings = 200
	ordered.Send(t, "PROFILE "+token+"\n"+strings.Repeat("PING\n", pings))
	i.Signal(t, syscall.SIGTERM)
	i.Await(t, "STOPPING=1")
	close(release)

	for range 2 {
		got := tagged.Reply(t)
		if !strings.HasPrefix(got, "@kid NO unknown-key") && !strings.HasPrefix(got, "@me OK level=profile ") {
			t.Errorf("got %q", e2e.Head(got))
		}
	}
	tagged.AwaitEnd(t)
	e2e.Matches(t, ordered.Reply(t), "OK level=profile .*")
	for n := range pings {
		if got := ordered.Reply(t); got != "OK" {
			t.Fatalf("PING %d: %q", n, got)
		}
	}
	ordered.AwaitEnd(t)
	if code := i.AwaitEnd(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if _, err := e2e.Dial(h.Socket()); err == nil {
		t.Error("the socket is served still")
	}
}

// TestStopAnswersWhatTakesTooLong stops a daemon while its upstream hangs for
// longer than the stop may take.
func TestStopAnswersWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	i := e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack, `upstream_timeout = "60s"`)}})
	asked := c.SelfTested(t)
	token, _ := c.User("Ada")
	peer := e2e.Call(t, h.Socket())
	peer.Expect(t, "VERIFY "+token, "OK .*")
	c.Inject(standin.Any, standin.Fault{Kind: standin.Hang})
	peer.Send(t, "@k VERIFY deadline=60000 "+c.Strange("stranger")+"\nPROFILE deadline=60000 "+token+"\n@p PROFILE deadline=60000 "+token+"\n")
	c.Await(t, standin.StackKeys, 2)
	c.Await(t, standin.Me, asked+1)
	i.Signal(t, syscall.SIGTERM)
	for range 3 {
		e2e.Matches(t, peer.Reply(t), "(@[kp] )?ERR .*")
	}
	peer.AwaitEnd(t)
	if code := i.AwaitEnd(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

func TestReloadKeepsConnectionsCachesAndFlights(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	s := e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack)}}
	i := e2e.Serve(t, h, s)
	token, _ := c.User("Ada")
	peer := e2e.Call(t, h.Socket())
	asked := c.SelfTested(t)
	peer.Expect(t, "VERIFY "+token, "OK .* source=upstream .*")
	peer.Expect(t, "PROFILE "+token, "OK level=profile .* source=upstream .*")
	release := make(chan struct{})
	c.Inject(standin.StackKeys, standin.Fault{Kind: standin.Delay, Until: release})
	peer.Send(t, "@flying VERIFY "+c.Strange("stranger")+"\n")
	c.Await(t, standin.StackKeys, 2)

	s.Tables = append(s.Tables, c.Project(t, h, standin.Neon))
	h.Configure(t, s)
	i.Reload(t)
	peer.Expect(t, "HELLO 1 test", "OK .* projects=main,neon")
	peer.Expect(t, "VERIFY "+token, "OK .* source=cache .*")
	peer.Expect(t, "PROFILE "+token, "OK level=profile .* source=cache .*")
	peer.Expect(t, "VERIFY project=neon "+c.NeonToken(standin.TokenSpec{}), "OK .*")
	close(release)
	if got := peer.Reply(t); got != "@flying NO unknown-key" {
		t.Errorf("the lookup under way got %q", got)
	}
	if n := c.Calls(standin.Me) - asked; n != 1 {
		t.Errorf("%d calls for one profile", n)
	}

	s.Tables = s.Tables[:1]
	h.Configure(t, s)
	e2e.Call(t, h.AdminSocket()).Expect(t, "RELOAD", "OK")
	peer.Expect(t, "VERIFY project=neon "+token, "ERR unknown-project .*")
	peer.Expect(t, "VERIFY "+token, "OK .* source=cache .*")
}

func TestReloadWhileLookupsAreInFlightRacesNothing(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	s := e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack)}}
	i := e2e.Serve(t, h, s)
	token, _ := c.User("Ada")
	peer := e2e.Call(t, h.Socket())
	const many = 100
	for round := range 10 {
		s.Tables = append(s.Tables, fmt.Sprintf("[[caller]]\nuid = %d\n", syscall.Getuid()))
		h.Configure(t, s)
		i.Signal(t, syscall.SIGHUP)
		for n := range many {
			peer.Send(t, fmt.Sprintf("@s%d VERIFY %s\n@f%d VERIFY %s\n", n, c.StackToken(standin.TokenSpec{}), n, token))
		}
		for range 2 * many {
			e2e.Matches(t, peer.Reply(t), "@[sf][0-9]+ OK .*")
		}
		if told := i.Await(t, "READY=1"); strings.Contains(told, "failed") {
			t.Fatalf("round %d: %s", round, told)
		}
	}
}

func TestBrokenFileLeavesTheOldConfigurationInForce(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	s := e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack)}}
	i := e2e.Serve(t, h, s)
	token, _ := c.User("Ada")
	peer, admin := e2e.Call(t, h.Socket()), e2e.Call(t, h.AdminSocket())
	peer.Expect(t, "VERIFY "+token, "OK .*")
	for name, text := range map[string]string{
		"syntax":         "socket = \n",
		"unknown key":    "sokcet = \"/tmp/x\"\n",
		"nothing":        "",
		"no such preset": "[[project]]\nname = \"main\"\npreset = \"magic\"\n",
		"other socket":   "socket = \"/tmp/other.sock\"\n" + s.Tables[0],
		"no such user":   "socket = \"" + h.Socket() + "\"\nadmin_socket = \"" + h.AdminSocket() + "\"\nstate_dir = \"" + h.Path("state") + "\"\n" + s.Tables[0] + "[[caller]]\nuser = \"no-such-user-here\"\n",
	} {
		h.Write(t, "neonauthd.toml", text)
		if told := i.Reload(t); !strings.Contains(told, "reload failed") {
			t.Errorf("%s: told %q", name, told)
		}
		e2e.Matches(t, admin.Ask(t, "RELOAD"), "ERR misconfigured .+")
		i.Await(t, "RELOADING=1")
		i.Await(t, "READY=1")
		peer.Expect(t, "VERIFY "+token, "OK .* source=cache .*")
	}
	h.Configure(t, s)
	if told := i.Reload(t); strings.Contains(told, "failed") {
		t.Errorf("told %q", told)
	}
}

func TestReloadAppliesLimitsToNewConnections(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	s := e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack)}}
	i := e2e.Serve(t, h, s)
	old := e2e.Call(t, h.Socket())
	old.Expect(t, "PING", "OK")
	s.Limits = "in_flight_per_connection = 7\nidle_timeout = \"1s\""
	h.Configure(t, s)
	i.Reload(t)
	peer := e2e.Call(t, h.Socket())
	peer.Expect(t, "HELLO 1 test", "OK .* in-flight=7 .*")
	peer.AwaitEnd(t) // idle for a second
}

// TestDeathOfTheLogsReaderEndsNothing closes the other end of standard error,
// and then makes the daemon log something.
func TestDeathOfTheLogsReaderEndsNothing(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	h.Configure(t, e2e.Settings{Tables: []string{alone}})
	read, write, err := os.Pipe()
	e2e.Must(t, err)
	i := h.LaunchWith(t, func(cmd *exec.Cmd) { cmd.Stderr = write })
	e2e.Must(t, write.Close())
	i.Await(t, "READY=1")
	e2e.Must(t, read.Close())
	peer, admin := e2e.Call(t, h.Socket()), e2e.Call(t, h.AdminSocket())
	for range 5 {
		admin.Expect(t, "REVOKE subject somebody", "OK changed=1 .*")
		admin.Expect(t, "UNREVOKE subject somebody", "OK changed=1 .*")
		peer.Expect(t, "PING", "OK")
	}
}

func TestQuitAnswersEverythingFirst(t *testing.T) {
	t.Parallel()
	c, h, _ := serving(t)
	token, _ := c.User("Ada")
	asked := c.SelfTested(t)
	release := make(chan struct{})
	c.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: release})
	peer := e2e.Call(t, h.Socket())
	peer.Send(t, "PROFILE "+token+"\n@t PROFILE "+token+"\nQUIT\nPING\n")
	c.Await(t, standin.Me, asked+1)
	close(release)
	rest, err := io.ReadAll(peer.In)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(rest), "\n"), "\n")
	if len(lines) != 3 || lines[2] != "OK" {
		t.Errorf("%d lines, the last %q", len(lines), e2e.Shorten(lines[len(lines)-1]))
	}
}

// TestAReloadWaitsForTheStart asks for a reload while the daemon waits to hear its fleet. A
// service manager that was told READY=1 at the end of that reload would begin to send
// lookups to sockets that nobody serves.
func TestAReloadWaitsForTheStart(t *testing.T) {
	t.Parallel()
	engine, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections and never says anything
	e2e.Must(t, err)
	defer engine.Close()
	u, f := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	f.Write(t, "fleet-key", fleet.GenerateKey()+"\n")
	table := fmt.Sprintf("[fleet]\nname = \"test\"\nurls = [\"redis://%s\"]\nkeys = [\"./fleet-key\"]\nwhen_blind = \"refuse\"\n", engine.Addr())
	f.Configure(t, e2e.Settings{Tables: []string{table, u.Project(t, f, standin.Stack)}})
	p := f.Launch(t)
	conn, err := engine.Accept() // from here on the daemon handles the signal
	e2e.Must(t, err)
	defer conn.Close()
	p.Signal(t, syscall.SIGHUP)

	if first := p.Await(t, "RE"); !strings.HasPrefix(first, "READY=1") {
		t.Errorf("the service manager was told %q first", first)
	}
	e2e.Call(t, f.Socket()).Expect(t, "PING", "OK")
	p.Await(t, "RELOADING=1\nMONOTONIC_USEC=")
	p.Await(t, "READY=1")
}
