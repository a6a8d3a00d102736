package e2e

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// Upstream is a stand-in upstream on loopback.
type Upstream struct {
	*standin.Standin
	Stop func() // ends it, as an outage does
}

// NewUpstream starts a stand-in on a free port.
func NewUpstream(t testing.TB, o standin.Options) *Upstream {
	t.Helper()
	u := &Upstream{Standin: standin.New(o)}
	u.Open(t, "127.0.0.1:0")
	return u
}

// Open serves on an address until the test ends or Stop is called.
func (u *Upstream) Open(t testing.TB, address string) {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = u.Run(ctx, ln) }()
	u.Stop = func() { cancel(); <-done }
	if u.BaseURL() == "" {
		u.SetBaseURL("http://" + ln.Addr().String())
	}
	t.Cleanup(u.Stop)
}

// Address returns the address of the stand-in, also after Stop.
func (u *Upstream) Address() string { return strings.TrimPrefix(u.BaseURL(), "http://") }

// Project returns the [[project]] table for a preset, with further keys. The
// project of preset stack is called main and reads its server key from the
// folder.
func (u *Upstream) Project(t testing.TB, f *Folder, p standin.Preset, keys ...string) string {
	t.Helper()
	f.Write(t, "server-key", u.ServerKey())
	block := strings.TrimSpace(u.ConfigBlock(p, "./server-key"))
	if p == standin.Stack {
		block = strings.Replace(block, `name = "stack"`, `name = "main"`, 1)
	}
	return block + "\n" + strings.Join(keys, "\n") + "\n"
}

// Members returns the table of a project "members": a protected resource of the
// Neon upstream that accepts the logout tokens of its client.
func (u *Upstream) Members(keys ...string) string {
	return fmt.Sprintf("[[project]]\nname = \"members\"\npreset = \"neon\"\nbase_url = %q\nresources = [%q]\nlogout_client_ids = [%q]\n",
		u.ServiceURL(standin.Neon), u.Resource(), u.Client()) + strings.Join(keys, "\n") + "\n"
}

// Await waits until an endpoint has been called n times in all.
func (u *Upstream) Await(t testing.TB, e standin.Endpoint, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	if err := u.AwaitCalls(ctx, e, n); err != nil {
		t.Fatalf("%d calls of %s, expected %d: %v", u.Calls(e), e, n, err)
	}
}

// SelfTested waits until the daemon has checked its server key, which is a call
// of the REST API like any other, and returns the number of these calls.
func (u *Upstream) SelfTested(t testing.TB) int {
	t.Helper()
	u.Await(t, standin.Me, 1)
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	if err := u.AwaitIdle(ctx, standin.Me); err != nil {
		t.Fatal(err)
	}
	return u.Calls(standin.Me)
}

// User adds a user and returns a valid Stack token of theirs.
func (u *Upstream) User(name string) (token, id string) {
	user := u.AddUser(standin.User{Name: name, Email: strings.ToLower(name) + "@example.org", EmailVerified: true})
	return u.StackToken(standin.TokenSpec{Subject: user.ID}), user.ID
}

// Strange returns a token of valid form with a key id that does not exist.
func (u *Upstream) Strange(kid string) string {
	return u.StackToken(standin.TokenSpec{Header: map[string]any{"kid": kid}})
}
