package soak_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// question is one lookup.
type question struct {
	tag      string // empty: no tag
	verb     string // VERIFY or PROFILE
	project  *project
	token    *token
	maxAge   int // seconds; below zero: not given
	fallback bool
	kept     bool // the answer may be from a client's own memory
	sent     time.Time
	run      int64 // of the daemon that was asked
}

// answer is the reply to a question.
type answer struct {
	line string
	came time.Time
	run  int64 // of the daemon when the answer came
}

// The kinds of wrong answers.
const (
	wrongAccept  = "wrong accept"
	wrongReject  = "wrong reject"
	wrongUnknown = "wrong unknown"
	mixedUp      = "mixed up"
	unreadable   = "unreadable"
)

// wrong is a wrong answer and why it is one.
type wrong struct{ kind, why string }

// late is how much older a busy machine may make something.
const late = 200 * time.Millisecond

// judge returns what is wrong with an answer; nil if it is one of the right
// ones. It does not know how the daemon works, only what is true and what the
// protocol promises.
func (w *model) judge(q *question, a *answer) *wrong {
	status, rest, _ := strings.Cut(a.line, " ")
	word, _, _ := strings.Cut(rest, " ")
	switch status {
	case "OK":
		return w.judgeOK(q, a)
	case "NO":
		if reasons := w.reasons(q, a); !slices.Contains(reasons, word) {
			return &wrong{wrongReject, fmt.Sprintf("of the reasons only %v are true", reasons)}
		}
		return nil
	case "ERR":
		return w.judgeERR(q, a, word)
	}
	return &wrong{unreadable, "it is none of OK, NO, ERR"}
}

// reasons returns the reasons for a rejection that may be true for the token.
func (w *model) reasons(q *question, a *answer) []string {
	t := q.token
	switch {
	case t.flaw == malformed:
		return []string{"malformed"}
	case t.project != q.project:
		return []string{"unknown-key", "wrong-algorithm"}
	case t.flaw == strange:
		return []string{"unknown-key"}
	}
	var all []string
	if k, _ := t.project.key(t.key); k.withdrawn.happened() && !k.withdrawn.from.After(a.came) {
		all = append(all, "unknown-key", "rejected-upstream")
	}
	if t.flaw == forged {
		return append(all, string(forged))
	}
	return append(all, w.reasonsOfSigned(q, a)...)
}

// reasonsOfSigned returns the reasons that may be true for a token with a good
// signature.
func (w *model) reasonsOfSigned(q *question, a *answer) (all []string) {
	t := q.token
	earliest, latest := w.wall(q.sent, a.came)
	if t.flaw != "" {
		all = append(all, string(t.flaw))
	}
	upstreams := q.verb == "PROFILE" && a.came.Unix() >= t.expires // by the upstream's clock
	if t.flaw != incomplete && (latest.Unix() >= t.expires || upstreams) {
		all = append(all, "expired")
	}
	if time.Unix(t.issued, 0).After(earliest.Add(leeway)) || q.verb == "PROFILE" && t.issued > q.sent.Unix() {
		all = append(all, "not-yet-valid")
	}
	if t.anonymous && ever(q.project.allow, false, q.sent, a.came) {
		all = append(all, "class-not-allowed")
	}
	if w.covered(t, q.sent, a.came).perhaps {
		all = append(all, "revoked")
	}
	if q.verb == "PROFILE" {
		all = append(all, w.denials(q, a)...)
	}
	return all
}

// denials returns the reasons that only the upstream can give. The daemon
// remembers them for 15 seconds, unless it is asked for a live check.
func (w *model) denials(q *question, a *answer) (all []string) {
	from := q.sent.Add(-17 * time.Second)
	if q.maxAge == 0 {
		from = q.sent.Add(-late)
	}
	if u := q.project.up.userOf(q.token.subject); u != nil && ever(u.there, false, from, a.came) {
		all = append(all, "user-not-found")
	}
	if ever(q.project.up.denies, true, from, a.came) {
		all = append(all, "rejected-upstream")
	}
	return all
}

// judgeERR judges an ERR. Whatever the upstream does, the daemon must judge a
// good token if it has received the token's key.
func (w *model) judgeERR(q *question, a *answer, code string) *wrong {
	switch code {
	case "busy", "deadline":
		return nil
	case "unavailable", "keys-pending", "misconfigured":
	default:
		return &wrong{wrongUnknown, "the question was well formed"}
	}
	t := q.token
	if t.flaw == malformed {
		return &wrong{wrongUnknown, "that it is no token needs no upstream"}
	}
	k, known := q.project.key(t.key)
	sure := known && q.verb == "VERIFY" && q.run == a.run && t.project == q.project && t.flaw == "" &&
		!k.withdrawn.happened() && k.shown.run == q.run && !k.shown.enough.IsZero() && q.sent.Sub(k.shown.enough) > time.Second
	for _, offset := range w.offset.during(q.sent.Add(-3*time.Second), a.came) {
		sure = sure && offset.Abs() < 2*time.Hour // a key set is good for a day
	}
	if sure {
		return &wrong{wrongUnknown, "the daemon has been handed the key " + q.sent.Sub(k.shown.enough).String() + " before"}
	}
	return nil
}

// accepted is the content of an OK.
type accepted struct {
	level, project, sub, source string
	age, ttl, exp               int64
	body                        string
}

