package authrequest

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// A token that ends while the question is under way is not let through.
func TestATokenThatEndsInFlightIsRejected(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		left time.Duration
		want outcome
	}{{time.Second, accepted}, {0, rejected}, {-time.Second, rejected}} {
		a := client.Accepted{Level: client.LevelClaims, Subject: "u", TTL: time.Minute, Expires: now.Add(test.left), JSON: []byte(`{}`)}
		f := judge(a, &requirement{level: client.LevelClaims}, everything(), now, now)
		if f.outcome != test.want || f.outcome == rejected && f.reason != string(protocol.ReasonExpired) || f.reuse > max(test.left, 0) {
			t.Errorf("%s left: %+v", test.left, f)
		}
	}
	if f := judge(nil, new(requirement), everything(), now, now); f.outcome != unknown {
		t.Errorf("no answer: %+v", f)
	}
	low := client.Accepted{Level: client.LevelClaims, Subject: "u", Expires: now.Add(time.Hour), JSON: []byte(`{}`)}
	if f := judge(low, &requirement{level: client.LevelProfile}, everything(), now, now); f.outcome != unknown {
		t.Errorf("less than was asked: %+v", f)
	}
}
