package client

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// TestAnAnswerPastTheTokensEndIsUnknown: the clock is one second before exp, at
// exp, and one second after.
func TestAnAnswerPastTheTokensEndIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for left, accepted := range map[int64]bool{1: true, 0: false, -1: false} {
			exp := time.Now().Unix() + left
			line := fmt.Sprintf(`OK level=claims project=main sub=ada age=0 ttl=60 exp=%d source=cache {"sub":"ada"}`, exp)
			answer, _ := answerTo(&question{verb: protocol.VERIFY}, []byte(line))
			switch a := answer.(type) {
			case Accepted:
				if !accepted || a.Expires.Unix() != exp {
					t.Errorf("%d seconds before exp: accepted until %s", left, a.Expires)
				}
			case Unknown:
				if accepted || !errors.Is(a.Err, ErrGarbled) {
					t.Errorf("%d seconds before exp: unknown, %v", left, a.Err)
				}
			default:
				t.Errorf("%d seconds before exp: %v", left, a)
			}
		}
	})
}

// TestAnAnswerTellsWhoseTokenItIs, where the daemon says so.
func TestAnAnswerTellsWhoseTokenItIs(t *testing.T) {
	for field, want := range map[string]string{"": "", " principal=user": protocol.PrincipalUser, " principal=machine": protocol.PrincipalMachine, " principal=team": protocol.PrincipalTeam} {
		line := `OK level=claims project=main sub=ada` + field + ` age=0 ttl=60 exp=4102444800 source=cache {"sub":"ada"}`
		answer, _ := answerTo(&question{verb: protocol.VERIFY}, []byte(line))
		if a, ok := answer.(Accepted); !ok || a.Principal != want {
			t.Errorf("%q: %+v", field, answer)
		}
	}
}
