package fleet

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// found runs Check, and returns its findings as one text and the worst
// severity.
func found(t *testing.T, o Options) (all string, worst Severity) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	var texts []string
	for _, f := range Check(ctx, o) {
		texts = append(texts, f.Text)
		worst = max(worst, f.Severity)
	}
	return strings.Join(texts, "\n"), worst
}

// late reports whether the engine did not answer in time, which happens on a busy machine.
func late(all, want string) bool {
	return strings.Contains(all, "cannot connect") && !strings.Contains(all, want)
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []string
		before func(t *testing.T, s *server, o *Options)
		want   string
		worst  Severity
	}{
		"an empty engine": {nil, nil, "nothing of the fleet \"test\" is there yet", Fine},
		"a fleet at work": {nil, func(t *testing.T, s *server, _ *Options) {
			h := newHost(t, options(t, 1, s.url()))
			awaitAll(t, []*host{h})
			h.revoke(subject("u"))
		}, "all 2 records of the fleet open under the first key", Fine},
		"another key": {nil, func(t *testing.T, s *server, o *Options) {
			awaitAll(t, []*host{newHost(t, options(t, 1, s.url()))})
			o.Keys = []Key{testKey(t, 2)}
		}, "they are not those of the other hosts", Fault},
		"an old key": {nil, func(t *testing.T, s *server, o *Options) {
			awaitAll(t, []*host{newHost(t, options(t, 1, s.url()))})
			o.Keys = []Key{testKey(t, 2), testKey(t, 1)}
		}, "0 records open under the first key, 1 under others", Fine},
		"one of several": {nil, func(t *testing.T, s *server, _ *Options) {
			awaitAll(t, []*host{newHost(t, options(t, 1, s.url()))})
			s.must("HSET", "{neonauthd:test}:hosts", "x", "junk")
		}, "1 records of the fleet \"test\" open under none", Warning},
		"without the secrets": {nil, func(_ *testing.T, _ *server, o *Options) { o.Keys = nil }, "the user may do all that a fleet does\nfleet key and password: a credential", Unchecked},
		"without a password":  {[]string{"--requirepass", "secret"}, func(_ *testing.T, _ *server, o *Options) { o.Keys = nil }, "wants a password\nfleet key and password: a credential", Unchecked},
		"without the key":     {[]string{"--requirepass", "right"}, func(_ *testing.T, _ *server, o *Options) { o.Keys, o.Password = nil, "wrong" }, "refuses the user or the password", Fault},
		"nobody listens":      {nil, func(_ *testing.T, s *server, _ *Options) { s.kill() }, "cannot connect", Fault},
		"no answer": {nil, func(t *testing.T, _ *server, o *Options) {
			ln := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
			t.Cleanup(func() { _ = ln.Close() })
			o.URLs = []string{"redis://" + ln.Addr().String()}
		}, "cannot connect", Fault},
		"a wrong password": {[]string{"--requirepass", "right"}, func(_ *testing.T, _ *server, o *Options) { o.Password = "wrong" }, "refuses the user or the password", Fault},
		"no password":      {[]string{"--requirepass", "right"}, nil, "refuses the user or the password", Fault},
		"the right one":    {[]string{"--requirepass", "right"}, func(_ *testing.T, _ *server, o *Options) { o.Password = "right" }, "nothing of the fleet", Fine},
		"the guide's ACL": {nil, func(t *testing.T, s *server, o *Options) {
			s.must(append([]string{"ACL", "SETUSER", "neonauthd", "on", ">pw"}, strings.Fields(acl(t, "test"))...)...)
			o.URLs, o.Password = []string{"redis://neonauthd@" + s.address()}, "pw"
		}, "the user may do all that a fleet does", Fine},
		"an ACL that lacks a command": {nil, func(t *testing.T, s *server, o *Options) {
			s.must(append([]string{"ACL", "SETUSER", "neonauthd", "on", ">pw"}, strings.Fields(acl(t, "test")+" -hrandfield")...)...)
			o.URLs, o.Password = []string{"redis://neonauthd@" + s.address()}, "pw"
		}, "ACL does not let this user", Fault},
		"an ACL for other keys": {nil, func(t *testing.T, s *server, o *Options) {
			s.must(append([]string{"ACL", "SETUSER", "neonauthd", "on", ">pw"}, strings.Fields(acl(t, "prod"))...)...)
			o.URLs, o.Password = []string{"redis://neonauthd@" + s.address()}, "pw"
		}, "ACL does not let this user", Fault},
		"a replica": {nil, func(_ *testing.T, s *server, _ *Options) {
			s.must("REPLICAOF", "127.0.0.1", "1")
		}, "read-only replica", Fault},
		"out of memory":           {[]string{"--maxmemory", "1mb", "--maxmemory-policy", "noeviction"}, func(_ *testing.T, s *server, _ *Options) { s.must("CONFIG", "SET", "maxmemory", "1") }, "out of memory", Fault},
		"a policy that forgets":   {[]string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, nil, "removes revocations", Warning},
		"an engine without 6.2's": {[]string{"--rename-command", "HRANDFIELD", ""}, nil, "lacks a command", Fault},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, c.args...)
			o := options(t, 0, s.url())
			if c.before != nil {
				c.before(t, s, &o)
			}
			all, worst := found(t, o)
			for tries := 0; tries < 5 && late(all, c.want); tries++ {
				all, worst = found(t, o)
			}
			if !strings.Contains(all, c.want) || worst != c.worst {
				t.Errorf("found, at worst %d:\n%s\nwant %d: %s", worst, all, c.worst, c.want)
			}
			if strings.Contains(all, "wrong\"") || strings.Contains(all, "right") {
				t.Errorf("tells a password:\n%s", all)
			}
			if c.worst == Fine && len(c.args) == 0 && name == "an empty engine" {
				if n, _ := s.do("DBSIZE").AsInt64(); n != 0 {
					t.Errorf("%d keys are left", n)
				}
			}
		})
	}
}

