package daemon

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

const unusableKey = "ERR misconfigured " + protocol.TextUnusableKey

// publish makes the upstream publish the keys of that project, and more, which are its last
// key with other members.
func (w *liveDaemon) publish(of standin.Preset, more ...map[string]any) {
	w.t.Helper()
	w.upstream.Clear(standin.Keys)
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(get(w.upstream, w.upstream.KeysURL(of)).Body.Bytes(), &set); err != nil {
		w.t.Fatal(err)
	}
	last := set.Keys[len(set.Keys)-1]
	for _, members := range more {
		key := maps.Clone(last)
		maps.Copy(key, members)
		set.Keys = append(set.Keys, key)
	}
	body, err := json.Marshal(set)
	if err != nil {
		w.t.Fatal(err)
	}
	w.upstream.Inject(standin.Keys, standin.Fault{Kind: standin.Answer, Header: http.Header{"Content-Type": {"application/json"}}, Body: string(body)})
}

// TestTokensOfAKeyThatCannotBeUsedAreUnknown: an issuer that publishes such a key beside its
// old one signs nobody out. Forged tokens that name the key cost one fetch in a cooldown.
func TestTokensOfAKeyThatCannotBeUsedAreUnknown(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	long, late := strings.Repeat("k", 129), strings.Repeat("l", 129)
	naming := func(kid string) string {
		return w.upstream.NeonToken(standin.TokenSpec{Header: map[string]any{"kid": kid}})
	}
	k := w.dial()
	ask := func(kid, want string) {
		t.Helper()
		if reply := k.Ask("VERIFY project=neon %s", naming(kid)); reply != want && (want != "OK" || head(reply) != want) {
			t.Errorf("%.20s: %.120s, want %s", kid, reply, want)
		}
	}
	w.publish(standin.Neon, map[string]any{"kid": "odd", "use": "enc"}, map[string]any{"kid": long}, map[string]any{"kid": "twin", "x": "AAAA"})
	fetches := func() int { return w.upstream.Calls(standin.Keys) }
	ask("nobody's", "NO unknown-key") // with the fetch that each daemon begins with, or the next
	w.clock.advance(time.Minute)
	before := fetches()
	ask("odd", unusableKey)
	for n := range 50 {
		ask([]string{"odd", "twin", long}[n%3], unusableKey)
	}
	ask(late, "NO unknown-key")
	if n := fetches() - before; n != 1 {
		t.Errorf("fetches: %d", n)
	}
	if reply := k.Ask("VERIFY project=neon %s", w.upstream.NeonToken(standin.TokenSpec{})); head(reply) != "OK" {
		t.Errorf("of a key that can be used: %s", reply)
	}
	w.wantUnusableKeyTold(naming("odd"), naming(long))
	if page := string(w.daemon.metrics()); !strings.Contains(page, `neonauthd_lookups_total{outcome="unknown",reason="misconfigured",cause="unusable-key"} 51`) {
		t.Error("the metrics do not say so")
	}
	if n := w.daemon.counters.Totals().Codes["misconfigured"]; n != 51 {
		t.Errorf("misconfigured by the totals: %d", n)
	}

	// The answer is another one as soon as the issuer publishes another key.
	w.publish(standin.Neon, map[string]any{"kid": "odd"}, map[string]any{"kid": long})
	w.clock.advance(time.Minute)
	before = fetches()
	ask(long, unusableKey)
	if n := fetches() - before; n != 0 {
		t.Errorf("fetches for an id that is never looked for: %d", n)
	}
	ask("odd", "OK")
	ask("twin", "ERR keys-pending retry-after=30")
	w.clock.advance(time.Minute)
	ask("twin", "NO unknown-key")
}

// wantUnusableKeyTold wants KEYS, EXPLAIN and the log to tell the same of the keys of the two
// tokens.
func (w *liveDaemon) wantUnusableKeyTold(tokens ...string) {
	w.t.Helper()
	var keys struct{ Projects []keysReport }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(w.dialAdmin().Ask("KEYS project=neon"), "OK ")), &keys); err != nil {
		w.t.Fatal(err)
	}
	skipped := keys.Projects[0].Skipped
	if len(skipped) != 3 {
		w.t.Fatalf("%+v", skipped)
	}
	for i, token := range tokens {
		entry := fmt.Sprintf("entry %d of the key set (counted from 0)", skipped[i].Index)
		x, detail := w.explained("neon", token, "key")
		if x.Outcome != "unknown" || x.Reason != "misconfigured" || x.HTTP != 503 || !strings.HasSuffix(detail, entry+" has the id of its key and cannot be used: "+skipped[i].Why) {
			w.t.Errorf("%s %s %d, %s, and %+v is skipped", x.Outcome, x.Reason, x.HTTP, detail, skipped[i])
		}
		if n := strings.Count(w.log.String(), entry+", "+skipped[i].Why); n != 1 {
			w.t.Errorf("the log has it %d times", n)
		}
	}
}

// TestALogoutTokenOfAKeyThatCannotBeUsedIsNotRefused, because its issuer may have sent it.
func TestALogoutTokenOfAKeyThatCannotBeUsedIsNotRefused(t *testing.T) {
	w := newLiveDaemon(t, members)
	w.publish(standin.Neon, map[string]any{"kid": "odd", "use": "enc"})
	token := w.upstream.LogoutToken(standin.Neon, standin.TokenSpec{Client: "client", Header: map[string]any{"kid": "odd"}})
	if reply := w.dial().Ask("LOGOUT project=mcp %s", token); reply != unusableKey {
		t.Error(reply)
	}
}

// TestATokenWithoutKeyIDThatAnUnusableKeyMayHaveSignedIsUnknown, until the key set has the
// key that has signed it.
func TestATokenWithoutKeyIDThatAnUnusableKeyMayHaveSignedIsUnknown(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) {
		withoutOIDC(c)
		c.Projects[1].JWKSCooldown = config.Duration(100 * time.Millisecond)
	})
	k := w.dial()
	unnamed := standin.TokenSpec{RemoveHeader: []string{"kid"}, Forged: true}
	w.publish(standin.Neon, map[string]any{"kid": "odd", "x": "AAAA"})
	w.clock.advance(time.Second)
	if reply := k.Ask("VERIFY project=neon %s", w.upstream.NeonToken(unnamed)); reply != unusableKey {
		t.Error(reply)
	}
	w.upstream.Rotate(standin.Neon, false)
	w.publish(standin.Neon, map[string]any{"kid": "odd", "x": "AAAA"})
	w.clock.advance(time.Second)
	unnamed.Forged = false
	if reply := k.Ask("VERIFY project=neon %s", w.upstream.NeonToken(unnamed)); head(reply) != "OK" {
		t.Errorf("after a rotation: %s", reply)
	}
}
