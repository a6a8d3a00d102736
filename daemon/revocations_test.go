package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// list asks for every page of the revocations.
func (w *liveDaemon) list(fields string) (all []revocationReport, pages int) {
	w.t.Helper()
	admin := w.dialAdmin()
	for after := ""; pages == 0 || after != ""; pages++ {
		request := "REVOCATIONS" + fields
		if after != "" {
			request += " after=" + string(protocol.AppendValue(nil, after))
		}
		var page revocationList
		if err := json.Unmarshal([]byte(strings.TrimPrefix(admin.Ask("%s", request), "OK ")), &page); err != nil {
			w.t.Fatal(err)
		}
		all, after = append(all, page.Revocations...), page.More
	}
	return all, pages
}

// TestTheListOfRevocationsSaysWhoAndWhy: it names the user of this process. The log does not repeat the reason.
func TestTheListOfRevocationsSaysWhoAndWhy(t *testing.T) {
	w := newLiveDaemon(t, nil)
	admin := w.dialAdmin()
	for request, want := range map[string]string{
		"REVOKE reason=canary%20said%20so session s":                                "OK changed=1 entries=",
		"REVOKE project=neon key nobody":                                            "OK changed=1 entries=",
		"REVOKE reason=" + strings.Repeat("r", protocol.MaxReason) + " subject u":   "OK changed=1 entries=",
		"REVOKE reason=" + strings.Repeat("r", protocol.MaxReason+1) + " subject v": "ERR bad-request",
		"REVOKE reason=a%0Ab subject v":                                             "ERR bad-request",
		"REVOKE reason=%FF subject v":                                               "ERR bad-request",
		"REVOKE reason= subject v":                                                  "ERR bad-request",
		"REVOKE cause=x subject v":                                                  "ERR bad-request",
		"PURGE reason=x all":                                                        "ERR bad-request",
		"REVOCATIONS reason=x":                                                      "ERR bad-request",
		"REVOCATIONS after=[]x":                                                     "ERR bad-request",
		"REVOCATIONS project=none":                                                  "ERR unknown-project",
	} {
		if reply := admin.Ask("%s", request); !strings.HasPrefix(reply, want) {
			t.Errorf("%.60s: %s", request, reply)
		}
	}
	all, pages := w.list("")
	if len(all) != 3 || pages != 1 {
		t.Fatalf("%+v", all)
	}
	uid := uint32(os.Getuid())
	for _, is := range all {
		reason := map[string]string{"session": "canary said so", "subject": strings.Repeat("r", protocol.MaxReason)}[is.Kind]
		if is.UID == nil || *is.UID != uid || is.Reason != reason || is.Since == 0 || (is.Until == 0) != (is.Kind == "key") {
			t.Errorf("%+v", is)
		}
	}
	if of, _ := w.list(" project=neon"); len(of) != 1 || of[0].Value != "nobody" {
		t.Errorf("%+v", of)
	}
	if log := w.log.String(); strings.Contains(log, "canary") || !strings.Contains(log, fmt.Sprint("uid=", uid)) {
		t.Error("the log has the reason, or not the user")
	}
}

