package upstream

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

// timed is a kind of answer that names an instant: from then on, or until then, the answer is a no.
type timed struct {
	config Config
	body   func(instant time.Time) string
	ask    func(c *Client, instant time.Time) error
	reason protocol.Reason
	until  bool // it is a no until the instant
	strict bool // a yes can be doubtful too
}

func (k *timed) denies(now, instant time.Time) bool { return now.Before(instant) == k.until }

func timedAnswers(now time.Time) map[string]timed {
	const key = "sk_9aysekayw0y64xwz6faqkdx6pt82dzdnyy1n4m2r2pvk0a84b4fe3bc83483ba95c1022bb0d1e80user0574ck4u7h27c267ec"
	profile := func(credential string) func(*Client, time.Time) error {
		return func(c *Client, _ time.Time) error {
			_, err := c.Profile(context.Background(), []byte(credential), "", fair.Asker{}, Interactive)
			return err
		}
	}
	session := func(end time.Time, user string) string {
		return fmt.Sprintf(`{"session":{"userId":"u1","expiresAt":%q},"user":{"id":"u1"%s}}`, end.Format(time.RFC3339), user)
	}
	introspection := func(k timed) timed {
		k.config, k.body = introspectingConfig(60), func(time.Time) string { return `{"active":true}` }
		k.ask = func(c *Client, instant time.Time) error {
			_, err := c.Introspect(context.Background(), []byte("t"), func(_ []byte, at time.Time) (protocol.Outcome, string) {
				if k.denies(at, instant) {
					return protocol.Rejected(k.reason), ""
				}
				return protocol.Accepted(), ""
			}, fair.Asker{}, Interactive)
			return err
		}
		return k
	}
	return map[string]timed{
		"session": {
			config: neonConfig("https://auth.example/neondb/auth"), ask: profile(neonSession), reason: protocol.ReasonExpired,
			body: func(end time.Time) string { return session(end, "") },
		},
		"ban": {
			config: neonConfig("https://auth.example/neondb/auth"), ask: profile(neonSession), reason: protocol.ReasonClassNotAllowed, until: true, strict: true,
			body: func(end time.Time) string {
				return session(now.AddDate(1000, 0, 0), fmt.Sprintf(`,"banned":true,"banExpires":%q`, end.Format(time.RFC3339)))
			},
		},
		"API key": {
			config: Config{BaseURL: "https://api.example", ProjectID: "p", ServerKey: NewSecret("ssk_key")}, ask: profile(key), reason: protocol.ReasonExpired,
			body: func(end time.Time) string {
				return fmt.Sprintf(`{"id":"%s","type":"user","user_id":"u1","value":{"last_four":"%s"},"expires_at_millis":%d}`, key[48:80], key[len(key)-4:], end.UnixMilli())
			},
		},
		"introspection, exp": introspection(timed{reason: protocol.ReasonExpired}),
		"introspection, iat": introspection(timed{reason: protocol.ReasonNotYetValid, until: true}),
	}
}

// TestADateIsNoVerdict: an instant in an answer is judged by this host's clock. Anybody on the way can write the
// answer's Date, so it never makes a no out of a yes; a no that it contradicts is unknown.
func TestADateIsNoVerdict(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	const near, far = clock.Tolerance - time.Second, 100 * 8760 * time.Hour
	for name, k := range timedAnswers(now) {
		for _, instant := range []time.Duration{-time.Minute, -near / 2, near / 2, time.Minute} {
			for date, off := range map[string]time.Duration{"no": 0, "right": 0, "a bit ahead": near, "a bit behind": -near, "ahead": time.Hour, "behind": -time.Hour, "far ahead": far, "far behind": -far} {
				at := now.Add(instant)
				header := map[string]string{"Content-Type": "application/json"}
				if date != "no" {
					header["Date"] = now.Add(off).Format(http.TimeFormat)
				}
				k.config.Now = func() time.Time { return now }
				c := inMemory(t, k.config, func(*http.Request) (*http.Response, error) { return response(200, header, k.body(at)), nil })
				meaning, no := Answered, k.denies(now, at)
				switch doubtful := off.Abs() > clock.Tolerance && k.denies(now.Add(off), at) != no; {
				case doubtful && (no || k.strict):
					meaning = Unavailable
				case no:
					meaning = Denied
				}
				t.Run(fmt.Sprintf("%s %s, %s Date", name, instant, date), func(t *testing.T) {
					err := k.ask(c, at)
					if meaning == Answered {
						if err != nil {
							t.Error(err)
						}
						return
					}
					if e := failure(t, err); e.Meaning != meaning || meaning == Denied && (e.Denial != k.reason || e.OwnClock != (date == "no")) {
						t.Errorf("%v, by this host's clock alone: %t; want %s", err, e.OwnClock, meaning)
					}
				})
			}
		}
	}
}

// TestWhatHasNoEndEndsADayAfterItWasAsked, by this host's clock.
func TestWhatHasNoEndEndsADayAfterItWasAsked(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	k := timedAnswers(now)["API key"]
	k.config.Now = func() time.Time { return now }
	const key = "sk_9aysekayw0y64xwz6faqkdx6pt82dzdnyy1n4m2r2pvk0a84b4fe3bc83483ba95c1022bb0d1e80user0574ck4u7h27c267ec"
	c := inMemory(t, k.config, func(*http.Request) (*http.Response, error) {
		header := map[string]string{"Content-Type": "application/json", "Date": now.AddDate(100, 0, 0).Format(http.TimeFormat)}
		return response(200, header, `{"id":"`+key[48:80]+`","type":"user","user_id":"u1","value":{"last_four":"67ec"}}`), nil
	})
	p, err := c.Profile(t.Context(), []byte(key), "", fair.Asker{}, Interactive)
	if err != nil || !p.Expires.Equal(now.Add(24*time.Hour)) { // a day, as protocol.md says
		t.Errorf("%s, %v", p.Expires, err)
	}
}
