package resolve

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/introspect"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// newIntrospecting returns a harness whose project "neon" introspects, and so does "mcp", a resource of the same
// upstream. Each may ask at most limit questions a minute. more changes the configuration further.
func newIntrospecting(t testing.TB, limit int, more ...func(*config.Config)) *harness {
	h := newHarness(t, func(c *config.Config) {
		if err := os.WriteFile(filepath.Join(c.Dir, "secret"), []byte("s3cret"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, p := range c.Projects {
			if p.Preset == "neon" {
				p.Name, p.Resources, p.Allow = "mcp", []string{"https://mcp.example.net/mcp"}, []string{"machine"}
				c.Projects = append(c.Projects, p)
			}
		}
		for i := range c.Projects {
			if p := &c.Projects[i]; p.Preset == "neon" {
				p.Introspection = &config.Introspection{ClientID: "checker", Secret: "./secret", Limit: &limit}
			}
		}
		for _, change := range more {
			change(c)
		}
	})
	h.upstream.AddClient(introspect.Client{ID: "checker", Secret: "s3cret", Resources: []string{h.upstream.Resource()}})
	h.giveKeys(h.project("mcp"))
	return h
}

// TestTwoHundredUsersStayWithinTheLimit of a hundred questions within any minute. No user is rejected because of the
// limit: a user who was accepted before is served stale, and a new user is told to come again.
func TestTwoHundredUsersStayWithinTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users, tick, minutes = 200, time.Second / 4, 10
		k := newIntrospecting(t, config.DefaultIntrospectionLimit)
		k.upstream.SetIntrospectionLimit(1 << 20) // no limit here; the next test shows what the genuine upstream does at its limit
		asked, outcomes := k.lookUpOften(users, tick, minutes*time.Minute)
		window := int(time.Minute / tick)
		for i := range asked {
			if n := asked[i] - asked[max(0, i-window)]; n > config.DefaultIntrospectionLimit {
				t.Fatalf("%d questions in the minute before tick %d", n, i)
			}
		}
		last := asked[len(asked)-1]
		if last < minutes*70 {
			t.Errorf("%d questions in %d minutes: the limit is not used", last, minutes)
		}
		if outcomes["NO"] > 0 || outcomes["late ERR"] > 0 || outcomes["OK stale"] == 0 {
			t.Errorf("%v", outcomes)
		}
		t.Logf("%d questions in %d minutes, outcomes %v", last, minutes, outcomes)
	})
}

// TestTheUpstreamsLimitIsNoDenial: Better Auth counts on until nobody has asked for a minute, and asks for a pause.
func TestTheUpstreamsLimitIsNoDenial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newIntrospecting(t, config.DefaultIntrospectionLimit)
		_, outcomes := k.lookUpOften(200, time.Second/4, 10*time.Minute)
		if refused := k.upstream.Calls(standin.Introspection); outcomes["NO"] > 0 || outcomes["late ERR"] > 0 || refused > 1000 {
			t.Errorf("%d questions, %v", refused, outcomes)
		}
		t.Logf("%d questions, %v", k.upstream.Calls(standin.Introspection), outcomes)
	})
}

// TestMadeUpTokensCostOthersNothing: each made-up token costs a question, and together they get at most half of the
// questions that may be sent at once.
func TestMadeUpTokensCostOthersNothing(t *testing.T) {
	k := newIntrospecting(t, config.DefaultIntrospectionLimit)
	p := k.project("mcp")
	known := k.upstream.OpaqueToken(standin.Neon, standin.TokenSpec{Subject: k.upstream.AddUser(standin.User{}).ID, Client: "checker", Resources: []string{k.upstream.Resource()}})
	v, _ := k.askFully(k.profile(p, known))
	wantAccepted(t, "an opaque token", v)
	k.clock.Advance(2 * time.Minute)
	before := k.upstream.Calls(standin.Introspection)
	for i := range 100 {
		l := k.profile(p, fmt.Sprintf("made-up-%024d", i))
		l.Asker = fair.Asker{ID: fair.ID{UID: uint32(i)}}
		if v, _ := k.askFully(l); v.Status() == protocol.OK {
			t.Errorf("made up: %s", v.Outcome)
		}
	}
	if n := k.upstream.Calls(standin.Introspection) - before; n < 10 || n > 13 {
		t.Errorf("%d questions about made-up tokens", n)
	}
	for range 10 {
		v, _ := k.askFully(k.profile(p, k.upstream.ResourceToken(standin.Neon, standin.TokenSpec{Subject: k.upstream.AddUser(standin.User{}).ID})))
		wantAccepted(t, "a token that was verified", v)
	}
	if v, _ := k.askFully(k.profile(p, known)); v.Status() != protocol.OK || v.Source != SourceUpstream {
		t.Errorf("an opaque token that was accepted before: %s, %s", v.Outcome, v.Source)
	}
}

