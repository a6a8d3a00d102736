package standin

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// seeded is a stand-in as it starts. Two of them have in common only what is derived from
// the seed.
func seeded(t *testing.T, word string) *Standin {
	t.Helper()
	now := time.Unix(1_800_000_000, 0)
	return New(Options{Seed: word, BaseURL: "http://127.0.0.1:1", Now: func() time.Time { return now }})
}

// told returns everything of a stand-in that other programs store: ids, secrets and public
// keys.
func told(s *Standin) []string {
	all := []string{s.ProjectID(), s.ServerKey(), s.options.ClientKey, s.options.ServerSecret, s.ID("ada"), s.AddUser(User{Email: "ada@example.org"}).ID}
	for _, p := range []Preset{Stack, Neon} {
		for _, k := range s.publishedKeys(p, stackauth.ClassAnonymous) {
			all = append(all, string(ordered.Encode(k.JWK)))
		}
	}
	for _, k := range s.oidc.Published() { // without those of RSA
		all = append(all, string(ordered.Encode(k.JWK)))
	}
	return all
}

func TestEachStartWithASeedHasTheSameKeysAndIDs(t *testing.T) {
	first, second, other, none := told(seeded(t, "word")), told(seeded(t, "word")), told(seeded(t, "words")), told(seeded(t, ""))
	if !slices.Equal(first, second) {
		t.Errorf("one has\n%s\nand the other\n%s", strings.Join(first, "\n"), strings.Join(second, "\n"))
	}
	if len(first) < 15 {
		t.Errorf("compared %d only", len(first))
	}
	again := told(seeded(t, ""))
	for i := range first {
		if first[i] == other[i] || first[i] == none[i] || none[i] == again[i] {
			t.Errorf("%s does not follow from the seed", first[i])
		}
		if slices.Contains(first[i+1:], first[i]) {
			t.Errorf("%s is there twice", first[i])
		}
	}
}

func TestATokenOfOneStartIsGoodAtTheNext(t *testing.T) {
	first, second := New(Options{Seed: "word"}), serve(t, Options{Seed: "word", ProjectID: mint.Seed("word").UUID("project")})
	first.SetBaseURL(second.BaseURL())
	ada := second.AddUser(User{Email: "ada@example.org"})
	token := first.StackToken(TokenSpec{Subject: first.ID("ada@example.org"), IssuedAt: fixtureNow})
	if got := second.get(t, mePath, second.serverAccess(token)...); got.status != http.StatusOK || !strings.Contains(got.body, ada.ID) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestRotationLeavesTheSeed(t *testing.T) {
	first, second := seeded(t, "word"), seeded(t, "word")
	for _, p := range []Preset{Stack, Neon} {
		first.Rotate(p, false)
		second.Rotate(p, false)
		if slices.Equal(first.KeyIDs(p), second.KeyIDs(p)) {
			t.Errorf("%s: the keys after a rotation can be foretold", p)
		}
	}
}

func TestControlMintsForAClass(t *testing.T) {
	s := serve(t, Options{})
	for class, aud := range map[string]string{"": "", "normal": "", "restricted": ":restricted", "anonymous": ":anon"} {
		var reply struct{ Token string }
		s.control(t, "POST", "/tokens", `{"class":"`+class+`"}`, http.StatusOK, &reply)
		if claims := string(payload(t, reply.Token)); !strings.Contains(claims, `"aud":"`+s.ProjectID()+aud+`"`) {
			t.Errorf("%q: %s", class, claims)
		}
	}
}
