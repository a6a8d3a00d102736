package resolve

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// contested is a harness with a running project "mcp": a resource of preset neon, whose
// issuer is found in the metadata. The metadata of base_url are 404 at the start.
type contested struct {
	*harness
	p            *Project
	base, origin string
	ended        int // how often verdicts that rest on keys have ended
}

// contest runs test in a bubble with such a project.
func contest(t *testing.T, test func(*contested)) {
	synctest.Test(t, func(t *testing.T) {
		k := &contested{harness: newIntrospecting(t, 1000, func(c *config.Config) {
			for i := range c.Projects {
				if p := &c.Projects[i]; p.Name == "mcp" {
					p.LogoutClientIDs = []string{"client"}
				}
			}
		})}
		k.base, k.origin = k.upstream.ServiceURL(standin.Neon), k.upstream.BaseURL()
		k.surrounding.Ended = func(...Ground) { k.ended++ }
		k.p = k.newProject(*k.project("mcp").config())
		defer k.run(k.p, k.p.Keys())()
		if k.p.Issuer() != k.origin || k.p.Rival() != k.base {
			t.Fatalf("issuer %q, rival %q", k.p.Issuer(), k.p.Rival())
		}
		test(k)
	})
}

// run runs parts of projects until stop is called.
func (k *contested) run(parts ...interface{ Run(context.Context) }) (stop func()) {
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, part := range parts {
		running.Go(func() { part.Run(ctx) })
	}
	synctest.Wait()
	return func() {
		end()
		running.Wait()
	}
}

// TestAReloadDoesNotShortenThePauseOfTheSearch: the metadata are asked for once in a cooldown.
func TestAReloadDoesNotShortenThePauseOfTheSearch(t *testing.T) {
	contest(t, func(k *contested) {
		ofBase, asked := k.token(k.base), func() int { return k.upstream.Calls(standin.Base) }
		wantOutcome(t, "the first", k.ask(k.p, ofBase), keysPending)
		synctest.Wait()
		searched := asked()
		for range 3 {
			next := k.changed(k.p, otherLeeway)
			defer k.run(next)() // whose keys run already
			v := k.ask(next, ofBase)
			if wantOutcome(t, "after a reload", v, keysPending); v.RetryAfter < 2*time.Second {
				t.Errorf("ask again after %s", v.RetryAfter)
			}
			k.p = next
		}
		synctest.Wait()
		if n := asked() - searched; n != 0 {
			t.Errorf("%d more questions in the pause", n)
		}
		k.sleep(longestRetry)
		if asked() == searched {
			t.Error("nobody asks after the pause")
		}
	})
}

// token returns a token of the project's resource that names an issuer.
func (k *contested) token(issuer string, change ...func(*standin.TokenSpec)) string {
	spec := standin.TokenSpec{Set: map[string]any{"iss": issuer}}
	for _, c := range change {
		c(&spec)
	}
	return k.upstream.ResourceToken(standin.Neon, spec)
}

func (k *contested) sleep(d time.Duration) {
	k.clock.Advance(d)
	time.Sleep(d)
	synctest.Wait()
}

var (
	keysPending = protocol.Unknown(protocol.CodeKeysPending)
	wrongIssuer = protocol.Rejected(protocol.ReasonWrongIssuer)
)