// lookUpOften lets each user look up a token of its own about every ten seconds. It returns how many questions had been asked
// at each tick, and how many lookups had which result: an ERR is late if the user was accepted before.
func (h *harness) lookUpOften(users int, tick, lasts time.Duration) (asked []int, outcomes map[string]int) {
	h.t.Helper()
	tokens, accepted := make([]string, users), make([]bool, users)
	for i := range tokens {
		ada := h.upstream.AddUser(standin.User{})
		tokens[i] = h.upstream.ResourceToken(standin.Neon, standin.TokenSpec{Subject: ada.ID})
	}
	outcomes = map[string]int{}
	random := rand.New(rand.NewPCG(1, 2))
	type waiting struct {
		user   int
		answer <-chan Verdict
	}
	var all []waiting
	for range lasts / tick {
		for i := range tokens {
			if time.Duration(random.Int64N(int64(10*time.Second))) < tick {
				all = append(all, waiting{i, h.begin(h.profile(h.project("mcp"), tokens[i]))})
			}
		}
		time.Sleep(tick)
		h.clock.Advance(tick)
		synctest.Wait()
		all = slices.DeleteFunc(all, func(w waiting) bool {
			select {
			case v := <-w.answer:
				outcomes[told(v, accepted[w.user])]++
				accepted[w.user] = accepted[w.user] || v.Status() == protocol.OK
				return true
			default:
				return false
			}
		})
		asked = append(asked, h.upstream.Calls(standin.Introspection))
	}
	for _, w := range all {
		<-w.answer
	}
	return asked, outcomes
}

// told returns the name under which lookUpOften counts a verdict.
func told(v Verdict, before bool) string {
	switch {
	case v.Status() == protocol.OK:
		return "OK " + v.Source.String()
	case v.Status() == protocol.NO:
		return "NO"
	case before:
		return "late ERR"
	}
	return "ERR"
}

// TestWhatIntrospectionSaysIsSharedByToken: it has a budget of its own, and each host reads the shared answer again.
func TestWhatIntrospectionSaysIsSharedByToken(t *testing.T) {
	k := newIntrospecting(t, config.DefaultIntrospectionLimit)
	f := &scriptedFleet{answer: fleet.Answer{Decision: fleet.Go}}
	k.resolver.profiles.fleet = func() (Fleet, bool) { return f, true }
	p := k.project("mcp")
	ada, bob := k.upstream.AddUser(standin.User{}).ID, k.upstream.AddUser(standin.User{}).ID
	of := func(user string) string {
		return k.upstream.ResourceToken(standin.Neon, standin.TokenSpec{Subject: user})
	}
	token := of(ada)
	v, _ := k.askFully(k.profile(p, token))
	wantAccepted(t, "asked", v)
	digest := DigestOf([]byte(token))
	if ask := f.claims[0]; ask.Project != "mcp/introspection" || ask.Class != hex.EncodeToString(digest[:]) || ask.Subject != ada || ask.Private || ask.Burst != 25 || ask.Rate != 1.25 {
		t.Errorf("%+v", ask)
	}
	shared := f.finished[0].Profile
	calls := k.upstream.Calls(standin.Introspection)
	for _, c := range []struct {
		what, token string
		profile     []byte
		want        protocol.Outcome
	}{
		{"what is said of the token", token, shared, protocol.Accepted()},
		{"what is said of another user's", of(bob), shared, protocol.Unknown(protocol.CodeUnavailable)},
		{"what is no answer", of(ada), []byte(`[]`), protocol.Unknown(protocol.CodeUnavailable)},
		{"what is over", of(ada), []byte(`{"active":true,"exp":1}`), protocol.Unknown(protocol.CodeUnavailable)},
	} {
		k.resolver.PurgeAll()
		f.answer = fleet.Answer{Decision: fleet.Have, Profile: c.profile, Age: time.Second}
		v, _ := k.askFully(k.profile(p, c.token))
		wantOutcome(t, c.what, v, c.want)
	}
	opaque := k.upstream.OpaqueToken(standin.Neon, standin.TokenSpec{Subject: ada, Client: "checker", Resources: []string{k.upstream.Resource()}})
	f.answer = fleet.Answer{Decision: fleet.Go}
	v, _ = k.askFully(k.profile(p, opaque))
	wantAccepted(t, "an opaque token", v)
	if ask := f.claims[len(f.claims)-1]; !ask.Private || ask.Subject != "" || ask.Project != "mcp/introspection" {
		t.Errorf("an opaque token: %+v", ask)
	}
	if n := k.upstream.Calls(standin.Introspection) - calls; n != 1 {
		t.Errorf("%d questions", n)
	}
}

