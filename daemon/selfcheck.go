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

// selfCheckTimeout is how long a lookup of the daemon's own may take, unless its
// context ends sooner.
const selfCheckTimeout = 3 * time.Second

// unsigned returns a token that passes the gate and that nobody has signed. It
// names an algorithm that no project can have, so it is judged without the
// upstream. Each process has another token, so that no other lookup is taken for
// one of the daemon's own.
func unsigned() []byte {
	segment := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return []byte(segment(`{"alg":"none"}`) + "." + segment(`{"jti":"`+rand.Text()+`"}`) + "." + segment("unsigned"))
}

// The errors of a self-check whose reply is wrong.
var (
	errSelfAccepted = errors.New("a token that nobody signed was accepted")
	errSelfMistaken = errors.New("the reply is not one that this question can have")
)

// selfCheck sends the daemon a lookup through its own socket, as a caller does.
type selfCheck struct {
	daemon *Daemon
	addr   net.Addr // of the ordinary socket
}

// ask sends one lookup and judges its reply. If it returns nil, connections are
// accepted, and the lookup has passed connection and cache and, unless its answer
// is remembered, verification. ERR forbidden and ERR busy count as answers too,
// although they come before the cache: the check can show no more if the [[caller]]
// rules leave out the daemon's own user, or a limit is reached. The upstream is not
// asked.
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
	_, unsent := nc.Write(line) // fails if the connection is turned away; a reply may still be there
	reply, err := bufio.NewReader(nc).ReadString('\n')
	if err != nil {
		return fmt.Errorf("self-lookup: no reply: %w", errors.Join(unsent, err))
	}
	return s.judge(strings.TrimSuffix(reply, "\n"), ready)
}

// dial opens a connection to the daemon's own ordinary socket. If the socket's
// mode does not let the daemon in, because an operator gave the socket to another
// group, the connection is made without the socket. Then the check does not show
// that connections are accepted.
func (s *selfCheck) dial(ctx context.Context) (net.Conn, error) {
	nc, err := (&net.Dialer{}).DialContext(ctx, s.addr.Network(), s.addr.String())
	if !errors.Is(err, fs.ErrPermission) {
		return nc, err
	}
	s.daemon.opts.Logger.Warn("watchdog and health checks cannot open the daemon's own socket, and ask past it; give the daemon the socket's group (SupplementaryGroups=)",
		program.Once(), slog.Any("error", err))
	return s.daemon.server.Pair(ctx)
}

// project returns the project to ask about, and whether it has keys. It is the
// first project with keys, because without keys a lookup waits for them.
func (s *selfCheck) project() (p *resolve.Project, ready bool) {
	projects := &s.daemon.state.Load().terms.Projects
	for _, p := range projects.List {
		if p.KeysUsable(s.daemon.opts.Now()) {
			return p, true
		}
	}
	return projects.First, false
}

// deadline leaves a quarter of the time for the reply to come back.
func (s *selfCheck) deadline(ctx context.Context) time.Duration {
	left := selfCheckTimeout
	if till, ok := ctx.Deadline(); ok {
		left = time.Until(till)
	}
	return min(max(left*3/4, time.Millisecond), protocol.MaxDeadline*time.Millisecond)
}

// judge judges the reply to a lookup of the daemon's own. ready tells whether the
// project had keys. If it had none, ERR deadline is a right reply.
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

// askInTime is ask within selfCheckTimeout.
func (s *selfCheck) askInTime(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, selfCheckTimeout)
	defer cancel()
	return s.ask(ctx)
}
