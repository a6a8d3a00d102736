package soak_test

import (
	"context"
	"fmt"
	rnd "math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/pause"
)

// trouble is something that happens again and again. The pauses are between
// least and most.
type trouble struct {
	least, most time.Duration
	happen      func(context.Context) error
}

func (s *soak) troubles() []trouble {
	const ms = time.Millisecond
	return []trouble{
		{5 * ms, 25 * ms, s.mint},
		{800 * ms, 3000 * ms, s.rotate},
		{200 * ms, 1500 * ms, s.disturb},
		{20 * ms, 200 * ms, s.edit},
		{500 * ms, 2000 * ms, s.deleteUser},
		{50 * ms, 250 * ms, s.administer},
		{2000 * ms, 6000 * ms, s.reload},
		{5000 * ms, 10000 * ms, s.restart},
		{6000 * ms, 15000 * ms, s.stepClock},
	}
}

// endure makes one trouble happen until ctx ends.
func (s *soak) endure(ctx context.Context, t trouble) {
	for pause.For(ctx, t.least+rnd.N(t.most-t.least)) {
		if err := t.happen(ctx); err != nil {
			s.found(&wrong{"trouble", err.Error()}, nil, nil)
		}
	}
}

func (s *soak) anyProject() *project { return s.model.projects[rnd.IntN(len(s.model.projects))] }

func (s *soak) anyUpstream() *upstream { return s.model.upstreams[rnd.IntN(len(s.model.upstreams))] }

func (s *soak) mint(context.Context) error {
	s.pool.add(s.anyProject().mint())
	s.counts.add("tokens minted", 1)
	return nil
}

// rotate gives a project new keys, or withdraws one.
func (s *soak) rotate(context.Context) error {
	p := s.anyProject()
	switch n := rnd.IntN(10); {
	case n < 4:
		p.rekey(func() { p.up.Rotate(p.preset, false) })
		s.happened("keys replaced at once", p.name)
	case n < 8:
		p.rekey(func() { p.up.Rotate(p.preset, true) })
		s.happened("keys added", p.name)
	default:
		if ids := p.keyIDs(false); len(ids) > 6 {
			p.rekey(func() { p.up.WithdrawKey(ids[rnd.IntN(len(ids))]) })
			s.happened("a key withdrawn", p.name)
		}
	}
	return nil
}

// disturb makes one endpoint of an upstream fail for a while.
func (s *soak) disturb(ctx context.Context) error {
	u := s.anyUpstream()
	endpoints := []standin.Endpoint{standin.Keys, standin.Me, standin.Any}
	e := endpoints[rnd.IntN(len(endpoints))]
	kinds := standin.Kinds()
	f := standin.Fault{Kind: kinds[rnd.IntN(len(kinds))], Latency: time.Duration(rnd.IntN(3)) * 100 * time.Millisecond,
		Location: "http://127.0.0.1:1/", Size: 1 << 20, Body: "{}", Interval: 10 * time.Millisecond}
	if f.Kind == standin.Status {
		statuses := []int{400, 401, 403, 404, 408, 429, 500, 502, 503, 504}
		f.Status, f.RetryAfter = statuses[rnd.IntN(len(statuses))], []string{"", "1"}[rnd.IntN(2)]
	}
	var ends []func()
	if e != standin.Me {
		ends = append(ends, u.keysBad.change(false)) // so that one phase follows the other
		ends[0]()
		u.keysBad.change(true)()
	}
	denies := f.Kind == standin.KnownError || f.Kind == standin.Wrapped
	if denies {
		u.denies.change(true)()
	}
	u.Inject(e, f)
	s.happened("upstream disturbed: "+string(f.Kind), u.name+" "+string(e))
	pause.For(ctx, time.Duration(200+rnd.IntN(2500))*time.Millisecond)
	u.Clear(e)
	if e != standin.Me {
		u.keysBad.change(false)()
	}
	if denies {
		u.denies.change(false)()
	}
	return nil
}

// edit changes a user's profile.
func (s *soak) edit(context.Context) error {
	u := s.anyUpstream()
	if one := u.users[rnd.IntN(len(u.users))]; one.there.latest() {
		u.edit(one)
		s.counts.add("profiles changed", 1)
	}
	return nil
}

// deleteUser deletes a user for a while.
func (s *soak) deleteUser(ctx context.Context) error {
	u := s.anyUpstream()
	one := u.users[rnd.IntN(len(u.users)/4)] // the other users are never deleted
	done := one.there.change(false)
	u.DeleteUser(one.id)
	done()
	s.happened("user deleted", u.name+" "+one.id)
	pause.For(ctx, time.Duration(rnd.IntN(4000))*time.Millisecond)
	done = one.there.change(true)
	u.add(one)
	done()
	return nil
}