// TestA404AtTheBaseRejectsNoTokenThatNamesIt: it may pass. When it has passed, the base is
// the issuer for good.
func TestA404AtTheBaseRejectsNoTokenThatNamesIt(t *testing.T) {
	contest(t, func(k *contested) {
		ofOrigin, ofBase := k.token(k.origin), k.token(k.base)
		wantAccepted(t, "the origin's", k.ask(k.p, ofOrigin))
		for range 60 {
			v := k.ask(k.p, ofBase)
			wantOutcome(t, "the base's", v, keysPending)
			if v.RetryAfter < time.Second || v.RetryAfter > longestRetry {
				t.Errorf("ask again after %s", v.RetryAfter)
			}
			wantOutcome(t, "a third one's", k.ask(k.p, k.token("https://elsewhere.example")), wrongIssuer)
			wantAccepted(t, "the origin's", k.ask(k.p, k.token(k.origin)))
			k.sleep(10 * time.Second)
		}
		k.upstream.NameBase(true)
		wantOutcome(t, "the base's, in the pause", k.ask(k.p, ofBase), keysPending)
		k.sleep(longestRetry)
		wantAccepted(t, "the base's, when its metadata are there", k.ask(k.p, ofBase))
		if k.p.Issuer() != k.base || k.p.Rival() != "" || k.ended != 1 {
			t.Errorf("issuer %q, rival %q, verdicts ended %d times", k.p.Issuer(), k.p.Rival(), k.ended)
		}
		wantOutcome(t, "the origin's, accepted before", k.ask(k.p, ofOrigin), wrongIssuer)

		asked := k.upstream.Calls(standin.Base)
		k.upstream.NameBase(false)
		for range 60 {
			wantOutcome(t, "the origin's", k.ask(k.p, k.token(k.origin)), wrongIssuer)
			k.sleep(10 * time.Second)
		}
		wantAccepted(t, "the base's", k.ask(k.p, ofBase))
		if n := k.upstream.Calls(standin.Base) - asked; n > 0 || k.p.Issuer() != k.base {
			t.Errorf("the proved issuer was doubted: %d questions, now %q", n, k.p.Issuer())
		}
	})
}

// TestTokensThatNameTheRivalCauseFewQuestions: at most one search in a cooldown, and fewer
// with time.
func TestTokensThatNameTheRivalCauseFewQuestions(t *testing.T) {
	for _, c := range []struct {
		name        string
		fault       standin.Fault
		least, most int // searches in half an hour
	}{
		{"404", standin.Fault{Kind: standin.Status, Status: http.StatusNotFound}, 20, 33},
		{"503", standin.Fault{Kind: standin.Status, Status: http.StatusServiceUnavailable}, 20, 33},
		{"429, five minutes", standin.Fault{Kind: standin.Status, Status: http.StatusTooManyRequests, RetryAfter: "300"}, 5, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			contest(t, func(k *contested) {
				k.upstream.Inject(standin.Base, c.fault)
				began, searches, last := time.Now(), 0, time.Time{}
				for asked := k.upstream.Calls(standin.Base); time.Since(began) < 30*time.Minute; k.sleep(time.Second) {
					wantOutcome(t, "the base's", k.ask(k.p, k.token(k.base)), keysPending)
					synctest.Wait()
					if now := k.upstream.Calls(standin.Base); now != asked {
						if gap := time.Since(last); gap < 30*time.Second-time.Millisecond {
							t.Errorf("again after %s", gap)
						}
						asked, last, searches = now, time.Now(), searches+1
					}
				}
				if searches < c.least || searches > c.most {
					t.Errorf("%d searches in half an hour, want %d to %d", searches, c.least, c.most)
				}
			})
		})
	}
}

// TestOnlyATokenThatTheKeysHaveSignedDoubtsTheIssuer, and that is otherwise good.
func TestOnlyATokenThatTheKeysHaveSignedDoubtsTheIssuer(t *testing.T) {
	contest(t, func(k *contested) {
		asked := k.upstream.Calls(standin.Base)
		for _, c := range []struct {
			name   string
			change func(*standin.TokenSpec)
			reason protocol.Reason
		}{
			{"forged", func(s *standin.TokenSpec) { s.Forged = true }, protocol.ReasonBadSignature},
			{"expired", func(s *standin.TokenSpec) { s.IssuedAt, s.Lifetime = k.clock.Now().Add(-2*time.Hour), time.Hour }, protocol.ReasonExpired},
			{"for another resource", func(s *standin.TokenSpec) { s.Resources, s.Scope = []string{"https://other.example"}, "read" }, protocol.ReasonWrongAudience},
			{"of another kind", func(s *standin.TokenSpec) { s.Header = map[string]any{"typ": "JWT"} }, protocol.ReasonWrongType},
		} {
			wantOutcome(t, c.name, k.ask(k.p, k.token(k.base, c.change)), protocol.Rejected(c.reason))
		}
		wantOutcome(t, "a third issuer's", k.ask(k.p, k.token("https://elsewhere.example")), wrongIssuer)
		k.sleep(10 * time.Minute)
		if n := k.upstream.Calls(standin.Base) - asked; n > 0 {
			t.Errorf("%d questions", n)
		}
	})
}

