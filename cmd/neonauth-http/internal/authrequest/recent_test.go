package authrequest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

// acceptedOf returns an answer whose JSON has size bytes.
func acceptedOf(subject string, size int) client.Accepted {
	text := fmt.Sprintf(`{"sub":%q,"name":""}`, subject)
	text = strings.Replace(text, `""}`, `"`+strings.Repeat("a", size-len(text))+`"}`, 1)
	return client.Accepted{Level: client.LevelClaims, Project: "main", Subject: subject, JSON: json.RawMessage(text)}
}

func TestAPrincipalIsReadOutOfOneAnswerOnly(t *testing.T) {
	t.Parallel()
	scoped := func(n int) client.Accepted {
		a := acceptedOf("u", 100)
		a.JSON = json.RawMessage(`{"scope":"` + strings.Repeat("a ", n) + `"}`)
		return a
	}
	for name, c := range map[string]struct {
		answer     client.Accepted
		remembered bool
	}{
		"JSON, n-1":   {acceptedOf("u", maxRemembered-1), true},
		"JSON, n":     {acceptedOf("u", maxRemembered), true},
		"JSON, n+1":   {acceptedOf("u", maxRemembered+1), false},
		"scopes, n-1": {scoped(maxScopes - 1), true},
		"scopes, n":   {scoped(maxScopes), true},
		"scopes, n+1": {scoped(maxScopes + 1), false},
	} {
		s := everything()
		first := s.principal(&c.answer)
		c.answer.Age += time.Second
		if second := s.principal(&c.answer); (first == second) != c.remembered {
			t.Errorf("%s: remembered %t", name, first == second)
		}
	}
}

// TestNobodyGetsTheHeadersOfAnother: whoever asked before, the headers are those that are
// made from the answer alone.
func TestNobodyGetsTheHeadersOfAnother(t *testing.T) {
	t.Parallel()
	s := everything()
	for range 20 * maxRecent {
		a := acceptedOf(fmt.Sprint("user", rand.IntN(2*maxRecent)), 100+rand.IntN(2))
		a.Age = time.Duration(rand.IntN(1000)) * time.Second
		if rand.IntN(2) == 0 { // the same claims, of another subject
			a.Subject = "other"
		}
		got, err := s.principal(&a).identityOf(a.Age, s)
		want, wrong := newPrincipal(&a, a.User(), s).identityOf(a.Age, s)
		if got != want || err != nil || wrong != nil {
			t.Fatalf("%q, want %q; %v, %v", got, want, err, wrong)
		}
	}
}