// administer revokes, takes a revocation back, or purges.
func (s *soak) administer(context.Context) error {
	s.admin.Lock()
	defer s.admin.Unlock()
	inForce := s.model.inForce()
	switch n := rnd.IntN(10); {
	case n == 0:
		return s.command(s.purge(), nil)
	case n < 6 && len(inForce) < 40:
		return s.revoke(s.someMark())
	case len(inForce) > 0:
		m := inForce[rnd.IntN(len(inForce))]
		return s.command("UNREVOKE "+m.id.argument(), func() func() { return m.force.change(off()) })
	}
	return nil
}

func (s *soak) purge() string {
	t := s.pool.good()
	return []string{"PURGE all", "PURGE project=" + t.project.name + " subject " + t.subject, "PURGE project=" + t.project.name + " token " + t.text}[rnd.IntN(3)]
}

// someMark returns the name of a revocation that covers a token of the pool.
func (s *soak) someMark() markID {
	t := s.pool.good()
	switch n := rnd.IntN(20); {
	case n < 9 && t.session != "":
		return markID{t.project, "session", t.session}
	case n < 14:
		return markID{t.project, "subject", t.subject}
	case n < 15:
		return markID{t.project, "key", t.key}
	}
	return markID{t.project, "token", t.text}
}

func (id markID) argument() string {
	return "project=" + id.project.name + " " + id.kind + " " + id.value
}

func (s *soak) revoke(id markID) error {
	m := s.model.mark(id)
	return s.command("REVOKE "+id.argument(), func() func() { return s.model.revoking(m) })
}

// command sends one admin verb. begin records that a change begins, and returns
// the function that records its end. If the daemon is killed in between, it may
// have made the change or not.
func (s *soak) command(line string, begin func() func()) error {
	run := s.model.run.Load()
	caller, err := e2e.Dial(s.host.folder.AdminSocket())
	if err != nil {
		return s.cut(run, err)
	}
	defer caller.Conn.Close()
	done := func() {}
	if begin != nil {
		done = begin()
	}
	if _, err := fmt.Fprintf(caller.Conn, "%s\n", line); err != nil {
		return s.cut(run, err)
	}
	reply, err := caller.Line()
	if err != nil {
		return s.cut(run, err)
	}
	verb, _, _ := strings.Cut(line, " ")
	if !strings.HasPrefix(reply, "OK") {
		return fmt.Errorf("%s: %s", verb, reply)
	}
	done()
	s.counts.add(verb+" acknowledged", 1)
	return nil
}

// cut returns err, or nil if the daemon was ended.
func (s *soak) cut(run int64, err error) error {
	if run%2 == 1 && s.model.run.Load() == run {
		return fmt.Errorf("admin: %w", err)
	}
	return nil
}

// reload changes whether anonymous users are admitted.
func (s *soak) reload(context.Context) error {
	s.host.config.Lock()
	defer s.host.config.Unlock()
	p := s.model.projects[0]
	done := p.allow.change(!p.allow.latest())
	if err := s.host.configure(); err != nil {
		return err
	}
	s.happened("configuration reloaded", p.name)
	return s.command("RELOAD", func() func() { return done })
}

// restart ends the daemon, mostly by kill -9, and starts it again. In half of
// all cases the daemon has just acknowledged revocations.
func (s *soak) restart(ctx context.Context) error {
	if rnd.IntN(2) == 0 {
		s.admin.Lock()
		for range 3 {
			if err := s.revoke(s.someMark()); err != nil {
				s.admin.Unlock()
				return err
			}
		}
		defer s.admin.Unlock()
	}
	signal, name := syscall.SIGKILL, "kill -9"
	if rnd.IntN(5) == 0 {
		signal, name = syscall.SIGTERM, "stop"
	}
	if err := s.host.end(signal); err != nil {
		return err
	}
	s.happened(name, "")
	pause.For(ctx, time.Duration(rnd.IntN(300))*time.Millisecond)
	return s.host.start()
}

// stepClock makes the daemon's clock wrong for a while.
func (s *soak) stepClock(ctx context.Context) error {
	steps := []time.Duration{3 * time.Second, -3 * time.Second, time.Hour, -time.Hour, 25 * time.Hour, 31 * 24 * time.Hour}
	by := steps[rnd.IntN(len(steps))]
	s.host.step(by)
	s.happened("clock stepped", by.String())
	pause.For(ctx, time.Duration(300+rnd.IntN(2700))*time.Millisecond)
	s.host.step(0)
	s.happened("clock right again", by.String())
	return nil
}
