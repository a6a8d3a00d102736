package leases_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// change is a revocation, or the end of one. It begins before the daemon is first asked, and ends when the daemon has
// said that it is in force.
type change struct {
	token  int
	revoke bool
	span
}

// The kinds of operations in a history. A change is two operations: while it is in progress, a lookup may be accepted
// or rejected.
const (
	begins = iota
	revoked
	unrevoked
	accepted
	rejected
)

type operation struct{ token, kind int }

// The states of a token.
const (
	in = iota
	changing
	out
)

// promise is the model of one token.
var promise = porcupine.Model{
	Init: func() any { return in },
	Step: func(state, input, _ any) (bool, any) {
		switch input.(operation).kind {
		case begins:
			return state != changing, changing
		case revoked:
			return state == changing, out
		case unrevoked:
			return state == changing, in
		case accepted:
			return state != out, state
		default:
			return state != in, state
		}
	},
	Partition: byToken,
}

func byToken(history []porcupine.Operation) [][]porcupine.Operation {
	tokens := map[int][]porcupine.Operation{}
	for _, o := range history {
		token := o.Input.(operation).token
		tokens[token] = append(tokens[token], o)
	}
	var parts [][]porcupine.Operation
	for _, part := range tokens {
		parts = append(parts, part)
	}
	return parts
}

// operationsOf makes operations from the changes and from the runs of each caller.
func operationsOf(changes []change, callers [][]run) (history []porcupine.Operation) {
	add := func(caller, token, kind int, s span) {
		history = append(history, porcupine.Operation{ClientId: caller, Input: operation{token, kind}, Call: s.begin, Return: s.end})
	}
	for _, c := range changes {
		kind := unrevoked
		if c.revoke {
			kind = revoked
		}
		add(0, c.token, begins, span{c.begin - 1, c.begin})
		add(0, c.token, kind, span{c.end, c.end + 1})
	}
	for n, caller := range callers {
		for _, r := range caller {
			kind := rejected
			if r.outcome == "accepted" {
				kind = accepted
			} else if r.outcome != "revoked" {
				continue
			}
			add(n+1, r.token, kind, r.first)
			if r.count > 1 {
				add(n+1, r.token, kind, r.last)
			}
		}
	}
	return history
}

// tooLate describes the lookups that were accepted although they began after a revocation had returned.
func tooLate(changes []change, runs []run) (all []string) {
	for i, c := range changes {
		if !c.revoke {
			continue
		}
		until := int64(1<<63 - 1)
		for _, next := range changes[i+1:] {
			if next.token == c.token {
				until = next.begin
				break
			}
		}
		for _, r := range runs {
			for _, s := range []span{r.first, r.last} {
				if r.token == c.token && r.outcome == "accepted" && s.begin > c.end && s.end < until {
					all = append(all, fmt.Sprintf("token %d was accepted by a lookup that began %s after REVOKE had returned and took %s; REVOKE took %s",
						r.token, time.Duration(s.begin-c.end), time.Duration(s.end-s.begin), time.Duration(c.end-c.begin)))
				}
			}
		}
	}
	return all
}

// judgeTimeout bounds the search for an order. If there is an order, it is found in seconds, or in a minute under the
// race detector. If there is none, the search may never end.
const judgeTimeout = 5 * time.Minute

// judge fails the test unless the promise was kept.
func judge(t *testing.T, changes []change, callers map[string][]run) {
	t.Helper()
	var all [][]run
	for name, runs := range callers {
		for n, fault := range tooLate(changes, runs) {
			if n < 5 {
				t.Errorf("%s: %s", name, fault)
			}
		}
		all = append(all, runs)
	}
	if t.Failed() {
		return
	}
	if result := porcupine.CheckOperationsTimeout(promise, operationsOf(changes, all), judgeTimeout); result != porcupine.Ok {
		t.Errorf("the history is %s: nobody was accepted too late, but somebody was refused who was not revoked", result)
	}
}

// TestJudge tests judge with known histories.
func TestJudge(t *testing.T) {
	changes := []change{{0, true, span{100, 200}}, {0, false, span{400, 500}}, {0, true, span{800, 900}}}
	for name, c := range map[string]struct {
		outcome     string
		first, last span
		ok          bool
	}{
		"accepted before":                            {"accepted", span{10, 20}, span{30, 99}, true},
		"accepted while it is revoked":               {"accepted", span{10, 20}, span{150, 300}, true},
		"accepted, begun as the revocation returns":  {"accepted", span{10, 20}, span{200, 300}, true},
		"accepted, begun after that":                 {"accepted", span{10, 20}, span{202, 300}, false},
		"accepted, the first of a run":               {"accepted", span{202, 210}, span{402, 420}, false},
		"accepted, begun after that, and ended late": {"accepted", span{202, 410}, span{420, 430}, true},
		"accepted afterwards":                        {"accepted", span{600, 610}, span{700, 850}, true},
		"accepted when it is revoked for ever":       {"accepted", span{600, 610}, span{902, 1000}, false},
		"refused before":                             {"revoked", span{10, 20}, span{30, 40}, false},
		"refused while it is revoked":                {"revoked", span{110, 120}, span{450, 600}, true},
		"refused afterwards":                         {"revoked", span{450, 460}, span{502, 600}, false},
		"another reason":                             {"expired", span{10, 20}, span{502, 600}, true},
		"unknown":                                    {"unknown", span{202, 210}, span{502, 600}, true},
	} {
		t.Run(name, func(t *testing.T) {
			runs := []run{{0, c.outcome, 2, c.first, c.last}}
			result := porcupine.CheckOperations(promise, operationsOf(changes, [][]run{runs}))
			late := c.outcome == "accepted" && !c.ok
			if result != c.ok || (len(tooLate(changes, runs)) > 0) != late {
				t.Errorf("the history is right: %t, wanted %t; too late: %v", result, c.ok, tooLate(changes, runs))
			}
			other := []run{{1, c.outcome, 2, c.first, c.last}}
			if c.outcome != "revoked" && !porcupine.CheckOperations(promise, operationsOf(changes, [][]run{other})) {
				t.Error("a token is judged by the changes of another")
			}
		})
	}
}

// TestRuns: lookups are joined, and none that could matter is lost.
func TestRuns(t *testing.T) {
	const w = int64(window)
	var told []run
	r := runs{open: map[int]*run{}, tell: func(one run) { told = append(told, one) }}
	r.add(0, "accepted", span{0, 10})
	r.add(1, "revoked", span{0, 10})
	r.add(0, "accepted", span{w - 5, w})
	r.add(0, "accepted", span{w, w + 1})
	r.add(0, "revoked", span{w + 2, w + 3})
	r.add(0, "accepted", span{w + 4, w + 5})
	r.end()
	text := ""
	for _, one := range told {
		text += one.line()
	}
	got, err := parseRuns(text)
	e2e.Must(t, err)
	for _, want := range []run{
		{0, "accepted", 2, span{0, 10}, span{w - 5, w}},
		{0, "accepted", 1, span{w, w + 1}, span{w, w + 1}},
		{0, "revoked", 1, span{w + 2, w + 3}, span{w + 2, w + 3}},
		{0, "accepted", 1, span{w + 4, w + 5}, span{w + 4, w + 5}},
		{1, "revoked", 1, span{0, 10}, span{0, 10}},
	} {
		found := false
		for _, one := range got {
			found = found || one == want
		}
		if !found {
			t.Errorf("%+v is not among %+v", want, got)
		}
	}
	if len(got) != 5 {
		t.Errorf("%d runs, wanted 5", len(got))
	}
}
