package resolve

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// credentials returns credentials of each kind, and for each outcome that a lookup can
// have.
func (h *harness) credentials() map[string]string {
	h.t.Helper()
	ada := h.upstream.AddUser(standin.User{Name: "Ada"})
	session, err := h.upstream.SignIn(ada.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	spec := func(change func(*standin.TokenSpec)) standin.TokenSpec {
		s := standin.TokenSpec{Subject: h.upstream.AddUser(standin.User{}).ID} // a user of its own, so that what ends one of them does not end the others
		change(&s)
		return s
	}
	all := map[string]string{"empty": "", "word": "not-a-token", "dots": "a.b.c", "large": strings.Repeat("x", keyset.MaxToken+1)}
	for name, change := range map[string]func(*standin.TokenSpec){
		"good":         func(*standin.TokenSpec) {},
		"restricted":   func(s *standin.TokenSpec) { s.Class = stackauth.ClassRestricted },
		"anonymous":    func(s *standin.TokenSpec) { s.Class = stackauth.ClassAnonymous },
		"expired":      func(s *standin.TokenSpec) { s.Lifetime = -time.Minute },
		"early":        func(s *standin.TokenSpec) { s.IssuedAt = h.clock.Right().Add(time.Minute) },
		"forged":       func(s *standin.TokenSpec) { s.Forged = true },
		"unknown key":  func(s *standin.TokenSpec) { s.Header = map[string]any{"kid": "bm9ib2R5"} },
		"unnamed key":  func(s *standin.TokenSpec) { s.RemoveHeader = []string{"kid"} },
		"unnamed, bad": func(s *standin.TokenSpec) { s.RemoveHeader, s.Forged = []string{"kid"}, true },
		"no subject":   func(s *standin.TokenSpec) { s.Remove = []string{"sub"} },
		"bound":        func(s *standin.TokenSpec) { s.Set = map[string]any{"cnf": map[string]any{"jkt": "x"}} },
		"critical":     func(s *standin.TokenSpec) { s.Header = map[string]any{"crit": []string{"x"}} },
	} {
		all["stack "+name] = h.upstream.StackToken(spec(change))
		all["neon "+name] = h.upstream.NeonToken(spec(change))
	}
	all["oidc"] = h.upstream.OIDCToken(standin.TokenSpec{})
	for name, spelling := range map[string]string{"session": session.NeonCookie, "named session": "__Secure-neon-auth.session_token=" + session.NeonCookie, "encoded session": url.QueryEscape(session.NeonCookie)} {
		all[name] = spelling
	}
	all["bare session"], _, _ = strings.Cut(session.NeonCookie, ".")
	return all
}

// situation is a state of the resolver in which a lookup is asked.
type situation struct {
	name  string
	bring func(h *harness, p *Project, token string)
}

func situations() []situation { return slices.Concat(beforehand(), ended(), timed()) }

// evidence returns the evidence of an accepted verdict on the token, which may need its
// profile. For other verdicts it is empty.
func (h *harness) evidence(p *Project, token string) *entry {
	v := h.ask(p, token)
	if v.Code() == protocol.CodeNeedsProfile {
		v, _ = h.askFully(h.profile(p, token))
	}
	if v.entry != nil {
		return v.entry
	}
	return &entry{}
}

// beforehand returns the situations that differ in what is remembered.
func beforehand() []situation {
	return []situation{
		{"never seen", func(*harness, *Project, string) {}},
		{"seen", func(h *harness, p *Project, token string) { h.ask(p, token) }},
		{"seen with its profile", func(h *harness, p *Project, token string) { h.askFully(h.profile(p, token)) }},
		{"seen by another project", func(h *harness, p *Project, token string) {
			for _, other := range h.projects {
				h.ask(other, token)
			}
		}},
		{"everything purged", func(h *harness, p *Project, token string) { h.ask(p, token); h.resolver.PurgeAll() }},
		{"purged", func(h *harness, p *Project, token string) {
			h.ask(p, token)
			h.resolver.PurgeToken([]byte(token), []*Project{p})
		}},
		{"its user purged", func(h *harness, p *Project, token string) {
			h.resolver.PurgeSubject(p.name, h.evidence(p, token).subject)
		}},
	}
}

// ended returns the situations in which a token has become invalid before its exp.
func ended() []situation {
	mark := func(kind revoke.Kind, value func(h *harness, p *Project, token string) string) func(*harness, *Project, string) {
		return func(h *harness, p *Project, token string) {
			h.ask(p, token)
			if v := value(h, p, token); v != "" {
				if _, err := h.revocations.Revoke(revoke.Mark{Kind: kind, Project: p.name, Value: v}, revoke.Origin{}, testLeeway, time.Time{}); err != nil {
					h.t.Fatal(err)
				}
			}
		}
	}
	return []situation{
		{"revoked", func(h *harness, p *Project, token string) {
			h.ask(p, token)
			if m, until, ok := p.TokenMark([]byte(token), h.clock.Read()); ok {
				if _, err := h.revocations.Revoke(m, revoke.Origin{}, testLeeway, until); err != nil {
					h.t.Fatal(err)
				}
			}
		}},
		{"its session revoked", mark(revoke.KindSession, func(h *harness, p *Project, token string) string { return h.evidence(p, token).session })},
		{"its user revoked", mark(revoke.KindSubject, func(h *harness, p *Project, token string) string { return h.evidence(p, token).subject })},
		{"its key revoked", mark(revoke.KindKey, func(h *harness, p *Project, token string) string {
			if key := h.evidence(p, token).key; key != nil {
				return key.Thumbprint()
			}
			return ""
		})},
		{"its key withdrawn", func(h *harness, p *Project, token string) {
			h.ask(p, token)
			preset := standin.Preset(p.config().Preset)
			if preset == standin.OIDC {
				return
			}
			h.upstream.Rotate(preset, false)
			h.giveKeys(p)
		}},
	}
}

// timed returns the situations that differ in the time, and in what has expired.
func timed() []situation {
	after := func(d time.Duration) func(*harness, *Project, string) {
		return func(h *harness, p *Project, token string) { h.ask(p, token); h.clock.Advance(d) }
	}
	step := func(d time.Duration) func(*harness, *Project, string) {
		return func(h *harness, p *Project, token string) { h.ask(p, token); h.clock.Step(d) }
	}
	return []situation{
		{"a minute later", after(time.Minute)},
		{"after its rejection is forgotten", after(RejectionLifetime)},
		{"past its end", after(2 * time.Hour)},
		{"with stale keys", after(keyring.Lifetime - time.Second)},
		{"with keys that are too old", after(keyring.Lifetime)},
		{"the clock an hour ahead", step(61 * time.Minute)},
		{"the clock an hour back", step(-time.Hour)},
		{"the clock ahead and right again", func(h *harness, p *Project, token string) {
			h.clock.Step(61 * time.Minute)
			h.ask(p, token)
			h.clock.Step(-61 * time.Minute)
		}},
		{"before the clock floor", func(h *harness, p *Project, token string) {
			h.ask(p, token)
			h.resolver.clockFloor = h.clock.Read().Add(time.Second)
		}},
		{"never seen, before the clock floor", func(h *harness, _ *Project, _ string) {
			h.resolver.clockFloor = h.clock.Read().Add(time.Second)
		}},
		{"its profile denied", func(h *harness, p *Project, token string) {
			h.upstream.Inject(standin.Any, standin.Fault{Kind: standin.Status, Status: 401})
			h.askFully(h.profile(p, token))
			h.upstream.ClearAll()
		}},
	}
}

// wantExplained fails unless EXPLAIN has the outcome that VERIFY answers right after
// it, and unless EXPLAIN changes nothing.
func (h *harness) wantExplained(what string, p *Project, token string) protocol.Outcome {
	h.t.Helper()
	before := h.resolver.State()
	x := h.resolver.Explain(&Lookup{Project: p, Token: []byte(token)})
	if after := h.resolver.State(); after.Memory.Entries != before.Memory.Entries {
		h.t.Errorf("%s: explaining changes the memory from %d entries to %d", what, before.Memory.Entries, after.Memory.Entries)
	}
	v, recalled := h.askFully(h.claims(p, token))
	if x.Outcome != v.Outcome {
		h.t.Errorf("%s: EXPLAIN comes to %s, VERIFY to %s\n%+v", what, x.Outcome, v.Outcome, x.Checks)
	}
	if hit := recalled && v.Status() == protocol.OK; hit != (x.Cache.Verdict == "hit") && v.Reason() != protocol.ReasonRevoked && v.Code() != protocol.CodeUnavailable {
		h.t.Errorf("%s: EXPLAIN says %s of the memory; recalled %v, %s", what, x.Cache.Verdict, recalled, v.Outcome)
	}
	if len(x.Checks) == 0 {
		h.t.Errorf("%s: no checks", what)
	}
	failed := func(c Check) bool { return c.Result == keyset.Failed }
	if no, remembered := h.resolver.Recall(h.profile(p, token)); remembered && no.Status() == protocol.NO && !slices.ContainsFunc(x.Checks, failed) {
		h.t.Errorf("%s: PROFILE answers %s, and no check of EXPLAIN says why: %+v", what, no.Outcome, x.Checks)
	}
	return v.Outcome
}

// TestEXPLAINComesToWhatVERIFYAnswers for each credential, of each project, in each
// situation.
func TestEXPLAINComesToWhatVERIFYAnswers(t *testing.T) {
	seen := map[protocol.Outcome]bool{}
	for _, s := range situations() {
		t.Run(s.name, func(t *testing.T) {
			for _, project := range []string{"stack", "neon", "oidc"} {
				h := newHarness(t, func(c *config.Config) { c.Projects[0].Allow = []string{config.AllowRestricted} })
				for _, p := range h.projects {
					p.stopKeys() // so that nobody waits for keys that do not come
				}
				p := h.project(project)
				all := h.credentials()
				floor, now := h.resolver.clockFloor, h.clock.Read()
				for name, token := range all {
					s.bring(h, p, token)
					for _, again := range []string{"", ", again"} {
						seen[h.wantExplained(fmt.Sprintf("%s, %s%s", project, name, again), p, token)] = true
					}
					h.resolver.clockFloor = floor
					h.clock.Step(now.Round(0).Sub(h.clock.Read().Round(0)))
					if h.clock.Read().Sub(now) > time.Minute {
						h.giveKeys(h.project("stack")) // the next credential finds keys as young as the first one did
						h.giveKeys(h.project("neon"))
					}
				}
			}
		})
	}
	for _, reason := range []protocol.Reason{
		protocol.ReasonMalformed, protocol.ReasonWrongAlgorithm, protocol.ReasonBadSignature, protocol.ReasonMissingClaim, protocol.ReasonSenderConstrained,
		protocol.ReasonClassNotAllowed, protocol.ReasonExpired, protocol.ReasonNotYetValid, protocol.ReasonRevoked,
	} {
		if !seen[protocol.Rejected(reason)] {
			t.Errorf("nothing was rejected as %s", reason)
		}
	}
	for _, code := range []protocol.Code{protocol.CodeKeysPending, protocol.CodeUnavailable, protocol.CodeNeedsProfile} {
		if !seen[protocol.Unknown(code)] {
			t.Errorf("nothing was unknown as %s", code)
		}
	}
	if !seen[protocol.Accepted()] {
		t.Error("nothing was accepted")
	}
}

const fixtures = "../testdata/upstream"

// fixture reads a file of the fixtures.
func fixture(t *testing.T, name string, into any) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fixtures, name))
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestEXPLAINComesToWhatVERIFYAnswersOfEachFixture: with the keys of the fixtures, for
// each fixture.
func TestEXPLAINComesToWhatVERIFYAnswersOfEachFixture(t *testing.T) {
	for _, c := range []struct {
		project string
		keys    standin.Endpoint
		change  func(t *testing.T, p *keyset.Policy)
	}{
		{"stack", standin.Keys, func(t *testing.T, p *keyset.Policy) {
			var is struct {
				Audiences struct{ Normal string }
				Issuers   struct{ Normal []string }
			}
			fixture(t, "stack/config.json", &is)
			p.Admitted = []keyset.Audience{{Class: keyset.ClassNormal, Name: is.Audiences.Normal, Issuers: is.Issuers.Normal}}
		}},
		{"neon", standin.NeonKeys, func(t *testing.T, p *keyset.Policy) {
			var is struct {
				Audience string
				Issuers  []string
			}
			fixture(t, "neon/config.json", &is)
			p.Admitted = []keyset.Audience{{Class: keyset.ClassNormal, Name: is.Audience, Issuers: is.Issuers}}
		}},
	} {
		t.Run(c.project, func(t *testing.T) {
			h := newHarness(t, nil)
			h.clock.Step(time.Unix(1_800_000_000, 0).Sub(h.clock.Now().Round(0))) // the fixtures' time
			p := h.project(c.project)
			c.change(t, p.rules())
			h.upstream.Inject(c.keys, standin.Fault{Kind: standin.Answer, Body: string(fixture(t, c.project+"/jwks.json", nil)), Header: map[string][]string{"Content-Type": {"application/json"}}})
			h.giveKeys(p)
			p.stopKeys()
			var list []struct{ Name, Token string }
			fixture(t, c.project+"/tokens.json", &list)
			accepted := 0
			for _, f := range list {
				for _, again := range []string{"", ", again"} {
					if h.wantExplained(f.Name+again, p, f.Token) == protocol.Accepted() {
						accepted++
					}
				}
			}
			if len(list) < 20 || accepted == 0 {
				t.Errorf("%d fixtures, %d times accepted", len(list), accepted)
			}
		})
	}
}

// TestACredentialIsOfOneKind: a text that has the form of a session credential never
// has the form of a token, in any spelling, and is not tried as a token.
func TestACredentialIsOfOneKind(t *testing.T) {
	h := newHarness(t, nil)
	kinds := map[kind]int{}
	for name, text := range h.credentials() {
		token := []byte(text)
		_, isSession := upstream.ParseSession(token)
		if isSession && keyset.Shaped(token) {
			t.Errorf("%s is both", name)
		}
		for _, p := range h.projects {
			l := &Lookup{Project: p, Token: token}
			l.classify()
			kinds[l.kind]++
			if (l.kind == opaque) != (isSession && p.name == "neon") || (l.kind == signed) != keyset.Shaped(token) {
				t.Errorf("%s, of project %s: kind %d", name, p.name, l.kind)
			}
		}
	}
	if len(kinds) != 3 {
		t.Errorf("of the kinds there are %v", kinds)
	}
}
