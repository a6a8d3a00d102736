package upstream

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
)

// keyAnswer is an entry of stack/api-keys.json.
type keyAnswer struct {
	Name, Endpoint, Class, Outcome, Code, Body string
	APIKey                                     string `json:"api_key"`
	Status                                     int
	Headers                                    map[string]string
	Owner                                      string
	Malformed                                  bool
}

// TestAnswersAboutAPIKeysMeanWhatTheyMean plays the upstream's answers. Credentials that are no API keys are not sent.
func TestAnswersAboutAPIKeysMeanWhatTheyMean(t *testing.T) {
	f := load[struct {
		At      int64
		Paths   map[string]string
		Answers []keyAnswer
	}](t, "stack/api-keys.json")
	if len(f.Answers) < 40 {
		t.Fatalf("%d answers", len(f.Answers))
	}
	asked := 0
	for _, a := range f.Answers {
		t.Run(a.Name, func(t *testing.T) {
			k, ok := ParseAPIKey([]byte(a.APIKey))
			if !ok {
				if a.Outcome != "deny" {
					t.Errorf("%s is not read as a key", a.Name)
				}
				return
			}
			if a.Malformed {
				t.Fatal("its checksum is wrong, and it is read as a key")
			}
			if other := map[bool]string{true: "team", false: "user"}[k.Team]; other != a.Endpoint {
				return // this key is never sent to the endpoint of the other type
			}
			asked++
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != http.MethodPost || r.URL.Path != f.Paths[a.Endpoint] || string(body) != `{"api_key":"`+a.APIKey+`"}` ||
					r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Stack-Access-Token") != "" || r.Header.Get("X-Stack-Secret-Server-Key") != "ssk_key" {
					t.Errorf("asked %s %s %s %v", r.Method, r.URL.Path, body, r.Header)
				}
				for name, value := range a.Headers {
					w.Header().Set(name, value)
				}
				w.Header().Set("Date", time.Unix(f.At, 0).UTC().Format(http.TimeFormat))
				w.WriteHeader(a.Status)
				_, _ = w.Write([]byte(a.Body))
			})
			c, err := New(Config{BaseURL: server.URL, ProjectID: "p", ServerKey: NewSecret("ssk_key"), Now: func() time.Time { return time.Unix(f.At, 0) }})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			p, err := c.Profile(t.Context(), []byte(a.APIKey), "", fair.Asker{}, Interactive)
			var e *Error
			switch got := errors.As(err, &e); {
			case a.Outcome == "accept" && (err != nil || p.Subject == "" || p.Team != k.Team || !p.Expires.After(time.Unix(f.At-1, 0)) || p.Started.IsZero()):
				t.Errorf("%+v, %v", p, err)
			case a.Outcome == "accept":
			case a.Outcome == "deny" && (!got || e.Meaning != Denied):
				t.Errorf("%v, want a denial", err)
			case a.Outcome != "deny" && (!got || e.Meaning == Denied):
				t.Errorf("%v, want no verdict", err)
			case a.Class == "operator" && e.Meaning != Misconfigured, a.Class == "retry" && e.Meaning != Unavailable:
				t.Errorf("%v, want %s", err, a.Class)
			}
			if err != nil && bytes.Contains([]byte(err.Error()), []byte(a.APIKey)) {
				t.Error("the error repeats the key")
			}
		})
	}
	if asked < 35 {
		t.Errorf("asked %d times", asked)
	}
}

func TestAnythingButAWholeAPIKeyIsNone(t *testing.T) {
	const key = "sk_9aysekayw0y64xwz6faqkdx6pt82dzdnyy1n4m2r2pvk0a84b4fe3bc83483ba95c1022bb0d1e80user0574ck4u7h27c267ec"
	if _, ok := ParseAPIKey([]byte(key)); !ok {
		t.Fatal("a genuine key is not read")
	}
	for i := range key {
		changed := []byte(key)
		if changed[i]++; changed[i] == '{' {
			changed[i] = 'a'
		}
		if _, ok := ParseAPIKey(changed); ok {
			t.Errorf("character %d changed, and it is still a key", i)
		}
	}
	for _, text := range []string{"", key[1:], key + "0", key[:101], "pk" + key[2:]} {
		if _, ok := ParseAPIKey([]byte(text)); ok {
			t.Errorf("%q is a key", text)
		}
	}
}
