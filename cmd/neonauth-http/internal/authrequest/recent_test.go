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
	for size, remembered := range map[int]bool{maxRemembered - 1: true, maxRemembered: true, maxRemembered + 1: false} {
		s, a := everything(), acceptedOf("u", size)
		first := s.principal(&a)
		a.Age += time.Second
		if second := s.principal(&a); (first == second) != remembered {
			t.Errorf("%d bytes: remembered %t", size, first == second)
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
