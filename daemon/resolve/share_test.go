package resolve

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// scriptedFleet gives the same answer to every claim, and notes what it is told.
type scriptedFleet struct {
	answer fleet.Answer
	last   []byte        // what the fleet has kept; nil: nothing
	age    time.Duration // the age of last

	mu       sync.Mutex
	claims   []fleet.Ask
	finished []fleet.Result
	denied   []string
}

func (f *scriptedFleet) Claim(_ context.Context, ask fleet.Ask) fleet.Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.claims = append(f.claims, ask)
	return f.answer
}

func (f *scriptedFleet) Finish(_ context.Context, _ fleet.Flight, r fleet.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finished = append(f.finished, r)
}

func (f *scriptedFleet) Shared(context.Context, fleet.Ask, time.Duration) ([]byte, time.Duration, bool) {
	return f.last, f.age, f.last != nil
}

func (f *scriptedFleet) Denied(project, subject string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied = append(f.denied, project+" "+subject)
}

// inFleet returns a harness whose host is in a fleet that gives that answer.
func inFleet(t *testing.T, answer fleet.Answer) (*harness, *scriptedFleet) {
	k, f := newHarness(t, nil), &scriptedFleet{answer: answer}
	k.resolver.profiles.fleet = func() (Fleet, bool) { return f, true }
	return k, f
}

func (h *harness) calls() int { return h.upstream.Calls(standin.Me) }

func TestAProfileThatAnotherHostHasFetchedIsServed(t *testing.T) {
	k, f := inFleet(t, fleet.Answer{Decision: fleet.Have, Profile: []byte(`{"id":"ada"}`), Age: 7 * time.Second})
	p, before := k.project("stack"), k.calls()
	l := k.profile(p, k.token("ada"))
	v, _ := k.askFully(l)
	wantAccepted(t, "another host's profile", v)
	if string(v.Body) != `{"id":"ada"}` || v.Source != SourceCache || v.Age < 7*time.Second || k.calls() != before {
		t.Errorf("%s, source %s, age %s, %d calls", v.Body, v.Source, v.Age, k.calls()-before)
	}
	if len(f.claims) != 1 || f.claims[0].Subject != "ada" || f.claims[0].Private || len(f.finished) != 0 {
		t.Errorf("asked %+v, told %+v", f.claims, f.finished)
	}
}

// TestTheFleetIsAskedForAProfileAsYoungAsTheCallerWants: a millisecond younger, so that the
// profile is not too old when it has come. 0 or less wants a live check.
func TestTheFleetIsAskedForAProfileAsYoungAsTheCallerWants(t *testing.T) {
	k, f := inFleet(t, fleet.Answer{Decision: fleet.Go})
	ada := k.upstream.AddUser(standin.User{}).ID
	for i, c := range []struct{ maxAge, want time.Duration }{
		{-1, 59999 * time.Millisecond}, {0, -time.Millisecond}, {time.Second, 999 * time.Millisecond},
		{59 * time.Second, 58999 * time.Millisecond}, {600 * time.Second, 59999 * time.Millisecond},
	} {
		k.clock.Advance(2 * time.Minute) // what the last one has fetched is too old
		l := k.profile(k.project("stack"), k.token(ada))
		l.MaxAge = c.maxAge
		v, _ := k.askFully(l)
		wantAccepted(t, c.maxAge.String(), v)
		if len(f.claims) != i+1 || f.claims[i].MaxAge.Truncate(time.Millisecond) != c.want {
			t.Errorf("max-age %s: asked %+v", c.maxAge, f.claims[i:])
		}
	}
}

// TestAnotherHostsProfileLiftsNoDenial: the upstream has denied this very token, and has
// not been asked about the token since.
func TestAnotherHostsProfileLiftsNoDenial(t *testing.T) {
	k, _ := inFleet(t, fleet.Answer{Decision: fleet.Have, Profile: []byte(`{"id":"ada"}`)})
	p := k.project("stack")
	l := k.profile(p, k.token("ada"))
	l.classify()
	e := k.evidence(p, string(l.Token))
	key, s := l.profileKey(e), k.resolver.profiles
	for _, denied := range []protocol.Reason{protocol.ReasonRejectedUpstream, protocol.ReasonUserNotFound} {
		var f fetched
		s.failed(&f, key, l, e, &upstream.Error{Meaning: upstream.Denied, Denial: denied}, 0, upstream.Interactive)
		if f := s.fetch(key, l, e, upstream.Interactive)(t.Context()); f.profile == nil {
			t.Fatalf("after %s no profile was had: %+v", denied, f)
		}
		if v, ok := s.recall(l, e, k.clock.Read()); !ok || v.Status() != protocol.NO {
			t.Errorf("after %s and another host's profile: recalled %v, %v", denied, ok, v.Outcome)
		}
		s.denials.Purge()
	}
}