// TestACredentialIsNeitherIDNorReason: the journal and the list of revocations would show it.
func TestACredentialIsNeitherIDNorReason(t *testing.T) {
	const canary = "canary0canary0canary0canary0canary0canary0"
	w := newLiveDaemon(t, nil)
	admin := w.dialAdmin()
	texts := []string{
		w.token(), "eyJhbGciOiJFUzI1NiJ9." + canary + "." + canary, "ssk_" + canary, "sk_" + canary + "574ck4u7h", "stackauth_" + canary,
		"Bearer%20" + canary, "Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx." + canary + "x%3D",
	}
	for _, text := range texts {
		for _, request := range []string{
			"REVOKE session ", "REVOKE subject ", "REVOKE key ", "UNREVOKE session ", "UNREVOKE subject ", "UNREVOKE key ", "UNREVOKE sessionless ",
			"PURGE subject ", "REVOKE session s reason=", "HELLO 1 ",
		} {
			words := strings.Fields(request + text)
			if before, field, found := strings.Cut(request+text, " reason="); found {
				words = strings.Fields("REVOKE reason=" + field + strings.TrimPrefix(before, "REVOKE"))
			}
			reply := admin.Ask("%s", strings.Join(words, " "))
			if !strings.HasPrefix(reply, "ERR bad-request ") || strings.Contains(reply, text) || strings.Contains(reply, canary) {
				t.Errorf("%s%.12s: %s", request, text, reply)
			}
		}
	}
	if all, _ := w.list(""); len(all) != 0 {
		t.Errorf("%+v", all)
	}
	journal, err := os.ReadFile(filepath.Join(w.dir, "state", "revocations.journal"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if said := string(journal) + w.log.String(); strings.Contains(said, canary) || strings.Contains(said, texts[0]) {
		t.Error("the journal or the log has a credential")
	}
}

// TestIDsOfUpstreamsAreRevoked, and a credential that an earlier build has taken for one is taken back.
func TestIDsOfUpstreamsAreRevoked(t *testing.T) {
	w := newLiveDaemon(t, nil)
	admin := w.dialAdmin()
	for _, id := range []string{
		"a2a49861-1bb1-40b0-b5f1-558b88acf49f", "Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx", "eyJ3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx", "auth0|5f7c8ec7c33c6c004bbafe82",
		"google-oauth2|103547991597142817347", "ada.lovelace@mail.example.org", strings.Repeat("0f", 20),
	} {
		for _, verb := range []string{"REVOKE session", "REVOKE subject", "REVOKE key", "UNREVOKE session", "PURGE subject"} {
			if reply := admin.Ask("%s %s", verb, protocol.AppendValue(nil, id)); !strings.HasPrefix(reply, "OK ") {
				t.Errorf("%s %s: %s", verb, id, reply)
			}
		}
	}
	m := revoke.Mark{Kind: revoke.KindSession, Project: "main", Value: "ssk_canary"}
	if _, err := w.daemon.revocations.Revoke(m, revoke.Origin{}, 0, w.daemon.opts.Now()); err != nil {
		t.Fatal(err)
	}
	if reply := admin.Ask("UNREVOKE project=main session ssk_canary"); e2e.Field(reply, "changed") != "1" {
		t.Error(reply)
	}
}

// TestRevokingAKeyThatIsNotThereIsSaid, but only if the key set is known.
func TestRevokingAKeyThatIsNotThereIsSaid(t *testing.T) {
	w := newLiveDaemon(t, nil)
	admin := w.dialAdmin()
	w.dial().Ask("VERIFY %s", w.token())
	var keys struct {
		Projects []struct {
			Keys []struct{ Kid, Thumbprint string }
		}
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(admin.Ask("KEYS project=main"), "OK ")), &keys); err != nil {
		t.Fatal(err)
	}
	key := keys.Projects[0].Keys[0]
	for id, said := range map[string]bool{"nobody": true, key.Kid: false, key.Thumbprint: false} {
		for range 2 {
			if reply := admin.Ask("REVOKE project=main key %s", id); strings.HasSuffix(reply, " known=0") != said {
				t.Errorf("%s: %s", id, reply)
			}
		}
	}
	if reply := admin.Ask("REVOKE project=main session nobody"); strings.Contains(reply, "known") {
		t.Error(reply)
	}
}

// TestTheListOfRevocationsFitsItsLines, even with the longest possible revocations.
func TestTheListOfRevocationsFitsItsLines(t *testing.T) {
	value, reason := strings.Repeat("<", protocol.MaxID-4), strings.Repeat("<", protocol.MaxReason)
	var worst revocationList
	for range maxListed {
		uid := uint32(1<<32 - 1)
		worst.Revocations = append(worst.Revocations, revocationReport{strings.Repeat("p", 32), "subject", value + "1234", 1 << 40, 1 << 40, &uid, reason})
	}
	worst.More = strings.Repeat(`\u003c`, protocol.MaxID)
	if reply, refused := object(worst); refused != nil || len(reply.Rest) < protocol.MaxProfile/2 {
		t.Errorf("%d bytes, %+v", len(reply.Rest), refused)
	}
	w := newLiveDaemon(t, nil)
	for i := range maxListed + 1 {
		m := revoke.Mark{Kind: revoke.KindSubject, Project: "main", Value: fmt.Sprintf("%s%04d", value, i)}
		if _, err := w.daemon.revocations.Revoke(m, revoke.Origin{By: "4294967295", Reason: reason}, 0, w.daemon.opts.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if all, pages := w.list(""); len(all) != maxListed+1 || pages != 2 {
		t.Errorf("%d in %d pages", len(all), pages)
	}
}

// TestRevocationsOfAProjectThatIsNotThereAreTold at a reload and at a start, because the project may have another
// name now.
func TestRevocationsOfAProjectThatIsNotThereAreTold(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	admin := w.dialAdmin()
	for _, what := range []string{"project=neon session s", "project=neon subject t", "subject u"} {
		if reply := admin.Ask("REVOKE %s", what); e2e.Field(reply, "changed") != "1" {
			t.Fatal(reply)
		}
	}
	w.rewrite(`name = "neon"`, `name = "renamed"`)
	if strings.Contains(w.log.String(), "not configured") {
		t.Fatalf("told before:\n%s", w.log)
	}
	const told = "project=neon revocations=2"
	if reply := admin.Ask("RELOAD"); reply != "OK" || strings.Count(w.log.String(), told) != 1 {
		t.Errorf("%s, and not told:\n%s", reply, w.log)
	}
	w.halt()
	loaded, err := config.Load(filepath.Join(w.dir, "neonauthd.toml"))
	if err != nil {
		t.Fatal(err)
	}
	w.config = loaded
	w.start()
	e2e.Until(t, "both projects are told of", func() bool { return strings.Count(w.log.String(), told) == 2 })
	if strings.Contains(w.log.String(), "project=main revocations=") {
		t.Errorf("told of a project that is there:\n%s", w.log)
	}
}
