package neonauthd_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

const stopSignal = syscall.SIGTERM

// memory returns the process's resident set, in bytes (proc(5)).
func memory(t testing.TB, i *e2e.Process) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", i.Cmd.Process.Pid))
	need.Host(t, err == nil, "no /proc here")
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

// TestRepliesHeldBackBehindASlowOneAreBounded sends one slow question without a tag, and then fast ones without tags
// for as long as the daemon reads them. Their replies have to wait for the first one, and must not use unbounded
// memory.
func TestRepliesHeldBackBehindASlowOneAreBounded(t *testing.T) {
	t.Parallel()
	c, h, i := serving(t)
	u := c.AddUser(standin.User{Name: "Ada"})
	token := c.StackToken(standin.TokenSpec{Subject: u.ID})
	c.SelfTested(t)
	c.Inject(standin.Me, standin.Fault{Kind: standin.PadProfile, Size: 1 << 20, Times: 1})
	peer := e2e.Call(t, h.Socket())
	peer.Expect(t, "PROFILE "+token, "OK level=profile .*")
	before := memory(t, i)
	release := make(chan struct{})
	c.Inject(standin.StackKeys, standin.Fault{Kind: standin.Delay, Until: release})
	peer.Send(t, "VERIFY deadline=60000 "+c.Strange("stranger")+"\n")
	c.Await(t, standin.StackKeys, 2)
	taken := 0
	e2e.Must(t, peer.Conn.SetWriteDeadline(time.Now().Add(2*time.Second)))
	for taken < 3000 {
		_, err := io.WriteString(peer.Conn, "PROFILE "+token+"\n")
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		e2e.Must(t, err)
		taken++
	}
	if grown := memory(t, i) - before; grown > 200<<20 {
		t.Errorf("%d requests taken, %d MiB held for one connection", taken, grown>>20)
	}
	close(release)
	e2e.Matches(t, peer.Reply(t), "(NO unknown-key|ERR keys-pending .*)")
	for n := range taken {
		if got := peer.Reply(t); !strings.HasPrefix(got, "OK level=profile ") {
			t.Fatalf("reply %d: %q", n, e2e.Shorten(got))
		}
	}
}

// TestTagsAreNeverMixedUp asks about many users on many connections at once, tagged and pipelined, with hits and
// misses. It compares the user in each answer.
func TestTagsAreNeverMixedUp(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	// The limit of 2048 for one user must not be reached even if all 30 connections have their greatest number of
	// lookups in flight. On a slow machine this happens before the first verification has ended.
	e2e.Serve(t, h, e2e.Settings{Limits: "in_flight_per_connection = 64", Tables: []string{c.Project(t, h, standin.Stack)}})
	const users, connections, asks = 50, 30, 300
	tokens, ids := make([]string, users), make([]string, users)
	for n := range tokens {
		tokens[n], ids[n] = c.User(fmt.Sprintf("User%d", n))
	}
	var wg sync.WaitGroup
	for range connections {
		peer := e2e.Call(t, h.Socket())
		wg.Go(func() {
			var text strings.Builder
			var ordered []string
			for n := range asks {
				u := rand.IntN(users)
				if n%3 == 0 {
					ordered = append(ordered, ids[u])
					fmt.Fprintf(&text, "VERIFY %s\n", tokens[u])
					continue
				}
				fmt.Fprintf(&text, "@%d.%d VERIFY %s\n", n, u, tokens[u])
			}
			wg.Go(func() { _, _ = io.WriteString(peer.Conn, text.String()) }) // a failure shows in the replies
			seen := map[int]bool{}
			for range asks {
				line, err := peer.Line()
				if err != nil {
					t.Error(err)
					return
				}
				var n, u int
				if k, _ := fmt.Sscanf(line, "@%d.%d OK ", &n, &u); k == 2 {
					if seen[n] || e2e.Field(line, "sub") != ids[u] {
						t.Errorf("request %d about %s got %s", n, ids[u], e2e.Head(line))
					}
					seen[n] = true
				} else if len(ordered) == 0 || e2e.Field(line, "sub") != ordered[0] {
					t.Errorf("an untagged reply out of order: %s", e2e.Head(line))
				} else {
					ordered = ordered[1:]
				}
			}
		})
	}
	wg.Wait()
}

func TestFullConnectionIsReadNoFurtherUntilAReplyHasGoneOut(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Limits: "in_flight_per_connection = 4", Tables: []string{c.Project(t, h, standin.Stack)}})
	token, _ := c.User("Ada")
	peer, other := e2e.Call(t, h.Socket()), e2e.Call(t, h.Socket())
	peer.Expect(t, "VERIFY "+token, "OK .*")
	release := make(chan struct{})
	c.Inject(standin.StackKeys, standin.Fault{Kind: standin.Delay, Until: release})
	for n := range 3 {
		peer.Send(t, fmt.Sprintf("@m%d VERIFY %s\n", n, c.Strange(fmt.Sprintf("stranger%d", n))))
	}
	c.Await(t, standin.StackKeys, 2)
	// The connection is not full, so a hit is answered before the misses.
	peer.Expect(t, "@hit VERIFY "+token, "@hit OK .* source=cache .*")
	for n := 3; n < 6; n++ {
		peer.Send(t, fmt.Sprintf("@m%d VERIFY %s\n", n, c.Strange(fmt.Sprintf("stranger%d", n))))
	}
	peer.Send(t, "@late VERIFY "+token+"\n")
	if !peer.Silent(t, 300*time.Millisecond) {
		t.Errorf("a full connection answered %q", peer.Reply(t))
	}
	other.Expect(t, "VERIFY "+token, "OK .* source=cache .*") // other connections are not affected
	close(release)
	got := map[string]bool{}
	for range 7 {
		line := peer.Reply(t)
		tag, rest, _ := strings.Cut(line, " ")
		if tag == "@late" {
			e2e.Matches(t, rest, "OK .* source=cache .*")
		} else {
			e2e.Matches(t, rest, "(NO unknown-key|ERR keys-pending retry-after=.*)")
		}
		got[tag] = true
	}
	if len(got) != 7 {
		t.Errorf("answers to %v", got)
	}
}
