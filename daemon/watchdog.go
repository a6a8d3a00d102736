package daemon

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// selfCheckTimeout is how long a question of the daemon's own may take, unless
	// the watchdog wants it quicker.
	selfCheckTimeout = 3 * time.Second
	// statusInterval is how often the line for the service manager is renewed,
	// if it has changed.
	statusInterval = 5 * time.Second
)

// unsigned is a token that passes the gate and that nobody signed: it names no
// algorithm that any project can have, so it is judged without the upstream.
// It is another in each process, so that nobody else's question is taken for
// one of ours.
func unsigned() []byte {
	segment := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return []byte(segment(`{"alg":"none"}`) + "." + segment(`{"jti":"`+rand.Text()+`"}`) + "." + segment("unsigned"))
}

// Why a question of our own was not answered as it has to be.
var (
	errSelfAccepted = errors.New("a token that nobody signed was accepted")
	errSelfMistaken = errors.New("the reply is not one that this question can have")
)

// selfCheck asks the daemon a question through its own socket, as a caller does.
type selfCheck struct {
	daemon *Daemon
	addr   net.Addr // of the ordinary socket
}

// ask sends one lookup and judges its reply. nil means that connections are
// accepted, and that a lookup passes connection and cache and, unless its answer
// is remembered, verification. ERR forbidden and ERR busy count as answers too,
// though they come before the cache: where [[caller]] rules leave out our own
// user, or a limit is reached, no more can be shown. The upstream is not asked.
func (s *selfCheck) ask(ctx context.Context) (err error) {
	defer func() { s.daemon.selfLookups.count(err) }()
	nc, err := s.dial(ctx)
	if err != nil {
		return fmt.Errorf("self-lookup: %w", err)
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	project, ready := s.project()
	line := fmt.Appendf(nil, "%s %s=%s %s=%d %s\n", protocol.VERIFY, protocol.FieldProject, project.Name(),
		protocol.FieldDeadline, s.deadline(ctx).Milliseconds(), s.daemon.selfToken)
	_, unsent := nc.Write(line) // who is turned away may find that out here, and still has a reply to read
	reply, err := bufio.NewReader(nc).ReadString('\n')
	if err != nil {
		return fmt.Errorf("self-lookup: no reply: %w", errors.Join(unsent, err))
	}
	return s.judge(strings.TrimSuffix(reply, "\n"), ready)
}

// dial opens a connection to our own ordinary socket. Where its mode keeps us
// out, because an operator gave the socket to another group, the connection is
// made without the socket, and the check does not show that connections are
// accepted.
func (s *selfCheck) dial(ctx context.Context) (net.Conn, error) {
	nc, err := (&net.Dialer{}).DialContext(ctx, s.addr.Network(), s.addr.String())
	if !errors.Is(err, fs.ErrPermission) {
		return nc, err
	}
	s.daemon.opts.Logger.Warn("watchdog and health checks cannot open the daemon's own socket, and ask past it; give the daemon the socket's group (SupplementaryGroups=)",
		program.Once(), slog.Any("error", err))
	return s.daemon.server.Pair(ctx)
}

// project is the one to ask about, and whether it has keys: the first one that
// has, for without keys a lookup waits for them.
func (s *selfCheck) project() (p *resolve.Project, ready bool) {
	projects := &s.daemon.state.Load().terms.Projects
	for _, p := range projects.List {
		if p.KeysUsable(s.daemon.opts.Now()) {
			return p, true
		}
	}
	return projects.First, false
}

// deadline leaves a quarter of the time for the reply's way.
func (s *selfCheck) deadline(ctx context.Context) time.Duration {
	left := selfCheckTimeout
	if till, ok := ctx.Deadline(); ok {
		left = time.Until(till)
	}
	return min(max(left*3/4, time.Millisecond), protocol.MaxDeadline*time.Millisecond)
}

// judge reads the reply to a question of our own. ready tells whether the
// project had keys: if not, nothing could be said in time.
func (s *selfCheck) judge(reply string, ready bool) error {
	var r protocol.Reply
	if err := protocol.ParseReply([]byte(reply), &r); err != nil {
		return fmt.Errorf("self-lookup: %w", err)
	}
	word := string(r.Word)
	switch {
	case r.Status == protocol.OK:
		return fmt.Errorf("self-lookup: %w", errSelfAccepted)
	case r.Status == protocol.NO && word == string(protocol.ReasonWrongAlgorithm):
		return nil
	case r.Status == protocol.NO:
		return fmt.Errorf("self-lookup: NO %s: %w", word, errSelfMistaken)
	}
	switch code := protocol.Code(word); code {
	case protocol.CodeForbidden:
		s.daemon.opts.Logger.Warn("watchdog and health checks are refused by the [[caller]] rules, and show no more than that; add a rule for the daemon's own user",
			program.Once(), slog.Int("uid", os.Geteuid()))
		return nil
	case protocol.CodeBusy, protocol.CodeKeysPending, protocol.CodeUnavailable, protocol.CodeUnknownProject:
		return nil
	case protocol.CodeDeadline:
		if !ready {
			return nil
		}
	default:
	}
	return fmt.Errorf("self-lookup: ERR %s: %w", word, errSelfMistaken)
}

// watch feeds the service manager's watchdog, if there is one, until ctx ends:
// after a lookup through our own socket each time, and not otherwise. A daemon
// that does not answer is thus ended and started anew.
func (s *selfCheck) watch(ctx context.Context) {
	limit, err := program.Watchdog()
	log := s.daemon.opts.Logger
	if err != nil {
		log.Error("watchdog not fed: the service manager will end this process; mend WatchdogSec=", "error", err)
	}
	if limit <= 0 || err != nil {
		return
	}
	interval := limit / 3
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failing := false
	for {
		err := s.askWithin(ctx, min(interval, selfCheckTimeout))
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			s.daemon.opts.Notify(program.Alive)
		case !failing:
			log.Error("watchdog not fed: this daemon does not answer itself; the service manager will restart it", "error", err, "within", limit)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *selfCheck) askWithin(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return s.ask(ctx)
}
