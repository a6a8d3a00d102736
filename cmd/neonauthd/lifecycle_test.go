package main_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

func TestStopAnswersEveryLineAlreadySent(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	i := serve(t, h, settings{tables: []string{c.project(t, h, standin.Stack)}})
	token, _ := c.user("Ada")
	asked := c.selfTested(t)
	tagged, ordered := call(t, h.socket()), call(t, h.socket())
	tagged.expect(t, "VERIFY "+token, "OK .*")
	ordered.expect(t, "PING", "OK")

	// Two questions that only the upstream can answer, and it takes its time.
	release := make(chan struct{})
	c.Inject(standin.StackKeys, standin.Fault{Kind: standin.Delay, Until: release})
	c.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: release})
	tagged.send(t, "@kid VERIFY "+c.strange("stranger")+"\n@me PROFILE "+token+"\n")
	c.await(t, standin.StackKeys, 2)
	c.await(t, standin.Me, asked+1)
	const pings = 200
	ordered.send(t, "PROFILE "+token+"\n"+strings.Repeat("PING\n", pings))
	i.signal(t, syscall.SIGTERM)
	i.awaitState(t, "STOPPING=1")
	close(release)

	for range 2 {
		got := tagged.reply(t)
		if !strings.HasPrefix(got, "@kid NO unknown-key") && !strings.HasPrefix(got, "@me OK level=profile ") {
			t.Errorf("got %q", head(got))
		}
	}
	tagged.awaitEnd(t)
	matches(t, ordered.reply(t), "OK level=profile .*")
	for n := range pings {
		if got := ordered.reply(t); got != "OK" {
			t.Fatalf("PING %d: %q", n, got)
		}
	}
	ordered.awaitEnd(t)
	if code := i.awaitEnd(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if _, err := dial(h.socket()); err == nil {
		t.Error("the socket is served still")
	}
}

