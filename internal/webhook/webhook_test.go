package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fixtures are the deliveries that the sender's own code has signed.
type fixtures struct {
	User       string   `json:"user_id"`
	Secrets    []string `json:"secrets"`
	Deliveries []struct {
		Name, Expect string
		At           int64
		Headers      map[string]string
		Body         string
		Effect       map[string]string
	}
}

func load(t testing.TB) (f fixtures, secrets []Secret) {
	t.Helper()
	text, err := os.ReadFile("../../daemon/testdata/upstream/stack/webhooks.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &f); err != nil || len(f.Deliveries) < 40 {
		t.Fatalf("%d deliveries: %v", len(f.Deliveries), err)
	}
	for _, text := range f.Secrets {
		secrets = append(secrets, parsed(t, text))
	}
	return f, secrets
}

func parsed(t testing.TB, text string) Secret {
	t.Helper()
	secret, err := ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// judge takes a delivery through all steps, and names the step that refuses it.
func judge(h http.Header, body []byte, now time.Time, secrets []Secret) (e Event, refused string) {
	envelope, err := ReadEnvelope(h)
	switch {
	case err != nil:
		return e, "headers"
	case !envelope.Timely(now):
		return e, "time"
	case !envelope.Signed(secrets, body):
		return e, "signature"
	}
	if e, err = ParseEvent(body); err != nil {
		return e, "body"
	}
	return e, ""
}

func TestDeliveriesAreJudgedAsTheirFixturesSay(t *testing.T) {
	f, secrets := load(t)
	// The step that refuses each bad delivery. Without this, a header that is checked by accident could hide behind
	// another check.
	refusals := map[string]string{
		"wrong-secret": "signature", "body-changed": "signature", "signature-changed": "signature", "id-changed": "signature", "timestamp-changed": "signature",
		"old": "time", "early": "time", "very-old": "time", "milliseconds": "headers", "no-signature": "headers", "no-id": "headers", "no-timestamp": "headers",
		"signature-empty": "headers", "signature-bare": "signature", "signature-v2": "signature", "signature-v1a": "signature", "signature-truncated": "signature",
		"timestamp-text": "headers", "timestamp-tail": "headers", "dot-moved": "headers",
		"not-json": "body", "empty-body": "body", "array": "body", "no-type": "body", "no-data": "body", "no-id-inside": "body", "id-number": "body", "type-twice": "body",
	}
	for _, d := range f.Deliveries {
		h := http.Header{}
		for name, value := range d.Headers {
			h.Set(name, value)
		}
		event, refused := judge(h, []byte(d.Body), time.Unix(d.At, 0), secrets)
		if want := refusals[d.Name]; refused != want || d.Expect == "accept" && refused != "" || d.Expect == "reject" && refused == "" {
			t.Errorf("%s (%s): refused for %q, want %q", d.Name, d.Expect, refused, want)
		}
		if refused != "" {
			continue
		}
		if (d.Effect["revoke"] != "") != (event.Kind == UserDeleted) || (d.Effect["purge"] == "") != (event.Kind == Other) || d.Effect["purge"] != event.User {
			t.Errorf("%s: %+v, and its effect is %v", d.Name, event, d.Effect)
		}
	}
}

// sign signs without the library.
func sign(t testing.TB, secret Secret, id, at, body string) string {
	t.Helper()
	mac := hmac.New(sha256.New, secret.key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signed makes a delivery.
func signed(t testing.TB, secret Secret, id string, at time.Time, body string) http.Header {
	t.Helper()
	h := http.Header{}
	h.Set("svix-id", id)
	h.Set("svix-timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("svix-signature", sign(t, secret, id, strconv.FormatInt(at.Unix(), 10), body))
	return h
}

const plain = `{"type":"user.updated","data":{"id":"ada"}}`

func TestHeadersHaveOneReading(t *testing.T) {
	_, secrets := load(t)
	at := time.Unix(1780358400, 0)
	long := func(n int) string { return strings.Repeat("i", n) }
	resigned := func(id, stamp string) func(http.Header) {
		return func(h http.Header) {
			h.Set("svix-id", id)
			h.Set("svix-timestamp", stamp)
			// The library signs the number, not its text.
			h.Set("svix-signature", sign(t, secrets[0], id, "1780358400", plain))
		}
	}
	for name, c := range map[string]struct {
		change func(http.Header)
		want   string
	}{
		"as it comes":            {func(http.Header) {}, ""},
		"an id with a dot":       {resigned("msg_a.1", "1780358400"), ""},
		"a plus":                 {resigned("m", "+1780358400"), "headers"},
		"a zero before":          {resigned("m", "01780358400"), "headers"},
		"a blank before":         {resigned("m", " 1780358400"), "headers"},
		"an underscore":          {resigned("m", "1_780358400"), "headers"},
		"other digits":           {resigned("m", "１780358400"), "headers"},
		"hexadecimal":            {resigned("m", "0x6a1e3b80"), "headers"},
		"an exponent":            {resigned("m", "1780358400e0"), "headers"},
		"a negative time":        {resigned("m", "-1780358400"), "headers"},
		"a huge time":            {resigned("m", "9999999999999999999"), "headers"},
		"a far time":             {resigned("m", "999999999999"), "time"},
		"zero":                   {resigned("m", "0"), "headers"},
		"almost the longest id":  {resigned(long(MaxID-1), "1780358400"), ""},
		"the longest id":         {resigned(long(MaxID), "1780358400"), ""},
		"an id too long":         {resigned(long(MaxID+1), "1780358400"), "headers"},
		"an id with a blank":     {resigned("m m", "1780358400"), "headers"},
		"two ids":                {func(h http.Header) { h.Add("svix-id", "other") }, "headers"},
		"two equal ids":          {func(h http.Header) { h.Add("svix-id", h.Get("svix-id")) }, "headers"},
		"two times":              {func(h http.Header) { h.Add("svix-timestamp", "1780358400") }, "headers"},
		"two signature headers":  {func(h http.Header) { h.Add("svix-signature", h.Get("svix-signature")) }, "headers"},
		"the other names beside": {func(h http.Header) { h.Set("webhook-id", "x"); h.Set("webhook-signature", "v1,x") }, ""},
		"an id of the one, the rest of the other": {func(h http.Header) {
			for _, name := range []string{"timestamp", "signature"} {
				h.Set("webhook-"+name, h.Get("svix-"+name))
				h.Del("svix-" + name)
			}
		}, "headers"},
		"an empty id and the other names": {func(h http.Header) {
			for _, name := range []string{"id", "timestamp", "signature"} {
				h.Set("webhook-"+name, h.Get("svix-"+name))
			}
			h.Set("svix-id", "")
		}, "headers"},
		"more behind the signature": {func(h http.Header) { h.Set("svix-signature", h.Get("svix-signature")+",x") }, "signature"},
		"in URL's base64": {func(h http.Header) {
			h.Set("svix-signature", strings.NewReplacer("+", "-", "/", "_").Replace(h.Get("svix-signature"))+"=")
		}, "signature"},
		"in capitals": {func(h http.Header) { h.Set("svix-signature", "V1"+h.Get("svix-signature")[2:]) }, "signature"},
		"a good one of many": {func(h http.Header) {
			h.Set("svix-signature", strings.Repeat("v1,AAAA ", MaxSignatures-1)+h.Get("svix-signature"))
		}, ""},
		"a good one behind too many": {func(h http.Header) {
			h.Set("svix-signature", strings.Repeat("v1,AAAA ", MaxSignatures)+h.Get("svix-signature"))
		}, "signature"},
	} {
		h := signed(t, secrets[0], "msg_a", at, plain)
		c.change(h)
		if _, refused := judge(h, []byte(plain), at, secrets); refused != c.want {
			t.Errorf("%s: refused for %q, want %q", name, refused, c.want)
		}
	}
}

func TestTheTimeMayDifferByFiveMinutesEitherWay(t *testing.T) {
	_, secrets := load(t)
	now := time.Unix(1780358400, 0)
	for off, want := range map[time.Duration]string{
		Tolerance - time.Second: "", Tolerance: "", Tolerance + time.Second: "time",
		-Tolerance + time.Second: "", -Tolerance: "", -Tolerance - time.Second: "time",
	} {
		if _, refused := judge(signed(t, secrets[0], "msg_a", now.Add(off), plain), []byte(plain), now, secrets); refused != want {
			t.Errorf("%v away: refused for %q, want %q", off, refused, want)
		}
	}
}

func TestNoSecretSignsNothing(t *testing.T) {
	f, _ := load(t)
	h := signed(t, Secret{}, "msg_a", time.Unix(1780358400, 0), plain)
	e, err := ReadEnvelope(h)
	if err != nil {
		t.Fatal(err)
	}
	for name, secrets := range map[string][]Secret{"none": nil, "an empty one": {{}}, "an empty one first": {{}, parsed(t, f.Secrets[0])}} {
		if e.Signed(secrets, []byte(plain)) {
			t.Errorf("%s: everybody signs", name)
		}
	}
}

func TestASecretIsWholeAndLongEnough(t *testing.T) {
	text := func(n int) string {
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
	}
	for _, c := range []struct{ text, message string }{
		{text(MinSecret), ""}, {text(MinSecret + 1), ""}, {text(64), ""},
		{text(MinSecret - 1), "is of 23 bytes"}, {"whsec_", "is of 0 bytes"}, {"", "does not begin with whsec_"},
		{strings.TrimPrefix(text(24), "whsec_"), "does not begin with whsec_"}, {"whpk_" + text(32)[6:], "does not begin with whsec_"},
		{"WHSEC_" + text(24)[6:], "does not begin with whsec_"}, {" " + text(24), "does not begin with whsec_"},
		{text(24) + " ", "is not base64"}, {text(24) + "\r", "is not base64"}, {text(24) + "\n", "is not base64"}, {text(24)[:37], "is not base64"},
		{text(25)[:len(text(25))-2], "is not base64"}, {"whsec_" + strings.Repeat("-", 32), "is not base64"},
		{text(25)[:len(text(25))-3] + "l==", "is not base64"}, // unused bits
		{text(24) + text(24), "is not base64"},
	} {
		secret, err := ParseSecret(c.text)
		if c.message == "" && err != nil || c.message != "" && (err == nil || !strings.Contains(err.Error(), c.message)) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.message)
		}
		if err != nil && len(c.text) > 10 && strings.Contains(err.Error(), c.text[6:]) {
			t.Errorf("the error tells the secret: %v", err)
		}
		if said := fmt.Sprintf("%v %+v %#v %s %q", secret, secret, secret, secret, []Secret{secret}); strings.Contains(said, "107") || !strings.Contains(said, "redacted") {
			t.Errorf("it prints as %s", said)
		}
	}
}

func TestAnEventHasOneReading(t *testing.T) {
	deep := func(n int) string {
		return `{"type":"user.updated","data":{"id":"ada","m":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}}`
	}
	for body, want := range map[string]Event{
		plain: {UserUpdated, "ada"},
		` {"data":{"teams":[],"id":"\u0061da"},"more":1,"type":"user\u002edeleted"} `:    {UserDeleted, "ada"},
		`{"type":"user.created","data":{"id":"ada","user_id":"eve"}}`:                    {UserCreated, "ada"},
		`{"type":"team_membership.created","data":{"team_id":"t","user_id":"ada"}}`:      {TeamMembership, "ada"},
		`{"type":"team_membership.renamed","data":{"id":"eve","user_id":"ada"}}`:         {TeamMembership, "ada"},
		`{"type":"team_permission.deleted","data":{"id":"admin","user_id":"ada"}}`:       {TeamPermission, "ada"},
		`{"type":"project_permission.deleted","data":{"id":"admin","user_id":"ada"}}`:    {ProjectPermission, "ada"},
		`{"type":"user.updated","data":{"id":"` + strings.Repeat("u", MaxUser) + `"}}`:   {UserUpdated, strings.Repeat("u", MaxUser)},
		`{"type":"user.updated","data":{"id":"ada","m":{"ID":1}}}`:                       {UserUpdated, "ada"},
		`{"type":"team.updated","data":{"id":"ada"}}`:                                    {Kind: Other},
		`{"type":"user.merged","data":{"id":"ada"}}`:                                     {Kind: Other},
		`{"type":"User.Deleted","data":{"id":"ada"}}`:                                    {Kind: Other},
		`{"type":"user.deleted ","data":{"id":"ada"}}`:                                   {Kind: Other},
		`{"type":"team_membership","data":null}`:                                         {}, // names no user
		`{"type":"anything"}`:                                                            {Kind: Other},
		deep(maxDepth - 2):                                                               {UserUpdated, "ada"},
		deep(maxDepth - 1):                                                               {},
		`{"type":"user.deleted","type":"team.updated","data":{"id":"ada"}}`:              {},
		`{"type":"user.deleted","Type":"team.updated","data":{"id":"ada"}}`:              {},
		`{"type":"user.deleted","data":{"id":"ada"},"data":{"id":"eve"}}`:                {},
		`{"type":"user.deleted","data":{"id":"ada","id":"eve"}}`:                         {},
		`{"type":"user.deleted","data":{"id":"ada","m":{"a":1,"a":2}}}`:                  {},
		`{"type":"user.deleted","data":{"id":"ada"}}{}`:                                  {},
		`{"type":"user.deleted","data":{"id":"ada"}`:                                     {},
		`{"type":"user.deleted","data":["ada"]}`:                                         {},
		`{"type":"user.deleted","data":"ada"}`:                                           {},
		`{"type":"user.deleted","data":{"id":null}}`:                                     {},
		`{"type":"user.deleted","data":{"id":""}}`:                                       {},
		`{"type":"user.deleted","data":{"id":["ada"]}}`:                                  {},
		`{"type":"user.deleted","data":{"id":"a\nda"}}`:                                  {},
		`{"type":"user.deleted","data":{"id":"a\u0000da"}}`:                              {},
		`{"type":"user.deleted","data":{"id":"\ud800"}}`:                                 {},
		`{"type":"user.deleted","data":{"user_id":"ada"}}`:                               {},
		`{"type":"team_membership.deleted","data":{"id":"ada"}}`:                         {},
		`{"type":"user.updated","data":{"id":"` + strings.Repeat("u", MaxUser+1) + `"}}`: {},
		`{"type":["user.deleted"],"data":{"id":"ada"}}`:                                  {},
		"{\"type\":\"user.deleted\",\"data\":{\"id\":\"\xff\"}}":                         {},
		"\ufeff" + plain: {},
	} {
		event, err := ParseEvent([]byte(body))
		if event != want || (err == nil) != (want.Kind != "") || err != nil && !errors.Is(err, ErrBody) {
			t.Errorf("%.120s: %+v, %v; want %+v", body, event, err, want)
		}
	}
}

// FuzzParseEvent compares every accepted event with the result of another parser.
func FuzzParseEvent(f *testing.F) {
	all, _ := load(f)
	for _, d := range all.Deliveries {
		f.Add([]byte(d.Body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		event, err := ParseEvent(body)
		if err != nil {
			return
		}
		var read struct {
			Type string
			Data json.RawMessage
		}
		if err := json.Unmarshal(body, &read); err != nil {
			t.Fatalf("taken, and no JSON: %v", err)
		}
		if kindOf(read.Type) != event.Kind {
			t.Fatalf("read as %s, and it is %q", event.Kind, read.Type)
		}
		if event.Kind == Other {
			return
		}
		var data map[string]any
		reader := json.NewDecoder(bytes.NewReader(read.Data))
		reader.UseNumber() // there are numbers that no float64 can hold
		if err := reader.Decode(&data); err != nil || data[event.Kind.member()] != event.User {
			t.Fatalf("user %q, and the body says %v (%v)", event.User, data, err)
		}
	})
}
