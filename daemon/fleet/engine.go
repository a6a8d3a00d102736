package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/neonauthd/neonauthd/daemon/fleet/bounded"
	"github.com/neonauthd/neonauthd/daemon/fleet/engineurl"
	"github.com/neonauthd/neonauthd/internal/foreign"
)

// How the engine is spoken to.
const (
	dialTimeout  = time.Second
	writeTimeout = time.Second
	commandTime  = 750 * time.Millisecond // for calls that no lookup waits for
	bufferBytes  = 16 << 10
	ringScale    = 6
	// topology is how often the sentinels are asked who the master is, in case
	// an announcement of theirs was missed.
	topology = 5 * time.Second
)

// engine is the connection to Valkey or Redis: one client for commands, which
// many share, and one for the connection that listens.
type engine struct {
	commands, listening valkey.Client
	keys                engineKeys
	scripts             scripts
}

// engineKeys are the names in the engine. They share a hash tag, so that a
// cluster keeps them on one node.
type engineKeys struct{ prefix, log, marks, last, hosts string }

func newEngineKeys(fleet string) engineKeys {
	prefix := "{neonauthd:" + fleet + "}:"
	return engineKeys{prefix, prefix + "log", prefix + "marks", prefix + "last", prefix + "hosts"}
}

// ofHosts are the keys that the script of hosts takes.
func (k engineKeys) ofHosts() []string { return []string{k.hosts, k.last, k.log} }

// dial connects, unless ctx ends before. Later the end of ctx does nothing to the
// engine, which the caller closes. If sentinels refuse the password
// of the engine, it connects to them without one, because they often have none.
func dial(ctx context.Context, o *Options) (*engine, error) {
	option, err := clientOption(o)
	if err != nil {
		return nil, err
	}
	e, err := dialWith(ctx, o, option)
	if errors.Is(err, errPassword) && o.Sentinel != "" {
		option.Sentinel.Username, option.Sentinel.Password = "", ""
		if e, err := dialWith(ctx, o, option); err == nil {
			return e, nil
		}
	}
	if err != nil && ctx.Err() != nil { // err only says what its end did to the connections
		return nil, explain(ctx.Err())
	}
	return e, err
}

// dialWith is one attempt of dial. The client takes no context for it, and waits a second
// for each sentinel that takes a connection and says nothing. So the end of ctx closes the
// connections that the attempt has made, and lets no further ones be made.
func dialWith(ctx context.Context, o *Options, option valkey.ClientOption) (*engine, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var connected atomic.Bool
	abortUnlessConnected := func(abort func()) {
		if !connected.Load() {
			abort()
		}
	}
	atEnd := func(abort func()) (stop func() bool) {
		if ctx.Err() != nil { // AfterFunc would abort a little later, and a connection could be made before
			abortUnlessConnected(abort)
		}
		return context.AfterFunc(ctx, func() { abortUnlessConnected(abort) })
	}
	var err error
	e := &engine{keys: newEngineKeys(o.Name), scripts: loadScripts()}
	commands := option
	commands.AlwaysPipelining = true // otherwise an answer that comes too late ends the connection
	commands.DialCtxFn = dialer(atEnd, nil)
	if e.commands, err = valkey.NewClient(commands); err != nil {
		return nil, explain(err)
	}
	option.DialCtxFn = dialer(atEnd, bounded.Conn)
	if e.listening, err = valkey.NewClient(option); err != nil {
		e.commands.Close()
		return nil, explain(err)
	}
	connected.Store(true)
	if err := ctx.Err(); err != nil { // connections may have been closed
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *engine) close() {
	e.listening.Close()
	e.commands.Close()
}

// clientOption are the settings that both clients have: small buffers, no
// cache, no repeated commands.
func clientOption(o *Options) (valkey.ClientOption, error) {
	option := valkey.ClientOption{
		Password:            o.Password,
		Dialer:              net.Dialer{Timeout: dialTimeout, KeepAlive: dialTimeout},
		ConnWriteTimeout:    writeTimeout,
		ReadBufferEachConn:  bufferBytes,
		WriteBufferEachConn: bufferBytes,
		RingScaleEachConn:   ringScale,
		PipelineMultiplex:   -1,
		BlockingPoolSize:    2,
		DisableCache:        true,
		DisableRetry:        true,
		ClientSetInfo:       valkey.DisableClientSetInfo, // unknown before 7.2, and ACL lines would have to name it
	}
	for _, raw := range o.URLs {
		where, err := engineurl.Parse(raw)
		if err != nil {
			return option, err
		}
		option.InitAddress = append(option.InitAddress, where.Address)
		option.Username = where.User
		if where.TLS {
			option.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.CA}
		}
	}
	if o.Sentinel != "" {
		option.Sentinel = valkey.SentinelOption{
			Dialer: option.Dialer, TLSConfig: option.TLSConfig, MasterSet: o.Sentinel,
			Username: option.Username, Password: o.Password, TopologyRefreshInterval: topology,
		}
	}
	return option, nil
}

