package daemon

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/introspect"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// reloaded is a daemon whose only table is replaced by reloads, one after the other, always under the same name.
type reloaded struct {
	*liveDaemon
	other  *standin.Standin     // has the same users with other names
	head   string               // the beginning of the configuration
	tables map[string]string    // tables, by what is special about them
	asked  map[string][2]string // the questions and their tokens
	puts   int                  // number of configurations that were written
}

func newReloaded(t *testing.T) *reloaded {
	w := &reloaded{liveDaemon: newLiveDaemon(t, nil), asked: map[string][2]string{}}
	w.halt()
	one := w.upstream
	w.other = standin.New(standin.Options{Now: w.clock.Right, TokenLifetime: time.Hour, ProjectID: one.ProjectID()})
	server := httptest.NewServer(w.other)
	t.Cleanup(server.Close)
	w.other.SetBaseURL(server.URL)
	w.other.AddUser(standin.User{ID: w.user.ID, Name: "Not Ada", Email: "other@example.org", EmailVerified: true})
	get(w.other, w.other.KeysURL(standin.OIDC))
	one.AddClient(introspect.Client{ID: "checker", Secret: checkerSecret, Resources: []string{one.Resource(), "standin"}})
	w.write("other-key", w.other.ServerKey())
	w.write("checker-secret", checkerSecret)

	w.head = fmt.Sprintf("socket = %q\nadmin_socket = %q\nstate_dir = %q\n", w.socket(), w.adminSocket(), filepath.Join(w.dir, "state"))
	table := func(s *standin.Standin, p standin.Preset, key string, lines ...string) string {
		text := strings.Replace(strings.TrimSpace(s.ConfigBlock(p, key)), fmt.Sprintf("name = %q", p), `name = "main"`, 1)
		return text + "\n" + strings.Join(lines, "\n") + "\n"
	}
	stack, oidc := table(one, standin.Stack, "./server-key"), table(one, standin.OIDC, "")
	w.tables = map[string]string{
		"stack":                   stack,
		"stack, anonymous":        stack + `allow = ["anonymous"]`,
		"stack, restricted":       stack + `allow = ["restricted"]`,
		"stack, other upstream":   table(w.other, standin.Stack, "./other-key"),
		"stack, other keys":       stack + fmt.Sprintf("jwks_url = %q", w.other.KeysURL(standin.Stack)),
		"stack, other issuer":     stack + `issuers = ["https://elsewhere.example"]`,
		"stack, other project":    strings.Replace(stack, one.ProjectID(), "11111111-1111-4111-8111-111111111111", 1) + fmt.Sprintf("jwks_url = %q", one.KeysURL(standin.Stack)),
		"stack, other server key": table(one, standin.Stack, "./other-key"),
		"neon":                    table(one, standin.Neon, ""),
		"neon, other upstream":    table(w.other, standin.Neon, ""),
		"oidc":                    oidc,
		"oidc, other upstream":    table(w.other, standin.OIDC, ""),
		"oidc, other audience":    strings.Replace(oidc, `"standin"`, `"elsewhere"`, 1),
		"oidc, by client":         oidc + `audience_claim = "azp"`,
		"oidc, other userinfo":    oidc + fmt.Sprintf("userinfo_url = %q", w.other.ServiceURL(standin.OIDC)+"/userinfo"),
		"oidc, introspection":     oidc + "[project.introspection]\nclient_id = \"checker\"\nsecret = \"./checker-secret\"",
		"oidc, a resource":        strings.Replace(oidc, "audiences = ", fmt.Sprintf("resources = [%q]\n#", one.Resource()), 1),
	}

	session, err := one.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	ada := standin.TokenSpec{Subject: w.user.ID}
	for name, token := range map[string]string{
		"of Stack":          one.StackToken(ada),
		"anonymous":         one.StackToken(standin.TokenSpec{Subject: w.user.ID, Class: stackauth.ClassAnonymous}),
		"restricted":        one.StackToken(standin.TokenSpec{Subject: w.user.ID, Class: stackauth.ClassRestricted}),
		"of the other's":    w.other.StackToken(ada),
		"of Neon":           one.NeonToken(ada),
		"a session":         session.NeonCookie,
		"of OIDC":           one.OIDCToken(ada),
		"of the other OIDC": w.other.OIDCToken(ada),
		"for a resource":    one.ResourceToken(standin.OIDC, ada),
	} {
		w.asked["VERIFY "+name] = [2]string{"VERIFY ", token}
		w.asked["PROFILE "+name] = [2]string{"PROFILE ", token}
		w.asked["PROFILE fallback "+name] = [2]string{"PROFILE fallback=claims ", token}
	}
	return w
}