// TestANoToAnotherTableRejectsNobody: before or after a reload the same upstream is asked
// for other things, so its denial under the other table proves nothing under this one.
func TestANoToAnotherTableRejectsNobody(t *testing.T) {
	const while = time.Second
	for _, c := range []struct {
		name    string
		another bool // the denial is for another table
		later   bool // the denial is later than the profile
		want    protocol.Outcome
	}{
		{"to this table", false, false, protocol.Rejected(protocol.ReasonClassNotAllowed)},
		{"to this table, later", false, true, protocol.Rejected(protocol.ReasonClassNotAllowed)},
		{"to another table", true, false, protocol.Accepted()},
		{"to another table, later", true, true, protocol.Unknown(protocol.CodeBusy)},
	} {
		k, _ := inFleet(t, fleet.Answer{Decision: fleet.Have, Profile: []byte(`{"id":"ada"}`)})
		p := k.project("stack")
		l := k.profile(p, k.token("ada"))
		l.classify()
		e, asked := k.evidence(p, string(l.Token)), *l
		if c.another {
			table := *p.config()
			table.Leeway++
			other, err := NewProject(table, k.surrounding)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(other.Close)
			asked.Project = other
		}
		deny := func() {
			var f fetched
			k.resolver.profiles.failed(&f, l.profileKey(e), &asked, e, &upstream.Error{Meaning: upstream.Denied, Denial: protocol.ReasonClassNotAllowed}, 0, upstream.Interactive)
		}
		if !c.later {
			deny()
			k.clock.Advance(while)
		}
		f := k.resolver.profiles.fetch(l.profileKey(e), l, e, upstream.Interactive)(t.Context())
		if f.profile == nil {
			t.Fatalf("%s: no profile was had: %+v", c.name, f)
		}
		v := k.resolver.profiles.accept(l, e, f.profile, SourceCache, k.clock.Read())
		wantAccepted(t, c.name, v)
		if c.later {
			k.clock.Advance(while)
			deny()
		}
		if got := k.resolver.Confirm(l, v).Outcome; got != c.want {
			t.Errorf("a no %s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestWithoutTheFleetsLeaveNobodyCalls: and a question that could not be asked does not
// become a rejection.
func TestWithoutTheFleetsLeaveNobodyCalls(t *testing.T) {
	for name, answer := range map[string]fleet.Answer{
		"a pause":                           {Decision: fleet.Pause, After: 5 * time.Second},
		"a budget that is far away":         {Decision: fleet.Budget, After: time.Minute},
		"a budget that never comes":         {Decision: fleet.Budget, After: 200 * time.Millisecond},
		"a budget of which is said nothing": {Decision: fleet.Budget},
		"no decision at all":                {},
	} {
		t.Run(name, func(t *testing.T) {
			k, f := inFleet(t, answer)
			p, before := k.project("stack"), k.calls()
			v, _ := k.askFully(k.profile(p, k.token("ada")))
			wantOutcome(t, name, v, protocol.Unknown(protocol.CodeUnavailable))
			most := int(upstream.MaxWait(time.Duration(p.config().UpstreamTimeout))/leastPause) + 1
			if k.calls() != before || len(f.claims) > most {
				t.Errorf("%d calls, %d claims of at most %d", k.calls()-before, len(f.claims), most)
			}
		})
	}
}

func TestTheFleetIsToldWhatACallHasComeTo(t *testing.T) {
	k, f := inFleet(t, fleet.Answer{Decision: fleet.Go})
	p := k.project("stack")
	ada := k.upstream.AddUser(standin.User{Name: "Ada"})
	v, _ := k.askFully(k.profile(p, k.token(ada.ID)))
	wantAccepted(t, "a call", v)
	v, _ = k.askFully(k.profile(p, k.token("00000000-0000-4000-8000-000000000000")))
	if v.Status() != protocol.NO {
		t.Fatalf("a user that is not there: %v", v.Outcome)
	}
	if len(f.finished) != 2 || f.finished[0].Profile == nil || f.finished[0].Denied || !f.finished[1].Denied || len(f.denied) != 1 {
		t.Errorf("told %+v, denied %v", f.finished, f.denied)
	}
}

// TestNoProfileOfAnotherUpstreamIsTaken: each host has its own configuration, and a
// reload may change it under the same project name.
func TestNoProfileOfAnotherUpstreamIsTaken(t *testing.T) {
	k, f := inFleet(t, fleet.Answer{Decision: fleet.Have, Profile: []byte(`{"id":"ada"}`)})
	for _, preset := range []string{"stack", "oidc"} {
		p := k.project(preset)
		origin := func(change func(*config.Project)) string {
			table := *p.config()
			table.Introspection = &config.Introspection{ClientID: "one"}
			change(&table)
			other := &Project{origin: p.origin}
			other.table.Store(&table)
			if table.CA != "" {
				other.origin.Authorities = []string{table.CA}
			}
			return other.profileOrigin()
		}
		same := origin(func(*config.Project) {})
		for name, change := range map[string]func(*config.Project){
			"base_url":                func(c *config.Project) { c.BaseURL += "2" },
			"project_id":              func(c *config.Project) { c.ProjectID += "2" },
			"userinfo_url":            func(c *config.Project) { c.UserinfoURL += "2" },
			"introspection_url":       func(c *config.Project) { c.IntrospectionURL += "2" },
			"introspection.client_id": func(c *config.Project) { c.Introspection.ClientID = "two" },
			"preset":                  func(c *config.Project) { c.Preset = "neon" },
			"allow":                   func(c *config.Project) { c.Allow = []string{"restricted"} },
			"ca":                      func(c *config.Project) { c.CA = "another" },
		} {
			if origin(change) == same {
				t.Errorf("%s: a profile is taken from hosts with another %s", preset, name)
			}
		}
		if origin(func(c *config.Project) { c.Leeway, c.SecretServerKey = 0, "another" }) != same {
			t.Errorf("%s: a profile is not shared with hosts that have another leeway", preset)
		}
	}
	p := k.project("stack")
	k.askFully(k.profile(p, k.token("ada")))
	if len(f.claims) != 1 || f.claims[0].Origin != p.profileOrigin() {
		t.Errorf("asked %+v", f.claims)
	}
}

// TestTheFleetsProfileStandsInWhileTheUpstreamFails with its true age, and as stale if it
// is older than its fresh time.
func TestTheFleetsProfileStandsInWhileTheUpstreamFails(t *testing.T) {
	k, f := inFleet(t, fleet.Answer{Decision: fleet.Go})
	p := k.project("stack")
	f.last, f.age = []byte(`{"id":"ada"}`), time.Duration(p.config().ProfileFresh)+time.Second
	k.upstream.Inject(standin.Any, standin.Fault{Kind: standin.Status})
	v, _ := k.askFully(k.profile(p, k.token("ada")))
	wantAccepted(t, "the fleet's profile", v)
	if v.Source != SourceStale || v.Age < f.age || string(v.Body) != `{"id":"ada"}` {
		t.Errorf("source %s, age %s, %s", v.Source, v.Age, v.Body)
	}
}

// TestNothingIsClaimedForACallThatIsNotMade: a claim spends the budget of the whole fleet.
// A host that cannot call has its own reason for its answer, and serves what the others
// have fetched.
func TestNothingIsClaimedForACallThatIsNotMade(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Project)
		before func(k *harness, p *Project) // what happens before the lookup; nil: nothing
		want   protocol.Code
	}{
		"no server key":              {func(p *config.Project) { p.SecretServerKey = "" }, nil, protocol.CodeMisconfigured},
		"no secret of introspection": {func(p *config.Project) { p.Introspection = &config.Introspection{ClientID: "checker"} }, nil, protocol.CodeMisconfigured},
		"an open circuit":            {func(*config.Project) {}, openCircuit, protocol.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			k, f := inFleet(t, fleet.Answer{Decision: fleet.Go})
			table := *k.project("stack").config()
			c.change(&table)
			p := k.newProject(table)
			k.giveKeys(p)
			if c.before != nil {
				c.before(k, p)
			}
			claimed, sent := len(f.claims), k.calls()
			v, _ := k.askFully(k.profile(p, k.token("ada")))
			wantOutcome(t, "without another host's profile", v, protocol.Unknown(c.want))
			f.last = []byte(`{"id":"bob"}`)
			v, _ = k.askFully(k.profile(p, k.token("bob")))
			wantAccepted(t, "with another host's profile", v)
			if len(f.claims) != claimed || k.calls() != sent {
				t.Errorf("%d claims, %d calls", len(f.claims)-claimed, k.calls()-sent)
			}
		})
	}
}

// openCircuit lets lookups fail until p's circuit is open.
func openCircuit(k *harness, p *Project) {
	k.upstream.Inject(standin.Any, standin.Fault{Kind: standin.Status})
	for p.upstream.Governor().Circuit != upstream.Open {
		if v, _ := k.askFully(k.profile(p, k.token("eve"))); v.Status() != protocol.ERR {
			k.t.Fatalf("the upstream fails, and the answer is %v", v.Outcome)
		}
	}
}
