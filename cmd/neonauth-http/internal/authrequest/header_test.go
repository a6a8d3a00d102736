package authrequest

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

func everything() *selection {
	s := &selection{recent: newRecent()}
	for i := range s.fields {
		s.fields[i] = true
	}
	return s
}

func FuzzHeaderValuesAreHarmlessAndComeBack(f *testing.F) {
	for _, name := range e2e.HostileNames() {
		f.Add(name)
	}
	f.Add(strings.Repeat("é", 3000))
	all := everything()
	f.Fuzz(func(t *testing.T, text string) {
		value := encode(text)
		if strings.ContainsFunc(value, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
			t.Errorf("%q becomes %q", text, value)
		}
		if back, err := url.PathUnescape(value); len(value) <= maxIdentity && (err != nil || back != text) {
			t.Errorf("%q comes back as %q: %v", text, back, err)
		}
		u := client.User{ID: text, Email: text, Name: text, TeamID: text, SessionID: text}
		id, err := newPrincipal(&client.Accepted{Subject: text, JSON: []byte(`{}`)}, u, all).identityOf(time.Minute, all)
		size := 0
		for i, name := range fieldNames() {
			size += len(name) + len(id[i]) + 4
		}
		if size > maxIdentity || err != nil && id != (identity{}) {
			t.Errorf("%d bytes of headers, and %v", size, err)
		}
	})
}

func TestClaimsHeaderHoldsWhatIsChosenAndFits(t *testing.T) {
	t.Parallel()
	object := `{"sub":"u","role":"admin","meta":{"plan":"pro"},"n\u0061me":"Ada"}`
	for _, test := range []struct {
		name string
		only []string
		room int
		want map[string]any
	}{
		{name: "all", room: 1000, want: map[string]any{"sub": "u", "role": "admin", "meta": map[string]any{"plan": "pro"}, "name": "Ada"}},
		{name: "chosen", only: []string{"meta", "name"}, room: 1000, want: map[string]any{"meta": map[string]any{"plan": "pro"}, "name": "Ada"}},
		{name: "none of them", only: []string{}, room: 1000, want: map[string]any{}},
		{name: "no room", room: 20},
	} {
		value := claimsValue([]byte(object), test.only, test.room)
		if test.want == nil {
			if value != "" {
				t.Errorf("%s: %q", test.name, value)
			}
			continue
		}
		if got := claimsOf(t, value); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestTheAgeCountsForTheBound: the claims are left out exactly if they do not fit beside the
// age, however often their principal was there before.
func TestTheAgeCountsForTheBound(t *testing.T) {
	t.Parallel()
	all := everything()
	left := map[bool]int{}
	for size := 1000; size < 1300; size++ {
		a := acceptedOf("u", size)
		for _, age := range []time.Duration{0, 10 * time.Second, 1000 * time.Second} {
			id, err := all.principal(&a).identityOf(age, all)
			bytes := 0
			for i, name := range fieldNames() {
				bytes += len(name) + len(id[i]) + 4
			}
			full := bytes - len(id[fieldClaims]) + base64.RawURLEncoding.EncodedLen(size)
			if out := id[fieldClaims] == ""; err != nil || bytes > maxIdentity || out != (full > maxIdentity) {
				t.Fatalf("JSON of %d bytes, age %s: %d bytes, left out %t, %v", size, age, bytes, out, err)
			}
			left[id[fieldClaims] == ""]++
		}
	}
	if len(left) != 2 {
		t.Errorf("only one kind: %v", left)
	}
}

// TestANameThatDoesNotFitIsLeftOut, so that its user comes in. The claims have the room of the
// name then.
func TestANameThatDoesNotFitIsLeftOut(t *testing.T) {
	t.Parallel()
	all := everything()
	long := strings.Repeat("語", 256) // the longest name of preset stack, 2304 bytes when it is encoded
	for _, test := range []struct {
		name         string
		user         client.User
		named, comes bool
	}{
		{"a long name", client.User{ID: "u", Email: "ada@example.org", Name: long}, true, true},
		{"beside a long address", client.User{ID: "u", Email: strings.Repeat("é", 102) + "@example.org", Name: long}, false, true},
		{"a name of any length", client.User{ID: "u", Email: "ada@example.org", Name: strings.Repeat(long, 100)}, false, true},
		{"an address of any length", client.User{ID: "u", Email: strings.Repeat(long, 100), Name: long}, false, false},
		{"an id of any length", client.User{ID: strings.Repeat("u", maxIdentity)}, false, false},
	} {
		claims := `{"name":"` + long + `"}`
		id, err := newPrincipal(&client.Accepted{Subject: "u", JSON: []byte(claims)}, test.user, all).identityOf(time.Minute, all)
		if (err == nil) != test.comes || (id[fieldName] != "") != test.named {
			t.Errorf("%s: %v, the name is %.20q", test.name, err, id[fieldName])
		}
		if test.comes && (id[fieldEmail] != encode(test.user.Email) || (id[fieldClaims] == "") != test.named) {
			t.Errorf("%s: the address is %.20q, and the claims are %.20q", test.name, id[fieldEmail], id[fieldClaims])
		}
	}
}

// TestAUserWhoIsRefusedForTheHeadersIsLogged, with what helps, and is not told to get more scopes.
func TestAUserWhoIsRefusedForTheHeadersIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	set, err := new(file).settings()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 2000)
	asks := fakeDaemon("OK level=claims project=main sub=" + long + ` age=3 ttl=57 exp=4000000000 source=cache {"email":"` + long + `"}` + "\n")
	s := New("dev", asks, set, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
	for query, want := range map[string]string{"": reasonTooLarge, "require=clean-headers": reasonTooLarge, "require=scope:x": "insufficient-scope"} {
		r := httptest.NewRequest(http.MethodGet, "/nginx?"+query, http.NoBody)
		r.Header.Set("Authorization", "Bearer asked.a.b")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		scope := strings.Contains(w.Header().Get("WWW-Authenticate"), "insufficient_scope")
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), want) || scope != (want != reasonTooLarge) {
			t.Errorf("%s: %d %v %s", query, w.Code, w.Header(), w.Body)
		}
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "set fields in the configuration file") || strings.Contains(text, "xxx") {
		t.Errorf("the log: %.400s", text)
	}
}

func TestHeadersOfAVisitorThatCouldBeTakenForOurs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"X-Auth-": true, "X-Auth-User-Id": true, "X_Auth_User_Id": true, "X-Auth_user-Id": true, "x-auTH-Roles": true,
		"X-Auth": false, "X-Aut": false, "X-Author": false, "X.Auth.User.Id": true, "X-Auth.User-Id": true, "x~Auth~User": true, "X'Auth'User": true, "X|auth+": true,
		"XAuth-User": false, "X--Auth-User": false, "X0Auth-User": false, "X-Auth0-User": false, "X-Own-X-Auth-": false, "X-Auth-Token": false, "": false,
	} {
		if got := namesItself(http.Header{name: {"v"}}, "Authorization, X-Auth-Token"); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}
