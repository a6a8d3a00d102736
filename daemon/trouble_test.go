package daemon

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// explained returns EXPLAIN's answer about a token, and the detail of one
// check.
func (w *liveDaemon) explained(project, token, name string) (x explanation, detail string) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(strings.TrimPrefix(w.dialAdmin().Ask("EXPLAIN project=%s %s", project, token), "OK ")), &x); err != nil {
		w.t.Fatal(err)
	}
	for _, c := range x.Checks {
		if c.Check == name {
			return x, c.Result + ": " + c.Detail
		}
	}
	return x, ""
}

// TestAKeySetWithoutAUsableKeyIsToldAsWhatItIs, in the log, in KEYS and in
// EXPLAIN, and not as an upstream that cannot be reached.
func TestAKeySetWithoutAUsableKeyIsToldAsWhatItIs(t *testing.T) {
	for name, c := range map[string]struct {
		status       int
		body         string
		log, problem string
		skipped      int
	}{
		"no usable key": {200, `{"keys":[{"kty":"oct","kid":"a"},{"kty":"EC","kid":"b","use":"enc"},{"kty":"EC","kid":"c","use":"enc"}]}`,
			"key set fetched, and no key of it can be used", "none of the 3 keys of the set can be used (1: type of key not used for public signature keys; 2: use is not sig)", 3},
		"empty":           {200, `{"keys":[]}`, "key set fetched, and no key of it can be used", "the key set is empty", 0},
		"another thing":   {200, `{"jwks":[]}`, "what was fetched is no key set", `no \"keys\"`, 0},
		"too many keys":   {200, `{"keys":[` + strings.Repeat(`{},`, 64) + `{}]}`, "key set fetched, and it is not taken", "the key set has more than 64 keys", 0},
		"too long":        {200, `{"keys":[` + strings.Repeat(" ", 256<<10) + `]}`, "and what answers there", "the body has more than 262144 bytes", 0},
		"another address": {404, `{}`, "key set not fetched, will be tried again", "status 404", 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			w := newLiveDaemon(t, func(cfg *config.Config) { cfg.Projects[1].JWKSURL = server.URL })
			token := w.upstream.NeonToken(standin.TokenSpec{})
			if reply := w.dial().Ask("VERIFY project=neon %s", token); head(reply) != "ERR keys-pending" {
				t.Fatal(reply)
			}
			problem := strings.ReplaceAll(c.problem, `\"`, `"`)
			x, detail := w.explained("neon", token, "key-set")
			if x.Outcome != "unknown" || x.Reason != "keys-pending" || !strings.HasPrefix(detail, "fail: ") || !strings.Contains(detail, problem) {
				t.Errorf("EXPLAIN: %s %s: %s", x.Outcome, x.Reason, detail)
			}
			var keys struct{ Projects []keysReport }
			if err := json.Unmarshal([]byte(strings.TrimPrefix(w.dialAdmin().Ask("KEYS project=neon"), "OK ")), &keys); err != nil {
				t.Fatal(err)
			}
			if k := keys.Projects[0]; !strings.Contains(k.Problem, problem) || len(k.Skipped) != c.skipped || k.Source != "none" || k.Failures == 0 {
				t.Errorf("KEYS: %+v", k)
			}
			log := strings.Join(slices.DeleteFunc(strings.Split(w.log.String(), "\n"), func(line string) bool { return !strings.Contains(line, "project=neon") }), "\n")
			if !strings.Contains(log, c.log) || !strings.Contains(log, c.problem) || strings.Contains(log, "reaches the upstream") {
				t.Errorf("the log of the project is\n%s", log)
			}
		})
	}
}

func TestEXPLAINSaysWhichKeysWereLeftOut(t *testing.T) {
	w := newLiveDaemon(t, nil)
	token := w.token()
	if reply := w.dial().Ask("VERIFY %s", token); head(reply) != "OK" {
		t.Fatal(reply)
	}
	if _, detail := w.explained("main", token, "key-set"); !strings.HasPrefix(detail, "pass: confirmed 0s ago, keys: ") || strings.Contains(detail, "left out") {
		t.Error(detail)
	}
	w.upstream.Inject(standin.StackKeys, standin.Fault{Kind: standin.OddKeys})
	w.clock.advance(time.Minute)
	stranger := w.upstream.StackToken(standin.TokenSpec{Header: map[string]any{"kid": "stranger"}})
	w.dial().Ask("VERIFY %s", stranger)
	if _, detail := w.explained("main", token, "key-set"); !strings.Contains(detail, ", left out: ") || !strings.Contains(detail, ": unknown curve") {
		t.Error(detail)
	}
	if x, detail := w.explained("main", "canary", "gate"); x.Reason != "malformed" || detail != "fail: malformed at: gate: 6 bytes, and a token has 20 to 8192" {
		t.Error(detail)
	}
	payload := []byte(`{"sub":"x","exp":"canary"}`)
	if x, detail := w.explained("main", w.upstream.StackToken(standin.TokenSpec{Payload: payload}), "claims"); x.Reason != "missing-claim" || !strings.HasSuffix(detail, `: "exp" is a string and has to be a number`) {
		t.Error(x.Reason, detail)
	}
}