// TestNoCredentialPassesForAnOpaqueToken, and no opaque token for another credential, even if the upstream says yes to
// everything.
func TestNoCredentialPassesForAnOpaqueToken(t *testing.T) {
	k := newIntrospecting(t, 100_000)
	k.upstream.Inject(standin.Introspection, standin.Fault{Kind: standin.Answer, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"active":true,"sub":"mallory","client_id":"c","aud":"https://mcp.example.net/mcp"}`})
	all := k.credentials()
	for _, unknownKey := range []string{"stack forged", "stack unknown key", "stack unnamed, bad", "neon forged", "neon unknown key", "neon unnamed, bad", "oidc"} {
		delete(all, unknownKey) // nothing fetches keys here, so these lookups would wait
	}
	spec := standin.TokenSpec{Subject: "ada"}
	all["resource token"] = k.upstream.ResourceToken(standin.Neon, spec)
	all["api key"] = k.upstream.APIKey(standin.APIKeySpec{User: "ada"})
	for i := range 1000 {
		all[fmt.Sprint("random ", i)] = randomText(rand.New(rand.NewPCG(7, uint64(i))))
	}
	passed := 0
	for name, text := range all {
		k.clock.Advance(time.Second / 2) // so that the asker may send another credential to the upstream
		for _, p := range []string{"stack", "neon", "mcp"} {
			l := k.profile(k.project(p), text)
			v, _ := k.askFully(l)
			opaqueToken := l.kind == opaque && l.door == accessTokens
			if opaqueToken && (p == "stack" || keyset.Shaped(l.Token) || strings.Count(text, ".") == 2 || strings.HasPrefix(name, "stack") || strings.Contains(name, "session") && name != "bare session" || name == "api key") {
				t.Errorf("%s, at %s, passes for an opaque token", name, p)
			}
			if said := v.Status() == protocol.OK && v.entry.subject == "mallory"; said != (opaqueToken && p == "mcp") {
				t.Errorf("%s, at %s: kind %d, door %s, %s", name, p, l.kind, l.door, v.Outcome)
			} else if said {
				passed++
			}
			if v, _ := k.askFully(k.claims(k.project(p), text)); l.kind == opaque && v.Outcome != protocol.Unknown(protocol.CodeNeedsProfile) {
				t.Errorf("%s, at %s: VERIFY: %s", name, p, v.Outcome)
			}
		}
	}
	if passed < 100 {
		t.Errorf("%d opaque tokens", passed)
	}
}

// randomText returns a text of the characters and of a length that credentials have.
func randomText(r *rand.Rand) string {
	const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~+/...==%"
	most := len(characters)
	if r.IntN(2) == 0 {
		most = 62
	}
	text := make([]byte, 10+r.IntN(60))
	for i := range text {
		text[i] = characters[r.IntN(most)]
	}
	return string(text)
}

// TestAnEndByTheUpstreamIsTheEnd: introspection may say that a token ends before its own exp. After that end nothing is
// served: neither the claims when the upstream fails, nor a reply that had to wait.
func TestAnEndByTheUpstreamIsTheEnd(t *testing.T) {
	k := newIntrospecting(t, config.DefaultIntrospectionLimit)
	p := k.project("mcp")
	l := k.profile(p, k.upstream.ResourceToken(standin.Neon, standin.TokenSpec{Subject: k.upstream.AddUser(standin.User{}).ID}))
	v, _ := k.askFully(l)
	wantAccepted(t, "at first", v)
	now := k.clock.Read()
	v.profile = &profile{project: p, user: v.profile.user, revision: v.profile.revision, asked: v.profile.asked, body: v.profile.body, ends: now.Unix() + 100}
	k.resolver.profiles.memory.keepProfile(l.profileKey(v.entry), v.profile, now)
	wantAccepted(t, "before its end", k.resolver.Confirm(l, v))
	k.upstream.Inject(standin.Introspection, standin.Fault{Kind: standin.Status})
	k.clock.Advance(100 * time.Second)
	wantOutcome(t, "a reply that waited", k.resolver.Confirm(l, v), protocol.Rejected(protocol.ReasonExpired))
	again, _ := k.askFully(l)
	wantOutcome(t, "without the upstream", again, protocol.Unknown(protocol.CodeUnavailable))
	l.Fallback = true
	again, _ = k.askFully(l)
	wantOutcome(t, "where claims will do", again, protocol.Rejected(protocol.ReasonExpired))
}

// TestAPurgedAnswerEndsNothing: a purge makes void what the upstream has said, also that a token has ended by now.
func TestAPurgedAnswerEndsNothing(t *testing.T) {
	k := newIntrospecting(t, config.DefaultIntrospectionLimit)
	p, user := k.project("mcp"), k.upstream.AddUser(standin.User{}).ID
	spec := standin.TokenSpec{Subject: user, Client: "checker", Resources: []string{k.upstream.Resource()}, Lifetime: time.Minute}
	for _, c := range []struct {
		what   string
		signed bool
	}{{"a token that was verified", true}, {"an opaque token", false}} {
		var token string
		if c.signed {
			token = k.upstream.ResourceToken(standin.Neon, standin.TokenSpec{Subject: user, Lifetime: time.Hour})
		} else {
			token = k.upstream.OpaqueToken(standin.Neon, spec)
		}
		k.upstream.Clear(standin.Introspection)
		l := k.profile(p, token)
		v, _ := k.askFully(l)
		wantAccepted(t, c.what+", at first", v)
		now := k.clock.Read()
		if c.signed {
			v.profile = &profile{project: p, user: v.profile.user, revision: v.profile.revision, asked: v.profile.asked, body: v.profile.body, ends: now.Unix() + 60}
			k.resolver.profiles.memory.keepProfile(l.profileKey(v.entry), v.profile, now)
		}
		k.clock.Advance(time.Minute)
		wantOutcome(t, c.what+", at its end", k.resolver.Confirm(l, v), protocol.Rejected(protocol.ReasonExpired))
		k.resolver.PurgeSubject("mcp", user)
		wantOutcome(t, c.what+": a reply that waited", k.resolver.Confirm(l, v), Busy().Outcome)
		k.upstream.Inject(standin.Introspection, standin.Fault{Kind: standin.Status})
		l.Fallback = true
		again, _ := k.askFully(l)
		if c.signed {
			wantAccepted(t, c.what+", asked again where claims will do", again)
		} else {
			wantOutcome(t, c.what+", asked again", again, protocol.Unknown(protocol.CodeUnavailable))
		}
	}
}

// TestAnOpaqueTokenWhoseUserNoRevocationCanNameIsUnknown, as a token with claims is. This is
// no fault of the upstream: other users are asked about as before, and the log says why.
func TestAnOpaqueTokenWhoseUserNoRevocationCanNameIsUnknown(t *testing.T) {
	k := newIntrospecting(t, config.DefaultIntrospectionLimit)
	var log strings.Builder
	p := k.project("mcp")
	p.log = slog.New(slog.NewTextHandler(&log, nil))
	ask := func(id string) Verdict {
		user := k.upstream.AddUser(standin.User{ID: id})
		token := k.upstream.OpaqueToken(standin.Neon, standin.TokenSpec{Subject: user.ID, Client: "checker", Resources: []string{k.upstream.Resource()}})
		v, _ := k.askFully(k.profile(p, token))
		return v
	}
	longest := strings.Repeat("u", protocol.MaxID)
	for i := range 8 { // enough users to open the circuit, if these were unfit answers
		v := ask(longest + strconv.Itoa(i))
		wantOutcome(t, "too long", v, protocol.Unknown(protocol.CodeMisconfigured))
		if v.RetryAfter != 0 {
			t.Errorf("asking again after %s is said to help", v.RetryAfter)
		}
	}
	if !strings.Contains(log.String(), wording.Unrevocable) {
		t.Errorf("the log says %q", log.String())
	}
	wantAccepted(t, "the longest", ask(longest))
	if g, _ := p.Upstream().IntrospectionGovernor(); g.Circuit != upstream.Closed {
		t.Errorf("the circuit is %s", g.Circuit)
	}
}
