package nginxcheck

import (
	"slices"
	"strconv"
	"strings"

	"github.com/neonauthd/neonauthd/internal/foreign"
)

// page is an error_page: its codes, whether it changes the status of the
// response, and its target.
type page struct {
	codes  []int
	change string // "=", or "=200"
	target string
}

func pageOf(d *directive) page {
	var p page
	for i, arg := range d.args {
		switch code, err := strconv.Atoi(arg); {
		case i == len(d.args)-1:
			p.target = arg
		case strings.HasPrefix(arg, "="):
			p.change = arg
		case err == nil:
			p.codes = append(p.codes, code)
		}
	}
	return p
}

// beforeTheGate returns the codes that a visitor can cause before auth_request
// runs.
func beforeTheGate() []int {
	return []int{400, 405, 408, 411, 413, 414, 417, 421, 431, 494, 495, 496, 497, 501, 505}
}

// ofTheGate returns the codes of a refusal by auth_request.
func ofTheGate() []int { return []int{401, 403, 500} }

// errorPage looks for pages that turn a refusal into a success.
func (l *linter) errorPage(d *directive) {
	p := pageOf(d)
	if strings.HasPrefix(p.change, "=2") {
		l.report(d, "error_page %s: a refusal, or a failure to tell, becomes a success; leave the %s out, and see the pages of neonauth-gate.conf", p.change, p.change)
	}
}

// pages checks the targets of a server's error pages.
func (l *linter) pages(s *directive) {
	seen := map[*directive]bool{}
	s.walk(func(b *directive) {
		for _, d := range b.inherited("error_page") {
			if b.opens && !seen[d] {
				seen[d] = true
				l.target(s, d)
			}
		}
	})
}

// target checks the target of one error_page of a server.
func (l *linter) target(s, d *directive) {
	p := pageOf(d)
	if strings.Contains(p.target, "$") && !strings.Contains(p.target, "://") {
		l.report(d, "error_page goes to %s, which a visitor may choose; write the path of the page, or a location such as @neonauth_login", foreign.Quoted(p.target, maxShown))
		return
	}
	t := named(s, p.target)
	if t == nil {
		return
	}
	gate := slices.ContainsFunc(p.codes, func(code int) bool {
		return slices.Contains(ofTheGate(), code) || slices.Contains(beforeTheGate(), code)
	})
	open := t.auth() == ""
	switch pass := t.passes(); {
	case gate && open && pass != nil:
		l.report(pass, "error_page at %s hands what was refused, or was not judged yet, to an application with the visitor's own path; write return in %s, as neonauth-gate.conf does", d.place(), p.target)
		return
	case gate && open && p.change == "=" && t.succeeds():
		l.report(t, "error_page at %s has the status of this location: a refusal, or a failure to tell, becomes a success; write return 401, 403 or 503", d.place())
	case pass == nil || !open:
		return
	}
	for _, code := range p.codes {
		l.returns(s, d, code, p.target)
	}
}

// succeeds reports whether a location itself responds with success: by a
// return, or with files.
func (d *directive) succeeds() bool {
	returns := d.find("return")
	if len(returns) == 0 {
		return true
	}
	return slices.ContainsFunc(returns, func(r *directive) bool {
		return len(r.args) > 0 && (strings.HasPrefix(r.args[0], "2") && len(r.args[0]) == 3)
	})
}

// returns checks each "return code" that an error_page passes to an open
// location. Such a return is an exception from the check, and must only match
// CORS preflights.
func (l *linter) returns(s, d *directive, code int, target string) {
	s.walk(func(r *directive) {
		if !r.is("return", strconv.Itoa(code)) || !slices.Contains(r.parent.inherited("error_page"), d) {
			return
		}
		for _, other := range ordinary() {
			if r.parent.name != "if" || other.holds(r.parent) || !askable(r.parent, other) {
				l.report(r, "return %d goes to %s, which is open, and not for preflights of CORS alone; write if ($neonauth_preflight) around it, or open a page with auth_request off in a location =", code, target)
				return
			}
		}
	})
}

// askable reports whether the check understands the condition of an if.
func askable(branch *directive, r *request) bool {
	words := strings.Fields(strings.Trim(strings.Join(branch.args, " "), "()"))
	if len(words) == 0 {
		return false
	}
	_, known := r.expand(branch, words[0], mapDepth)
	return known
}

// ordinary returns requests that are not preflights.
func ordinary() []*request {
	all := []*request{
		{method: "GET"}, {method: "POST"}, {method: "OPTIONS"},
		{method: "GET", header: map[string]string{"origin": "https://x.example", "access_control_request_method": "GET"}},
		{method: "OPTIONS", header: map[string]string{"origin": "https://x.example"}},
		{method: "OPTIONS", header: map[string]string{"access_control_request_method": "GET"}},
		{method: "GET", header: map[string]string{"upgrade": "websocket", "accept": "text/html", "user_agent": "x", "cookie": "x", "authorization": "x"}},
	}
	for _, r := range all {
		r.target, r.uri = "/x", "/x"
	}
	return all
}
