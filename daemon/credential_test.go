package daemon

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// spellings returns the credentials of one session: its token alone, and with
// its signature; encoded or not, and with the cookie's name or without.
func spellings(signed string) map[string]string {
	const name = "__Secure-neon-auth.session_token="
	raw, _, _ := strings.Cut(signed, ".")
	return map[string]string{
		"signed": signed, "encoded": url.QueryEscape(signed), "named": name + signed, "named and encoded": name + url.QueryEscape(signed),
		"raw": raw, "raw and named": name + raw, "raw and encoded": "%" + strings.ToUpper(string("0123456789abcdef"[raw[0]>>4])) + string("0123456789abcdef"[raw[0]&15]) + raw[1:],
	}
}

// TestWhatOnlyTheUpstreamCanJudgeIsNotMalformed if the project takes such
// credentials, and is malformed if it does not.
func TestWhatOnlyTheUpstreamCanJudgeIsNotMalformed(t *testing.T) {
	w := newLiveDaemon(t, nil)
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	k := w.dial()
	for name, spelling := range spellings(session.NeonCookie) {
		for line, want := range map[string]string{
			"VERIFY project=neon ":                  "ERR needs-profile",
			"VERIFY project=neon deadline=10 ":      "ERR needs-profile",
			"VERIFY project=main ":                  "NO malformed",
			"PROFILE project=main ":                 "NO malformed",
			"PROFILE project=oidc fallback=claims ": "NO malformed",
		} {
			if reply := k.Ask("%s%s", line, spelling); reply != want {
				t.Errorf("%s%s: %.60s, want %s", line, name, reply, want)
			}
			if verb, _, _ := strings.Cut(line, " "); !protocol.IsToken(protocol.Verb(verb), spelling) {
				t.Errorf("%s%s: clients do not ask", line, name)
			}
		}
		x, detail := w.explained("neon", spelling, "gate")
		if x.Outcome != "unknown" || x.Reason != "needs-profile" || x.HTTP != 503 || !strings.HasPrefix(detail, "skip: ") {
			t.Errorf("%s: EXPLAIN: %+v", name, x)
		}
	}
	if n := w.upstream.Calls(standin.GetSession); n != 0 {
		t.Errorf("the upstream was asked %d times", n)
	}
	for _, junk := range []string{"not-a-token", "a.b", strings.Repeat("x", 600), "sk_live_0123456789012345678901234567", session.NeonCookie + "x"} {
		for _, verb := range []string{"VERIFY", "PROFILE"} {
			if reply := k.Ask("%s project=neon %s", verb, junk); reply != "NO malformed" {
				t.Errorf("%s %s: %s", verb, junk, reply)
			}
		}
	}
	// Only the upstream can judge the bare token, and it says no or yes.
	raw := spellings(session.NeonCookie)["raw"]
	if reply := k.Ask("PROFILE project=neon %s", raw); reply != "NO rejected-upstream" {
		t.Errorf("without the plugin: %.60s", reply)
	}
	w.upstream.TakeBearer(true)
	if reply := k.Ask("PROFILE project=neon max-age=0 %s", raw); head(reply) != "OK" {
		t.Errorf("with the plugin: %.60s", reply)
	}
	if reply := k.Ask("VERIFY project=neon %s", raw); reply != "ERR needs-profile" { // VERIFY does not use what memory knows of the session
		t.Errorf("VERIFY: %.60s", reply)
	}
}

// TestSpellingsOfASessionShareTheirAnswer, but only these: a token with another
// signature, or with none, has to be judged separately.
func TestSpellingsOfASessionShareTheirAnswer(t *testing.T) {
	w := newLiveDaemon(t, nil)
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	k, all := w.dial(), spellings(session.NeonCookie)
	for _, name := range []string{"signed", "encoded", "named", "named and encoded"} {
		if reply := k.Ask("PROFILE project=neon %s", all[name]); head(reply) != "OK" {
			t.Errorf("%s: %.60s", name, reply)
		}
	}
	if n := w.upstream.Calls(standin.GetSession); n != 1 {
		t.Errorf("%d calls for one credential", n)
	}
	other, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, signature, _ := strings.Cut(other.NeonCookie, ".")
	for name, credential := range map[string]string{"another signature": all["raw"] + "." + signature, "none": all["raw"]} {
		if reply := k.Ask("PROFILE project=neon %s", credential); reply != "NO rejected-upstream" {
			t.Errorf("%s: %.60s", name, reply)
		}
	}
}

// TestAPurgeOrARevocationOfASessionKnowsAllItsSpellings, whichever of them it
// names.
func TestAPurgeOrARevocationOfASessionKnowsAllItsSpellings(t *testing.T) {
	w := newLiveDaemon(t, nil)
	w.upstream.TakeBearer(true)
	k, admin := w.dial(), w.dialAdmin()
	for named := range spellings("a.b") {
		session, err := w.upstream.SignIn(w.user.ID)
		if err != nil {
			t.Fatal(err)
		}
		all := spellings(session.NeonCookie)
		ask := func(want string, calls int) {
			t.Helper()
			for name, spelling := range all {
				if reply := k.Ask("PROFILE project=neon %s", spelling); !strings.HasPrefix(reply, want) {
					t.Errorf("named %s, asked %s: %.60s, want %s", named, name, reply, want)
				}
			}
			if n := w.upstream.Calls(standin.GetSession); calls >= 0 && n != calls {
				t.Errorf("named %s: %d calls, want %d", named, n, calls)
			}
		}
		before := w.upstream.Calls(standin.GetSession)
		ask("OK ", before+2) // one question with the signature, one without
		if reply := admin.Ask("PURGE token %s", all[named]); head(reply) != "OK" {
			t.Errorf("PURGE token %s: %s", named, reply)
		}
		ask("OK ", before+4)
		if reply := admin.Ask("REVOKE project=neon token %s", all[named]); !strings.HasPrefix(reply, "OK changed=1") {
			t.Errorf("REVOKE token %s: %s", named, reply)
		}
		ask("NO revoked", before+4)
		for name, spelling := range all {
			var x explanation
			if err := json.Unmarshal([]byte(strings.TrimPrefix(admin.Ask("EXPLAIN project=neon %s", spelling), "OK ")), &x); err != nil {
				t.Fatal(err)
			}
			if x.Checks[1].Check != "revocation" || x.Checks[1].Result != "fail" || x.Cache.Profile != "hit" {
				t.Errorf("EXPLAIN %s: %+v", name, x)
			}
			if reply := admin.Ask("REVOKE project=neon token %s", spelling); !strings.HasPrefix(reply, "OK changed=0") {
				t.Errorf("REVOKE token %s again: %s", name, reply)
			}
		}
		if reply := admin.Ask("UNREVOKE project=neon token %s", all["raw"]); !strings.HasPrefix(reply, "OK changed=1") {
			t.Errorf("UNREVOKE: %s", reply)
		}
		ask("OK ", -1)
	}
	if reply := admin.Ask("REVOKE project=main token %s", spellings(strings.Repeat("a", 32) + ".b")["raw"]); head(reply) != "ERR bad-request" {
		t.Errorf("where there is no door: %s", reply)
	}
}