// TestCheckTellsATLSPortFromAPlainOne: an engine takes a handshake for the beginning of a
// command and waits for its end, or answers it with an error; a port for TLS ends the
// connection when it reads a command.
func TestCheckTellsATLSPortFromAPlainOne(t *testing.T) {
	t.Parallel()
	const plain = "cannot connect: the engine accepts connections and does not answer in TLS: "
	for url, want := range map[string]string{
		"rediss://" + newServer(t).address():                  plain,
		"rediss://" + answering(t, "-ERR Protocol error\r\n"): plain,
		"rediss://" + answering(t, ""):                        plain,
		"redis://" + answering(t, ""):                         "EOF: its port may be one for TLS; then write rediss://",
	} {
		all, worst := found(t, options(t, 0, url))
		for tries := 0; tries < 5 && late(all, want); tries++ {
			all, worst = found(t, options(t, 0, url))
		}
		if !strings.Contains(all, want) || worst != Fault {
			t.Errorf("%s: found, at worst %d:\n%s\nwant %s", url, worst, all, want)
		}
	}
}

// listening serves each connection to its address, until the end of the test at the latest.
func listening(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	ln := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { _ = ln.Close() })
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				defer context.AfterFunc(t.Context(), func() { _ = c.Close() })()
				serve(c)
			})
		}
	})
	return ln.Addr().String()
}

// answering answers the first bytes of each connection with the text before it ends the
// connection.
func answering(t *testing.T, text string) (address string) {
	return listening(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096)) // all of it: an unread rest would reset the connection
		_, _ = io.WriteString(c, text)
	})
}

func TestCheckRepeatsTheEnginesWordsInQuotes(t *testing.T) {
	for info, want := range map[string]string{
		"redis_version:7.0.\x1b[31m\r\nmaxmemory_policy:allkeys\u202e\r\n": `Redis "7.0.\x1b[31m" answers` + "\n" +
			`the engine's maxmemory-policy "allkeys\u202e" removes revocations when memory is short: set noeviction, or a volatile-* one`,
		"redis_version:7.2.4\r\nvalkey_version:5.\x1b[2J\r\n": `Valkey "5.\x1b[2J" is too old: a fleet needs Valkey, or Redis 6.2 or later`,
		"# Server\r\n": `Redis "" is too old: a fleet needs Valkey, or Redis 6.2 or later`,
	} {
		c := &checker{}
		c.versionIn(info)
		var texts []string
		for _, f := range c.found {
			texts = append(texts, f.Text)
		}
		if got := strings.Join(texts, "\n"); got != want {
			t.Errorf("%q:\n%s\nwant\n%s", info, got, want)
		}
	}
}

func TestVersionsThatAreNewEnough(t *testing.T) {
	for version, want := range map[string]bool{"6.1.9": false, "6.2": true, "6.2.0": true, "7.0.15": true, "8.1": true, "5.0.14": false, "": false, "7": false, "x.y": false, "10.0": true} {
		if newEnough(version) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	ln := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if all := Check(ctx, options(t, 0, "redis://"+ln.Addr().String())); len(all) != 1 || all[0].Severity != Fault {
		t.Errorf("%+v", all)
	}
}

// acl returns the rules that docs/fleet.md gives the engine's user, for that fleet.
func acl(t *testing.T, fleet string) string {
	t.Helper()
	guide, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rules, found := strings.Cut(string(guide), "user neonauthd on ><password> ")
	rules, _, _ = strings.Cut(rules, "\n")
	if !found || !strings.Contains(rules, "{neonauthd:prod}") {
		t.Fatal("docs/fleet.md has no rules for the fleet prod")
	}
	return strings.ReplaceAll(rules, "{neonauthd:prod}", "{neonauthd:"+fleet+"}")
}