// dialer returns how connections are made. atEnd has what it is given called if the
// attempt to connect has to end. wrap, unless it is nil, wraps each connection.
func dialer(atEnd func(abort func()) (stop func() bool), wrap func(net.Conn) net.Conn) func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
	return func(ctx context.Context, address string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		defer atEnd(cancel)()
		network := "tcp"
		if strings.HasPrefix(address, "/") {
			network, config = "unix", nil
		}
		var conn net.Conn
		var err error
		if config != nil {
			conn, err = (&tls.Dialer{NetDialer: d, Config: config}).DialContext(ctx, network, address)
			err = withoutTLS(err)
		} else {
			conn, err = d.DialContext(ctx, network, address)
		}
		if err != nil {
			return nil, err
		}
		if wrap != nil {
			conn = wrap(conn)
		}
		atEnd(func() { _ = conn.Close() })
		return conn, nil
	}
}

// withoutTLS returns the error of a connection with TLS; errPlain is in it if the engine
// took the connection and did not answer in TLS. An engine that waits for a command takes
// the beginning of a handshake for the beginning of one, and says nothing.
func withoutTLS(err error) error {
	var connecting *net.OpError
	var other tls.RecordHeaderError
	switch {
	case errors.As(err, &connecting) && connecting.Op == "dial":
		return err
	case errors.As(err, &other), errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF):
		return fmt.Errorf("%w (%w)", errPlain, err)
	}
	return err
}

// Errors that an operator can do something about, by what the engine says.
var (
	errPassword = errors.New("the engine refuses the user or the password; see fleet.urls and fleet.password")
	errACL      = errors.New("the engine's ACL does not let this user do what a fleet needs; see the ACL line in the guide")
	errReplica  = errors.New("the engine is a read-only replica; give the address of the master, or sentinels")
	errFull     = errors.New("the engine is out of memory (maxmemory); make room, or raise it")
	errLoading  = errors.New("the engine is loading its data; it is tried again")
	errCluster  = errors.New("the cluster does not serve the fleet's slot now")
	errOld      = errors.New("the engine lacks a command that a fleet needs: it has to be Valkey, or Redis 6.2 or later, with its commands under their names")
	errPlain    = errors.New("the engine accepts connections and does not answer in TLS: it hangs, or the port in fleet.urls is one without TLS; give its port for TLS (tls-port), or redis:// on this host")
	errTLS      = errors.New("the engine's certificate is not trusted: see fleet.ca, and the host's name in fleet.urls")
)

// explain turns what the engine or the client says into what an operator can do.
// The engine's own words are repeated cut, in quotes: they never hold more than
// names of commands.
func explain(err error) error {
	if err == nil {
		return nil
	}
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	if errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid) {
		return fmt.Errorf("%w (%w)", errTLS, err)
	}
	if _, ok := valkey.IsValkeyErr(err); !ok {
		if !errors.Is(err, errPlain) && (errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded)) {
			return fmt.Errorf("the engine does not answer: %w", err)
		}
		return err
	}
	said := err.Error()
	if lower := strings.ToLower(said); strings.Contains(lower, "unknown redis command") || strings.Contains(lower, "unknown command") {
		return fmt.Errorf("%w (%q)", errOld, foreign.Cut(said, maxSaid))
	}
	if strings.Contains(said, "ACL failure in script") || strings.Contains(said, "can't run this command or subcommand") || strings.Contains(said, "can't access at least one of the keys") {
		return fmt.Errorf("%w (%q)", errACL, foreign.Cut(said, maxSaid))
	}
	for _, known := range []struct {
		begin string
		means error
	}{
		{"WRONGPASS", errPassword}, {"NOAUTH", errPassword}, {"ERR AUTH", errPassword}, {"NOPERM", errACL},
		{"READONLY", errReplica}, {"OOM", errFull}, {"LOADING", errLoading}, {"CLUSTERDOWN", errCluster}, {"MASTERDOWN", errReplica},
	} {
		if strings.HasPrefix(said, known.begin) || strings.Contains(said, "-"+known.begin+" ") || strings.Contains(said, ": "+known.begin) {
			return fmt.Errorf("%w (%q)", known.means, foreign.Cut(said, maxSaid))
		}
	}
	return fmt.Errorf("the engine says %q", foreign.Cut(said, maxSaid))
}

// maxSaid bounds how much of an answer of the engine a message repeats, in bytes.
const maxSaid = 160