// put writes the configuration with a table, which is always a little different from the one before.
func (w *reloaded) put(table string) {
	w.puts++
	leeway := fmt.Sprintf("leeway = \"%dms\"\nname = ", 5000+w.puts)
	w.write("neonauthd.toml", w.head+strings.Replace(w.tables[table], "name = ", leeway, 1))
}

// answers asks all questions.
func (w *reloaded) answers(fields string) map[string]string {
	k, all := w.dial(), map[string]string{}
	defer func() { _ = k.Conn.Close() }()
	for name, question := range w.asked {
		all[name] = k.Ask("%s%s%s", question[0], fields, question[1])
	}
	return all
}

// cold returns the answers of a daemon that has never had another table.
func (w *reloaded) cold(table string) map[string]string {
	w.put(table)
	if err := os.RemoveAll(filepath.Join(w.dir, "state")); err != nil {
		w.t.Fatal(err)
	}
	loaded, err := config.Load(filepath.Join(w.dir, "neonauthd.toml"))
	if err != nil {
		w.t.Fatalf("%s: %v", table, err)
	}
	w.config = loaded
	w.startTelling(nil)
	e2e.Until(w.t, "the project has keys", func() bool { return strings.HasPrefix(w.daemon.status(), "1 of 1 ") })
	defer w.halt()
	return w.answers("")
}

// said returns what a reply accepts and for whom; "" if it accepts nothing. For a profile it tells which upstream it is
// from.
func said(reply string) string {
	if !strings.HasPrefix(reply, "OK ") {
		return ""
	}
	is := e2e.Field(reply, "level") + " " + e2e.Field(reply, "sub") + " "
	if e2e.Field(reply, "level") == "profile" {
		return is + strconv.FormatBool(strings.Contains(reply, `"Not Ada"`))
	}
	return is + reply[strings.IndexByte(reply, '{'):]
}

// TestAfterAReloadNothingIsAnsweredThatTheNewTableWouldNot compares each table, after each other one, with a daemon
// that knows only this table. It does so while the upstreams answer, and while they fail, when remembered answers show.
func TestAfterAReloadNothingIsAnsweredThatTheNewTableWouldNot(t *testing.T) {
	w := newReloaded(t)
	right, accepted := map[string]map[string]string{}, 0
	for table := range w.tables {
		right[table] = w.cold(table)
		for _, reply := range right[table] {
			if said(reply) != "" {
				accepted++
			}
		}
	}
	if accepted < 2*len(w.tables) {
		t.Fatalf("only %d answers are accepted at all: %v", accepted, right)
	}
	judge := func(before, now string, fail bool, all map[string]string) {
		for name, reply := range all {
			want, claims := right[now][name], right[now][strings.Replace(name, "PROFILE fallback", "VERIFY", 1)]
			got := said(reply)
			switch {
			case got != "" && got != said(want) && !(fail && got == said(claims)),
				strings.HasPrefix(reply, "NO ") && said(want) != "",
				!fail && got != said(want):
				t.Errorf("%q after %q, upstreams fail: %v: %s is %.200s, want %.200s", now, before, fail, name, reply, want)
			}
		}
	}
	w.startTelling(nil)
	last := "nothing"
	for before := range w.tables {
		for now := range w.tables {
			w.reload(before, false)
			judge(last, before, false, w.answers(""))
			w.reload(now, true)
			judge(before, now, true, w.answers("deadline=5 "))
			last = now
		}
	}
}

// reload puts a table in force. It waits for the table's keys, unless fail says that the upstreams fail from now on.
func (w *reloaded) reload(table string, fail bool) {
	for _, s := range []*standin.Standin{w.upstream, w.other} {
		s.ClearAll()
		if fail {
			s.Inject(standin.Any, standin.Fault{Kind: standin.Status, Status: 503})
		}
	}
	w.put(table)
	w.clock.advance(2 * time.Second) // so that the allowance of sessions has room again, and the pause after a failed fetch of keys is over
	k := w.dialAdmin()
	defer func() { _ = k.Conn.Close() }()
	if reply := k.Ask("RELOAD"); reply != "OK" {
		w.t.Fatal(reply)
	}
	if !fail {
		e2e.Until(w.t, "the project has keys", func() bool { return strings.HasPrefix(w.daemon.status(), "1 of 1 ") })
	}
}
