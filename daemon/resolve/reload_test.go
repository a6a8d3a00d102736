package resolve

import (
	"slices"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// changed returns the successor of a project after a change of its table.
func (h *harness) changed(before *Project, change func(*config.Project)) *Project {
	h.t.Helper()
	table := before.Config()
	change(&table)
	next := h.newProject(table)
	next.Succeed(before)
	return next
}

func otherLeeway(p *config.Project) { p.Leeway++ }

// TestASuccessorUsesTheProfilesThatStayTrue changes the tables that package daemon's tests do not.
func TestASuccessorUsesTheProfilesThatStayTrue(t *testing.T) {
	k := newHarness(t, nil)
	plain := func(*config.Project) {}
	resource := func(p *config.Project) { p.Audiences, p.Resources = nil, []string{"https://api.example"} }
	introspecting := func(p *config.Project) { p.Introspection = &config.Introspection{ClientID: "c"} }
	limit := 7
	for name, c := range map[string]struct {
		before, change func(*config.Project)
		want           bool
	}{
		"leeway":                        {plain, otherLeeway, true},
		"scopes":                        {resource, func(p *config.Project) { p.Scopes = []string{"read"} }, true},
		"logout_client_ids":             {plain, func(p *config.Project) { p.LogoutClientIDs = []string{"c"} }, true},
		"algorithms":                    {plain, func(p *config.Project) { p.Algorithms = []string{"ES256"} }, false},
		"audiences":                     {plain, func(p *config.Project) { p.Audiences = append(slices.Clone(p.Audiences), "another") }, false},
		"audience_claim":                {plain, func(p *config.Project) { p.AudienceClaim = config.AudienceClaimAZP }, false},
		"resources":                     {plain, resource, false},
		"issuers":                       {plain, func(p *config.Project) { p.Issuers = []string{"https://other.example"} }, false},
		"userinfo_url":                  {plain, func(p *config.Project) { p.UserinfoURL = p.BaseURL + "/other" }, false},
		"introspection":                 {plain, introspecting, false},
		"introspection, no longer":      {introspecting, func(p *config.Project) { p.Introspection = nil }, false},
		"introspection, another leeway": {introspecting, otherLeeway, false}, // introspection has judged by the leeway
		"introspection, another limit": {introspecting, func(p *config.Project) {
			p.Introspection = &config.Introspection{ClientID: "c", Limit: &limit}
		}, false}, // with the same secrets the project goes on, and has no successor
	} {
		t.Run(name, func(t *testing.T) {
			table := k.project("oidc").Config()
			c.before(&table)
			before := k.newProject(table)
			next := k.changed(before, c.change)
			if got := next.pool == before.pool; got != c.want {
				t.Errorf("it uses the profiles: %v, want %v", got, c.want)
			}
			if goes := before.GoesOnWith(next.Config(), k.upstream.Config.Dir); goes != (name == "introspection, another limit") {
				t.Errorf("the project goes on: %v", goes)
			}
		})
	}
}

// TestADenialOfBeforeAReloadIsAskedAgain, even if another token of the user has brought a profile since: the denial was
// about its token.
func TestADenialOfBeforeAReloadIsAskedAgain(t *testing.T) {
	k := newHarness(t, nil)
	ada := k.upstream.AddUser(standin.User{Name: "Ada"}).ID
	before := k.project("stack")
	shown, other := k.token(ada), k.upstream.StackToken(standin.TokenSpec{Subject: ada, Session: "another"})
	deny := standin.Fault{Kind: standin.KnownError, Code: "UNPARSABLE_ACCESS_TOKEN", Times: 1}
	rejected := protocol.Rejected(protocol.ReasonRejectedUpstream)
	k.upstream.Inject(standin.Me, deny)
	v, _ := k.askFully(k.profile(before, shown))
	wantOutcome(t, "the token that is denied", v, rejected)
	v, _ = k.askFully(k.profile(before, other))
	wantAccepted(t, "another token of the user", v)

	next := k.changed(before, otherLeeway)
	v, _ = k.askFully(k.profile(next, other))
	wantAccepted(t, "the other token after the reload", v)
	if v.Source != SourceCache {
		t.Errorf("from %s", v.Source)
	}
	k.upstream.Inject(standin.Me, deny)
	v, recalled := k.askFully(k.profile(next, shown))
	if wantOutcome(t, "the denied token after the reload", v, rejected); recalled {
		t.Error("the upstream was not asked")
	}
	v, _ = k.askFully(k.profile(k.changed(next, otherLeeway), shown))
	if wantAccepted(t, "when the upstream says yes", v); v.Source != SourceUpstream {
		t.Errorf("from %s", v.Source)
	}
}

// TestAVerdictOfTheUpstreamDoesNotOutlastItsRules: the profile of an opaque credential is its verdict.
func TestAVerdictOfTheUpstreamDoesNotOutlastItsRules(t *testing.T) {
	k := newHarness(t, nil)
	session, err := k.upstream.SignIn(k.upstream.AddUser(standin.User{Name: "Ada"}).ID)
	if err != nil {
		t.Fatal(err)
	}
	before := k.project("neon")
	ask := func(p *Project) Verdict {
		v, _ := k.askFully(k.profile(p, session.NeonCookie))
		return v
	}
	if ask(before); ask(before).Source != SourceCache {
		t.Fatal("it is not kept")
	}
	next := k.changed(before, otherLeeway)
	k.upstream.Inject(standin.GetSession, standin.Fault{Kind: standin.Reset})
	wantOutcome(t, "during an outage", ask(next), protocol.Unknown(protocol.CodeUnavailable))
	k.upstream.Clear(standin.GetSession)
	k.clock.Advance(time.Minute)
	if v := ask(next); v.Source != SourceUpstream {
		t.Errorf("%s from %s", v.Outcome, v.Source)
	}
}

// TestProfilesOfANarrowerTableServeAWiderOneAndNotTheOtherWay: only a fetch judges the class that a profile shows.
func TestProfilesOfANarrowerTableServeAWiderOneAndNotTheOtherWay(t *testing.T) {
	k := newHarness(t, nil)
	narrow := k.project("stack")
	wide := k.changed(narrow, func(p *config.Project) { p.Allow = []string{config.AllowAnonymous} })
	wider := k.changed(wide, func(p *config.Project) {
		p.Allow = []string{config.AllowRestricted, config.AllowAnonymous, config.AllowTeam}
	})
	same := k.changed(wider, func(p *config.Project) { p.Allow = []string{config.AllowTeam, config.AllowAnonymous} })
	again := k.changed(same, func(p *config.Project) { p.Allow = nil })
	for name, c := range map[string]struct {
		a, b *Project
		want bool
	}{
		"wider": {narrow, wide, true}, "wider still": {wide, wider, true},
		"the same, because anonymous users are restricted": {wider, same, true},
		"narrow again": {same, again, false}, "as in the beginning": {narrow, again, false},
	} {
		if got := c.a.pool == c.b.pool; got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAHoldOutlastsAReloadAfterWhichTheQuestionIsTheSame: an answer that could not be used would be the same again.
func TestAHoldOutlastsAReloadAfterWhichTheQuestionIsTheSame(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	k.upstream.Inject(standin.Me, standin.Fault{Kind: standin.OtherUser})
	token := k.token(k.upstream.AddUser(standin.User{}).ID)
	ask := func(p *Project) {
		t.Helper()
		v, _ := k.askFully(k.profile(p, token))
		wantOutcome(t, "without a usable answer", v, protocol.Unknown(protocol.CodeUnavailable))
	}
	ask(p)
	for range 3 {
		p = k.changed(p, otherLeeway)
		ask(p)
	}
	if n := k.upstream.Calls(standin.Me); n != 1 {
		t.Errorf("%d calls in the pause", n)
	}
	ask(k.changed(p, func(p *config.Project) { p.Issuers = append(slices.Clone(p.Issuers), "https://other.example") }))
	if n := k.upstream.Calls(standin.Me); n != 2 {
		t.Errorf("%d calls after another question", n)
	}
}