// TestEXPLAINSaysWhatALookupAnswersThatFetchesTheKeysFirst, if they have not changed.
func TestEXPLAINSaysWhatALookupAnswersThatFetchesTheKeysFirst(t *testing.T) {
	w := newLiveDaemon(t, nil)
	w.dial().Ask("VERIFY %s", w.token()) // then there are keys
	for reason, spec := range map[string]standin.TokenSpec{
		"bad-signature": {Forged: true},
		"unknown-key":   {Header: map[string]any{"kid": "stranger"}},
	} {
		w.clock.advance(time.Minute) // past the cooldown
		token := w.upstream.StackToken(spec)
		x, detail := w.explained("main", token, "refresh")
		if x.Outcome != "unknown" || x.Reason != "keys-pending" || x.SameKeys == nil || *x.SameKeys != (sameKeys{"rejected", reason, 401, 0}) {
			t.Errorf("%s: %s %s, %+v", reason, x.Outcome, x.Reason, x.SameKeys)
		}
		if !strings.HasPrefix(detail, "skip: a lookup would have the key set fetched first") || !strings.HasSuffix(detail, "the answer is NO "+reason) {
			t.Error(detail)
		}
		if reply := w.dial().Ask("VERIFY %s", token); reply != "NO "+reason {
			t.Errorf("%s: VERIFY answers %s", reason, reply)
		}
		if x, _ := w.explained("main", token, ""); x.Outcome != "rejected" || x.Reason != reason || x.SameKeys != nil {
			t.Errorf("%s: after the fetch %s %s, %+v", reason, x.Outcome, x.Reason, x.SameKeys)
		}
	}
	w.upstream.Inject(standin.StackKeys, standin.Fault{Kind: standin.Status, Status: http.StatusServiceUnavailable})
	w.clock.advance(time.Minute)
	token := w.upstream.StackToken(standin.TokenSpec{Header: map[string]any{"kid": "new"}})
	if reply := w.dial().Ask("VERIFY %s", token); head(reply) != "ERR keys-pending" {
		t.Error(reply)
	}
	if x, _ := w.explained("main", token, ""); x.Reason != "keys-pending" || x.SameKeys == nil || x.SameKeys.Failures == 0 {
		t.Errorf("while fetches fail: %s, %+v", x.Reason, x.SameKeys)
	}
}

// TestAProfileThatCannotBeUsedIsToldByKind, in the log and in EXPLAIN. Half a
// surrogate pair does not make a profile unusable.
func TestAProfileThatCannotBeUsedIsToldByKind(t *testing.T) {
	w := newLiveDaemon(t, nil)
	k := w.dial()
	jsonType := http.Header{"Content-Type": {"application/json"}}
	for members, want := range map[string]string{
		`"display_name":"canary","display_name":"canary"`:                        "a name given twice",
		`"primary_email":"canary","Primary_Email":1`:                             "two names that differ only in case",
		`"client_metadata":{"canary":1e999}`:                                     "a number beyond every float64",
		`"client_metadata":{"canary\ud83d":1}`:                                   "a name with a control character or half a surrogate pair",
		`"client_metadata":` + strings.Repeat("[", 64) + strings.Repeat("]", 64): "nested too deep",
		`"is_anonymous":"canary"`:                                                "flags are not true or false",
		`"canary"`:                                                               "not valid JSON",
	} {
		token := w.token() // about another one the upstream would not be asked again at once
		w.upstream.Clear(standin.Me)
		w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Answer, Header: jsonType, Body: fmt.Sprintf(`{"id":%q,%s}`, w.user.ID, members)})
		if reply := k.Ask("PROFILE max-age=0 %s", token); head(reply) != "ERR unavailable" {
			t.Errorf("%s: %s", members, reply)
		}
		if _, detail := w.explained("main", token, "profile"); !strings.HasPrefix(detail, "fail: ") || !strings.Contains(detail, want) {
			t.Errorf("%s: EXPLAIN says %q", members, detail)
		}
		if log := w.log.String(); !strings.Contains(log, want) || strings.Contains(log, "canary") {
			t.Errorf("%s: the log is\n%s", members, log)
		}
	}
	token := w.token()
	w.upstream.Clear(standin.Me)
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Answer, Header: jsonType, Body: fmt.Sprintf(`{"id":%q,"display_name":"Zo\ud83d"}`, w.user.ID)})
	if reply := k.Ask("PROFILE max-age=0 %s", token); head(reply) != "OK" || !strings.HasSuffix(reply, `"display_name":"Zo\ud83d"}`) {
		t.Error(reply)
	}
	if _, detail := w.explained("main", token, "profile"); detail != "" {
		t.Errorf("of a good profile: %s", detail)
	}
}
