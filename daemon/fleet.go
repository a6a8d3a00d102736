package daemon

import (
	"context"
	"strconv"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/protocol"
)

// openFleet makes the membership. The host is in no fleet yet.
func (d *Daemon) openFleet() {
	d.fleet = membership.New(membership.Options{
		List: d.revocations, Dir: d.stateDir, Version: d.opts.Version, Now: d.opts.Now, Log: d.opts.Logger,
		Changed: d.changedElsewhere,
		Settled: d.leases.Settled,
	})
}

// awaitFleet waits, for firstHearing at most, before the host serves. A host with
// when_blind = "refuse" waits until it hears its fleet: without this wait, each restart
// would refuse lookups for some milliseconds. Any other host waits until it has connected:
// without this wait, it would accept tokens while REVOKE on another host does not count it.
// Callers wait in the sockets' queues meanwhile.
func (d *Daemon) awaitFleet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstHearing)
	defer cancel()
	d.fleet.Await(ctx)
}

// sharing returns the fleet with which lookups share profiles and budgets.
func (d *Daemon) sharing() (resolve.Fleet, bool) {
	link, ok := d.fleet.Link()
	return link, ok
}

// planFleet returns a function that joins the fleet of cfg, or leaves the fleet if
// cfg has none.
func (d *Daemon) planFleet(cfg *config.Config) (change func(), err error) {
	if !cfg.Fleet.On() {
		return d.fleet.Plan(nil)
	}
	o, ca, err := cfg.Fleet.Options(cfg.Dir)
	if err != nil {
		return nil, err
	}
	for _, unfit := range ca.Warnings() {
		d.opts.Logger.Warn("an authority of fleet.ca is of no use: what it signed is not trusted; put its successor into the file, and reload", "error", unfit)
	}
	return d.fleet.Plan(&o)
}

// changedElsewhere acts on marks of other hosts, which have revoked, taken back or purged
// something: it drops purged entries from the cache, and tells clients to forget.
// Revocations need no more, because each lookup asks for them.
func (d *Daemon) changedElsewhere(marks []revoke.Mark) {
	for _, m := range marks {
		switch m.Kind {
		case revoke.KindPurgeAll:
			d.resolver.PurgeAll()
		case revoke.KindPurgeSubject:
			d.resolver.PurgeSubject(m.Project, m.Value)
		case revoke.KindPurgeToken:
			d.resolver.PurgeNamed(m)
		case revoke.KindToken, revoke.KindSession, revoke.KindSessionless, revoke.KindSubject, revoke.KindKey:
		}
	}
	d.ended(marks...)
}

// announce tells the fleet of a change, if there is a fleet, and adds to a reply on how
// many hosts the change is in force.
func (a *admin) announce(reply *protocol.Reply, m revoke.Mark) {
	if reach, ok := a.daemon.fleet.Announce(a.daemon.lifetime(), m); ok && reply.Status == protocol.OK {
		addReach(reply, reach)
	}
}

// announcePurge saves a purge for the fleet and tells it, and adds to the reply on how
// many hosts the purge is done.
func (a *admin) announcePurge(reply *protocol.Reply, marks []revoke.Mark) *serve.Refusal {
	var last fleet.Reach
	var unsaved *serve.Refusal
	told := false
	for _, m := range marks { // a host that has the last mark has those before it; a mark that is not saved is told too
		reach, ok, err := a.daemon.fleet.Purge(a.daemon.lifetime(), m)
		if err != nil {
			a.daemon.opts.Logger.Error("purge not saved: it is done, and a restart would not tell the fleet of it; mend the state directory and repeat", "kind", m.Kind, "error", err)
			unsaved = &serve.Refusal{Code: protocol.CodeUnavailable, Advice: protocol.TextNotSaved}
		}
		last, told = reach, ok
	}
	if told && unsaved == nil {
		addReach(reply, last)
	}
	return unsaved
}

func addReach(reply *protocol.Reply, reach fleet.Reach) {
	for _, f := range []struct {
		name  string
		count int
	}{{protocol.FieldReached, reach.Reached}, {protocol.FieldOf, max(reach.Of, reach.Reached)}, {protocol.FieldSilent, reach.Silent}} {
		if f.name != protocol.FieldSilent || f.count > 0 {
			serve.AddField(reply, f.name, strconv.Itoa(f.count))
		}
	}
	if reach.Blind {
		serve.AddField(reply, protocol.FieldFleet, protocol.FleetBlind)
	}
}

// fleetReport is FLEET's answer; protocol.md describes its members.
type fleetReport struct {
	Name      string       `json:"name"`
	Host      string       `json:"host"`
	ID        string       `json:"id"`
	Connected bool         `json:"connected"`
	Heard     int64        `json:"heard"`
	Refuses   bool         `json:"refuses"`
	Cursor    string       `json:"cursor"`
	Marks     int          `json:"marks"`
	Lacking   int          `json:"lacking"`
	OldNames  int          `json:"old_names"`
	Hosts     []hostReport `json:"hosts"`
}

type hostReport struct {
	Host     string `json:"host"`
	ID       string `json:"id"`
	Version  string `json:"version"`
	State    string `json:"state"`
	Age      int64  `json:"age"`
	Cursor   string `json:"cursor"`
	Disagree int64  `json:"disagree"`
	OldKey   bool   `json:"old_key"`
}

func (a *admin) fleet(r *protocol.Request) (protocol.Reply, *serve.Refusal) {
	if refused := serve.TakesNothing(r); refused != nil {
		return protocol.Reply{}, refused
	}
	out := fleetReport{Heard: -1, Hosts: []hostReport{}}
	if f := a.daemon.fleet.Fleet(); f != nil {
		s := f.Stats()
		out = fleetReport{
			Name: f.Name(), Host: f.Label(), ID: f.ID(), Connected: s.Connected, Heard: -1, Refuses: f.Refuses(), Cursor: s.Cursor,
			Marks: s.Marks, Lacking: s.Lacking, OldNames: s.OldNames, Hosts: []hostReport{},
		}
		if s.Heard >= 0 {
			out.Heard = int64(s.Heard / time.Second)
		}
		for _, h := range f.Hosts() {
			out.Hosts = append(out.Hosts, hostReport{
				Host: h.Label, ID: h.ID, Version: h.Version, State: hostState(h), Age: int64(h.Age / time.Second),
				Cursor: h.Cursor, Disagree: int64(h.Disagree / time.Second), OldKey: h.OldKey,
			})
		}
	}
	return object(out)
}

// hostState returns the state of a host in one word.
func hostState(h fleet.Host) string {
	switch {
	case !h.Opens:
		return "other-key"
	case h.Left:
		return "left"
	case h.Silent:
		return "silent"
	case !h.Heard:
		return "refusing"
	case h.Broken:
		return "broken"
	}
	return "heard"
}