// TestStopAnswersWhatTakesTooLong stops a daemon whose upstream hangs longer
// than the stop may take.
func TestStopAnswersWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	i := serve(t, h, settings{tables: []string{c.project(t, h, standin.Stack, `upstream_timeout = "60s"`)}})
	asked := c.selfTested(t)
	token, _ := c.user("Ada")
	peer := call(t, h.socket())
	peer.expect(t, "VERIFY "+token, "OK .*")
	c.Inject(standin.Any, standin.Fault{Kind: standin.Hang})
	peer.send(t, "@k VERIFY deadline=60000 "+c.strange("stranger")+"\nPROFILE deadline=60000 "+token+"\n@p PROFILE deadline=60000 "+token+"\n")
	c.await(t, standin.StackKeys, 2)
	c.await(t, standin.Me, asked+1)
	i.signal(t, syscall.SIGTERM)
	for range 3 {
		matches(t, peer.reply(t), "(@[kp] )?ERR .*")
	}
	peer.awaitEnd(t)
	if code := i.awaitEnd(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

func TestReloadKeepsConnectionsCachesAndFlights(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	s := settings{tables: []string{c.project(t, h, standin.Stack)}}
	i := serve(t, h, s)
	token, _ := c.user("Ada")
	peer := call(t, h.socket())
	asked := c.selfTested(t)
	peer.expect(t, "VERIFY "+token, "OK .* source=upstream .*")
	peer.expect(t, "PROFILE "+token, "OK level=profile .* source=upstream .*")
	release := make(chan struct{})
	c.Inject(standin.StackKeys, standin.Fault{Kind: standin.Delay, Until: release})
	peer.send(t, "@flying VERIFY "+c.strange("stranger")+"\n")
	c.await(t, standin.StackKeys, 2)

	s.tables = append(s.tables, c.project(t, h, standin.Neon))
	h.configure(t, s)
	i.reload(t)
	peer.expect(t, "HELLO 1 test", "OK .* projects=main,neon")
	peer.expect(t, "VERIFY "+token, "OK .* source=cache .*")
	peer.expect(t, "PROFILE "+token, "OK level=profile .* source=cache .*")
	peer.expect(t, "VERIFY project=neon "+c.NeonToken(standin.TokenSpec{}), "OK .*")
	close(release)
	if got := peer.reply(t); got != "@flying NO unknown-key" {
		t.Errorf("the lookup under way got %q", got)
	}
	if n := c.Calls(standin.Me) - asked; n != 1 {
		t.Errorf("%d calls for one profile", n)
	}

	s.tables = s.tables[:1]
	h.configure(t, s)
	call(t, h.adminSocket()).expect(t, "RELOAD", "OK")
	peer.expect(t, "VERIFY project=neon "+token, "ERR unknown-project .*")
	peer.expect(t, "VERIFY "+token, "OK .* source=cache .*")
}

func TestReloadWhileLookupsAreInFlightRacesNothing(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	s := settings{tables: []string{c.project(t, h, standin.Stack)}}
	i := serve(t, h, s)
	token, _ := c.user("Ada")
	peer := call(t, h.socket())
	const many = 100
	for round := range 10 {
		s.tables = append(s.tables, fmt.Sprintf("[[caller]]\nuid = %d\n", syscall.Getuid()))
		h.configure(t, s)
		i.signal(t, syscall.SIGHUP)
		for n := range many {
			peer.send(t, fmt.Sprintf("@s%d VERIFY %s\n@f%d VERIFY %s\n", n, c.StackToken(standin.TokenSpec{}), n, token))
		}
		for range 2 * many {
			matches(t, peer.reply(t), "@[sf][0-9]+ OK .*")
		}
		if told := i.awaitState(t, "READY=1"); strings.Contains(told, "failed") {
			t.Fatalf("round %d: %s", round, told)
		}
	}
}

func TestBrokenFileLeavesTheOldConfigurationInForce(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	s := settings{tables: []string{c.project(t, h, standin.Stack)}}
	i := serve(t, h, s)
	token, _ := c.user("Ada")
	peer, admin := call(t, h.socket()), call(t, h.adminSocket())
	peer.expect(t, "VERIFY "+token, "OK .*")
	for name, text := range map[string]string{
		"syntax":         "socket = \n",
		"unknown key":    "sokcet = \"/tmp/x\"\n",
		"nothing":        "",
		"no such preset": "[[project]]\nname = \"main\"\npreset = \"magic\"\n",
		"other socket":   "socket = \"/tmp/other.sock\"\n" + s.tables[0],
		"no such user":   "socket = \"" + h.socket() + "\"\nadmin_socket = \"" + h.adminSocket() + "\"\nstate_dir = \"" + h.path("state") + "\"\n" + s.tables[0] + "[[caller]]\nuser = \"no-such-user-here\"\n",
	} {
		h.write(t, "neonauthd.toml", text)
		if told := i.reload(t); !strings.Contains(told, "reload failed") {
			t.Errorf("%s: told %q", name, told)
		}
		matches(t, admin.ask(t, "RELOAD"), "ERR misconfigured .+")
		i.awaitState(t, "RELOADING=1")
		i.awaitState(t, "READY=1")
		peer.expect(t, "VERIFY "+token, "OK .* source=cache .*")
	}
	h.configure(t, s)
	if told := i.reload(t); strings.Contains(told, "failed") {
		t.Errorf("told %q", told)
	}
}

func TestReloadAppliesLimitsToNewConnections(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	s := settings{tables: []string{c.project(t, h, standin.Stack)}}
	i := serve(t, h, s)
	old := call(t, h.socket())
	old.expect(t, "PING", "OK")
	s.limits = "in_flight_per_connection = 7\nidle_timeout = \"1s\""
	h.configure(t, s)
	i.reload(t)
	peer := call(t, h.socket())
	peer.expect(t, "HELLO 1 test", "OK .* in-flight=7 .*")
	peer.awaitEnd(t) // idle for a second
}

// TestDeathOfTheLogsReaderEndsNothing closes the other end of standard error
// and has something logged.
func TestDeathOfTheLogsReaderEndsNothing(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(t, settings{tables: []string{alone}})
	read, write, err := os.Pipe()
	must(t, err)
	i := launchWith(t, h, func(cmd *exec.Cmd) { cmd.Stderr = write })
	must(t, write.Close())
	i.awaitState(t, "READY=1")
	must(t, read.Close())
	peer, admin := call(t, h.socket()), call(t, h.adminSocket())
	for range 5 {
		admin.expect(t, "REVOKE subject somebody", "OK changed=1 .*")
		admin.expect(t, "UNREVOKE subject somebody", "OK changed=1 .*")
		peer.expect(t, "PING", "OK")
	}
}

func TestQuitAnswersEverythingFirst(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	serve(t, h, settings{tables: []string{c.project(t, h, standin.Stack)}})
	token, _ := c.user("Ada")
	asked := c.selfTested(t)
	release := make(chan struct{})
	c.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: release})
	peer := call(t, h.socket())
	peer.send(t, "PROFILE "+token+"\n@t PROFILE "+token+"\nQUIT\nPING\n")
	c.await(t, standin.Me, asked+1)
	close(release)
	rest, err := io.ReadAll(peer.in)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(rest), "\n"), "\n")
	if len(lines) != 3 || lines[2] != "OK" {
		t.Errorf("%d lines, the last %q", len(lines), shorten(lines[len(lines)-1]))
	}
}
