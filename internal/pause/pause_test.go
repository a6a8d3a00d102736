package pause

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestAPauseEndsWithItsTimeOrItsContext, whichever comes first.
func TestAPauseEndsWithItsTimeOrItsContext(t *testing.T) {
	for name, c := range map[string]struct {
		pause, context, took time.Duration
		whole                bool
	}{
		"its time":           {time.Second, time.Minute, time.Second, true},
		"its context":        {time.Minute, time.Second, time.Second, false},
		"no time":            {0, time.Minute, 0, true},
		"a time in the past": {-time.Second, time.Minute, 0, true},
		"an end before it":   {time.Second, 0, 0, false},
		"no time, too late":  {0, 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.context)
				defer cancel()
				began := time.Now()
				if whole := For(ctx, c.pause); whole != c.whole || time.Since(began) != c.took {
					t.Errorf("%v after %s", whole, time.Since(began))
				}
			})
		})
	}
}

// TestAPauseBetweenQuestionsGrows up to the longest, until there is an answer.
func TestAPauseBetweenQuestionsGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const first, longest = time.Second, 4 * time.Second
		var asked []time.Time
		Retry(t.Context(), first, longest, func() bool {
			asked = append(asked, time.Now())
			return len(asked) == 10
		})
		if len(asked) != 10 {
			t.Fatalf("asked %d times", len(asked))
		}
		before, after := asked[1].Sub(asked[0]), asked[9].Sub(asked[8])
		if before < first/2 || before > first*3/2 || after < longest/2 || after > longest*3/2 {
			t.Errorf("the first pause was %s, the last one %s", before, after)
		}
	})
}

// TestNobodyIsAskedAfterTheContext has ended.
func TestNobodyIsAskedAfterTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var last time.Time
		Retry(ctx, time.Second, 10*time.Second, func() bool {
			last = time.Now()
			return false
		})
		if end, _ := ctx.Deadline(); last.After(end) || !time.Now().Equal(end) {
			t.Errorf("asked at %s, returned at %s, the context ended at %s", last, time.Now(), end)
		}
	})
}