// readOK reads an OK, and reports whether it has everything that the protocol
// promises.
func readOK(line string) (r accepted, ok bool) {
	head, body, found := strings.Cut(line, " {")
	fields := map[string]string{}
	for _, word := range strings.Fields(head)[1:] {
		name, value, _ := strings.Cut(word, "=")
		fields[name] = value
	}
	r = accepted{level: fields["level"], project: fields["project"], sub: fields["sub"], source: fields["source"], body: "{" + body}
	ok = found && r.sub != ""
	for name, to := range map[string]*int64{"age": &r.age, "ttl": &r.ttl, "exp": &r.exp} {
		n, err := strconv.ParseInt(fields[name], 10, 64)
		*to, ok = n, ok && err == nil && n >= 0
	}
	return r, ok
}

// judgeOK judges an OK. An acceptance is right if, at some instant between
// question and answer, nothing contradicted it.
func (w *model) judgeOK(q *question, a *answer) *wrong {
	r, ok := readOK(a.line)
	if !ok {
		return &wrong{unreadable, "a field is missing"}
	}
	t := q.token
	switch {
	case t.flaw != "":
		return &wrong{wrongAccept, "the token is flawed: " + string(t.flaw)}
	case t.project != q.project:
		return &wrong{wrongAccept, "it is a token of project " + t.project.name}
	case r.project != q.project.name || r.sub != t.subject || r.exp != t.expires:
		return &wrong{mixedUp, fmt.Sprintf("the token is of project %s, subject %s, exp %d", t.project.name, t.subject, t.expires)}
	case r.level != "claims" && (r.level != "profile" || q.verb != "PROFILE"), r.level == "claims" && q.verb == "PROFILE" && !q.fallback:
		return &wrong{wrongAccept, "that level was not asked for"}
	case !slices.Contains([]string{"upstream", "cache", "stale"}, r.source):
		return &wrong{unreadable, "there is no such source"}
	}
	if found := w.judgeToken(q, a, &r); found != nil {
		return found
	}
	if r.level == "profile" {
		return w.judgeProfile(q, a, &r)
	}
	var claims struct{ JTI string }
	if err := json.Unmarshal([]byte(r.body), &claims); err != nil || claims.JTI != t.id {
		return &wrong{mixedUp, "the claims are another token's"}
	}
	return nil
}

// judgeToken checks that nothing about the token itself contradicts an
// acceptance.
func (w *model) judgeToken(q *question, a *answer, r *accepted) *wrong {
	t := q.token
	earliest, _ := w.wall(q.sent, a.came)
	_, latest := w.wall(t.minted, a.came) // a token that was valid once stays valid if the clock is set back
	k, _ := t.project.key(t.key)
	if q.kept && earliest.After(q.sent) { // a client uses its own clock, which is never stepped
		earliest = q.sent.Round(0)
	}
	switch {
	case earliest.Unix() >= t.expires:
		return &wrong{wrongAccept, fmt.Sprintf("it had expired %s before the question", earliest.Sub(time.Unix(t.expires, 0)))}
	case time.Unix(t.issued, 0).After(latest.Add(leeway)):
		return &wrong{wrongAccept, "it has never been valid"}
	case t.anonymous && !ever(q.project.allow, true, q.sent, a.came):
		return &wrong{wrongAccept, "anonymous users are not admitted"}
	case w.covered(t, q.sent, a.came).surely:
		return &wrong{wrongAccept, "it is revoked"}
	case !k.missing.enough.IsZero() && q.sent.Sub(k.missing.enough) > time.Second:
		return &wrong{wrongAccept, "its key was withdrawn, and the daemon has been handed the newer key set"}
	case k.withdrawn.happened() && r.level == "claims" && r.source != "stale" && !q.kept && q.sent.Sub(k.withdrawn.by) > keysFresh+late:
		return &wrong{wrongAccept, fmt.Sprintf("its key was withdrawn %s before the question, and nothing says that the key set is stale", q.sent.Sub(k.withdrawn.by))}
	case r.ttl > 60, !q.kept && float64(r.ttl) > max(0, time.Unix(t.expires, 0).Sub(earliest).Seconds()):
		return &wrong{wrongAccept, "it may be reused past its end"}
	}
	return nil
}

// judgeProfile checks that the profile is the user's at this project's
// upstream, and as old as the answer says.
func (w *model) judgeProfile(q *question, a *answer, r *accepted) *wrong {
	var body struct {
		ID       string
		Metadata struct {
			At      string
			Version int
		} `json:"client_metadata"`
	}
	u := q.project.up.userOf(q.token.subject)
	if err := json.Unmarshal([]byte(r.body), &body); err != nil || q.project.preset != standin.Stack || u == nil || body.ID != u.id || body.Metadata.At != q.project.up.name {
		return &wrong{mixedUp, "the profile is another user's, or another project's"}
	}
	age := time.Duration(r.age) * time.Second
	switch {
	case q.maxAge >= 0 && age > time.Duration(q.maxAge)*time.Second+a.came.Sub(q.sent)+w.steps(q.sent, a.came): // it has become older on its way
		return &wrong{wrongAccept, "it is older than was asked for"}
	case r.source == "cache" && age >= profileFresh, age >= profileFresh+profileStale+w.steps(q.sent, a.came):
		return &wrong{wrongAccept, "it is too old for its source"}
	case time.Duration(r.ttl)*time.Second > max(0, profileFresh-age):
		return &wrong{wrongAccept, "it may be reused past its fresh time"}
	}
	from := q.sent.Add(-age - time.Second - late)
	if q.kept { // the age was rounded down twice
		from = from.Add(-time.Second)
	}
	if q.maxAge == 0 {
		from = q.sent // a live check
	}
	switch {
	case !ever(u.there, true, from, a.came):
		return &wrong{wrongAccept, "the user was deleted before the profile was asked for"}
	case !ever(u.version, body.Metadata.Version, from, a.came):
		return &wrong{wrongAccept, "the profile is older than its age says"}
	}
	return nil
}
