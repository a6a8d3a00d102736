// Package demo runs a daemon and the upstream that it asks, with users and
// tokens, for people who try neonauthd and for tests of applications. With a
// seed each start is like the one before.
package demo

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TokenLifetime is how long the tokens of a demo are good.
const TokenLifetime = time.Hour

// renewInterval is how often the demo writes fresh token files.
const renewInterval = TokenLifetime / 2

// Options of Run.
type Options struct {
	// Dir is the folder of sockets, tokens and the configuration. At its end the demo
	// removes the files that it wrote. The folder stays, with the file that marks it as a
	// demo's. Empty: a private folder, which is removed.
	Dir string

	// Seed is a word from which the demo makes its project, keys, users, ids and the
	// upstream's port. Everybody who knows the seed can mint tokens of the demo. Empty:
	// each start has a seed of its own.
	Seed string

	// Listen is the HOST:PORT of the upstream, which must be a loopback
	// address. Empty: a port that follows from the seed, or any.
	Listen string

	// AllPresets serves a project of each preset, and not only of the first.
	AllPresets bool

	// Self, Control and HTTP are the commands that call neonauthd, neonauthctl and
	// neonauth-http here.
	Self, Control, HTTP string

	// Screen writes to Out a description of the demo and commands to paste. It is called
	// once, when the daemon answers.
	Screen func(w io.Writer, s *Running) error
	Out    io.Writer

	// Serve runs the daemon.
	Serve Serve
}

// Serve runs a daemon with the configuration that load reads, until ctx ends. It
// calls ready when the daemon answers. fresh says that the folder of its sockets
// is new, so that no other daemon has used it.
type Serve func(ctx context.Context, load func() (config.Config, error), fresh bool, ready func()) error

// Running describes the demo that runs, for a Screen.
type Running struct {
	Dir                 string
	URL                 string // of the upstream
	Self, Control, HTTP string // how the programs are called
	Lifetime            time.Duration
	PortTaken           int // the port that the seed stands for, if another program has it; else 0
}

// Run serves upstream and daemon until ctx ends, and removes what it made.
func Run(ctx context.Context, o Options) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("demo: %w", err)
		}
	}()
	folder, err := openFolder(o.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.close()) }()
	ln, taken, err := listen(&o)
	if err != nil {
		return err
	}
	upstream := newUpstream(o.Seed, "http://"+ln.Addr().String())
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { _ = upstream.Run(ctx, ln); stop() })

	if err := folder.prepare(upstream, o.AllPresets); err != nil {
		return err
	}
	screen := &screen{out: o.Out}
	wg.Go(func() { renew(ctx, folder, upstream, screen, o.Self) })
	running := &Running{
		Dir: folder.path, URL: upstream.BaseURL(), Self: o.Self, Control: o.Control, HTTP: o.HTTP,
		Lifetime: TokenLifetime, PortTaken: taken,
	}
	return o.Serve(ctx, folder.config, o.Dir == "", func() { screen.tell(func(w io.Writer) error { return o.Screen(w, running) }) })
}

// newUpstream returns a stand-in with the demo's users.
func newUpstream(seed, url string) *standin.Standin {
	upstream := standin.New(standin.Options{Seed: seed, BaseURL: url, TokenLifetime: TokenLifetime})
	for _, u := range users(upstream.ID) {
		upstream.AddUser(u)
	}
	return upstream
}

// listen opens the upstream's port. Tokens contain the upstream's address, so each seed
// has a port of its own. If another program has this port, listen returns it as taken and
// opens another one.
func listen(o *Options) (ln net.Listener, taken int, err error) {
	if o.Listen != "" {
		ln, err = net.Listen("tcp", o.Listen)
		return ln, 0, err
	}
	if o.Seed != "" {
		port := seedPort(o.Seed)
		if ln, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return ln, 0, nil
		}
		taken = port
	}
	ln, err = net.Listen("tcp", "127.0.0.1:0")
	return ln, taken, err
}

// seedPort returns a port that well-known services do not use, and that kernels do not
// give to outgoing connections.
func seedPort(seed string) int {
	const first, number = 20000, 10000
	sum := sha256.Sum256([]byte(seed))
	return first + int(binary.BigEndian.Uint32(sum[:])%number)
}

// renew writes fresh token files before the former ones end, and tells those
// who have copied a token how to get the next one.
func renew(ctx context.Context, f *folder, upstream *standin.Standin, s *screen, self string) {
	tick := time.NewTicker(renewInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := f.writeTokens(upstream)
		s.tell(func(w io.Writer) error {
			if err != nil {
				_, err = fmt.Fprintf(w, "\nthe token files cannot be renewed: %v\n", err)
				return err
			}
			_, err = fmt.Fprintf(w, "\nThe token files are fresh again. A token that you have copied ends within %s; the next one: %s demo token\n",
				spoken(TokenLifetime-renewInterval), self)
			return err
		})
	}
}

// screen lets one goroutine write at a time.
type screen struct {
	mu  sync.Mutex
	out io.Writer
}

func (s *screen) tell(say func(io.Writer) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := say(s.out); err != nil {
		fmt.Fprintln(s.out, err)
	}
}

// spoken returns a duration of whole minutes as people write it.
func spoken(d time.Duration) string {
	return strings.NewReplacer("m0s", "m", "h0m0s", "h").Replace(d.String())
}