func TestALogoutTokenThatNamesTheRivalIsUnknown(t *testing.T) {
	contest(t, func(k *contested) {
		token := k.upstream.LogoutToken(standin.Neon, standin.TokenSpec{Client: "client", Set: map[string]any{"iss": k.base}})
		logout := func() Ending {
			return k.resolver.Logout(k.t.Context(), &Lookup{Project: k.p, Token: []byte(token), MaxAge: -1})
		}
		if e := logout(); e.Outcome != keysPending {
			t.Errorf("%s", e.Outcome)
		}
		for issuer, may := range map[string]bool{k.origin: true, k.base: true, "https://elsewhere.example": false} {
			if got := k.p.MayTakeLogout(&Ending{claims: keyset.Claims{Issuer: issuer, JSON: []byte(`{"iss":"` + issuer + `","aud":"client"}`)}}); got != may {
				t.Errorf("a token of %s that another project has accepted may be for this one: %v", issuer, got)
			}
		}
		k.upstream.NameBase(true)
		k.ask(k.p, k.token(k.base))
		k.sleep(time.Minute)
		if e := logout(); e.Status() != protocol.OK {
			t.Errorf("when the base is the issuer: %s", e.Outcome)
		}
	})
}

// TestAnAnswerThatNamesTheRivalIsUnknown: what introspection says of an opaque token.
func TestAnAnswerThatNamesTheRivalIsUnknown(t *testing.T) {
	contest(t, func(k *contested) {
		k.upstream.Inject(standin.Introspection, standin.Fault{Kind: standin.Answer, Header: http.Header{"Content-Type": {"application/json"}},
			Body: `{"active":true,"iss":"` + k.base + `","aud":"` + k.upstream.Resource() + `","sub":"ada","client_id":"c","azp":"c","scope":"read","exp":4102444800}`})
		opaque := strings.Repeat("o", 32)
		ask := func() Verdict {
			v, _ := k.askFully(k.profile(k.p, opaque))
			return v
		}
		if v := ask(); v.Status() != protocol.ERR {
			t.Errorf("%s", v.Outcome)
		}
		k.upstream.NameBase(true)
		k.ask(k.p, k.token(k.base))
		k.sleep(2 * time.Minute)
		wantAccepted(t, "when the base is the issuer", ask())
	})
}

func TestExplainNamesBothIssuersAndAsksNobody(t *testing.T) {
	contest(t, func(k *contested) {
		asked := k.upstream.Calls(standin.Any)
		x := k.resolver.Explain(k.claims(k.p, k.token(k.base)))
		k.sleep(10 * time.Minute)
		if x.Outcome != keysPending || k.upstream.Calls(standin.Any) > asked+1 { // the key set is refreshed
			t.Errorf("%s, %d questions", x.Outcome, k.upstream.Calls(standin.Any)-asked)
		}
		var issuer, metadata bool
		for _, c := range x.Checks {
			issuer = issuer || c.Name == "issuer" && c.Result == keyset.Failed && c.Is == k.base && c.Wants == k.origin
			metadata = metadata || c.Name == "metadata" && strings.Contains(c.Detail, k.base) && strings.Contains(c.Detail, k.origin)
		}
		if !issuer || !metadata {
			t.Errorf("%+v", x.Checks)
		}
	})
}

// TestASearchThatEndsLateMovesNoProvedIssuer: two searches run at the start.
func TestASearchThatEndsLateMovesNoProvedIssuer(t *testing.T) {
	contest(t, func(k *contested) {
		k.p.learnIssuer(k.t.Context(), k.base)
		k.p.learnIssuer(k.t.Context(), k.origin)
		if k.p.Issuer() != k.base {
			t.Errorf("now %q", k.p.Issuer())
		}
	})
}
