// Package nginxcheck looks for known mistakes with auth_request in a
// configuration of nginx: what would let a visitor in without a check, or under
// another user's name. It reads the configuration as nginx does, and does not
// need nginx.
package nginxcheck

import (
	"fmt"
	"slices"
)

// Rules describe the program that nginx asks. The zero value knows no header
// and accepts every query.
type Rules struct {
	// Headers are the identity headers in the program's replies.
	Headers []string
	// Query returns the headers in which a request with this query searches for
	// its token. The error says what is wrong with the query. nil: queries are
	// not checked.
	Query func(query string) (carriers []string, err error)
}

// Check reads a configuration file and its includes, which are relative to
// prefix, and returns the findings: sorted, each with file and line, and with
// what to write instead. The error says why the configuration could not be
// read.
func Check(file, prefix string, rules Rules) ([]string, error) {
	top, err := read(file, prefix)
	if err != nil {
		return nil, err
	}
	if rules.Query == nil {
		rules.Query = func(string) ([]string, error) { return nil, nil }
	}
	return lint(top, rules), nil
}

// linter collects findings.
type linter struct {
	rules     Rules
	found     []string
	questions map[string]bool // addresses with which any server asks neonauth-http
	answering map[string]bool // those of the server that is being checked
	several   bool            // this server has several of them
	carriers  []string        // the headers that may carry a token in this server
	gateless  bool            // this server lacks all of neonauth-gate.conf
}

func (l *linter) report(d *directive, format string, args ...any) {
	l.found = append(l.found, d.place()+": "+fmt.Sprintf(format, args...))
}

func lint(top *directive, rules Rules) []string {
	l := linter{rules: rules, questions: map[string]bool{}}
	var sites []site
	top.walk(func(d *directive) {
		switch {
		case d.name == "server" && d.opens:
			sites = append(sites, l.server(d))
		case d.name == "error_page":
			l.errorPage(d)
		case d.is("underscores_in_headers", "on"):
			l.report(d, "underscores_in_headers on: X_Auth_User_Id from a visitor reaches many applications as X-Auth-User-Id; write underscores_in_headers off;")
		case d.is("ignore_invalid_headers", "off"):
			l.report(d, "ignore_invalid_headers off: headers with odd names pass, and applications may take them for X-Auth-*; write ignore_invalid_headers on;")
		}
	})
	if slices.ContainsFunc(sites, func(s site) bool { return s.gated }) {
		l.open(sites)
	} else {
		l.report(&directive{file: top.file, line: 1}, "no server has auth_request: nothing is protected; include neonauth-gate.conf in the server")
	}
	// The same file may be included in several servers.
	slices.Sort(l.found)
	return slices.Compact(l.found)
}

// auth returns the address of auth_request in a block; "": there is none.
func (d *directive) auth() string {
	all := d.inherited("auth_request")
	if len(all) == 0 || len(all[0].args) == 0 || all[0].args[0] == "off" {
		return ""
	}
	return all[0].args[0]
}

// server checks a server and returns it as a site.
func (l *linter) server(s *directive) site {
	asked := map[string]*directive{}
	s.walk(func(d *directive) {
		if d.name == "auth_request" && len(d.args) == 1 && d.args[0] != "off" {
			asked[d.args[0]] = d
		}
	})
	if gate := s.auth(); gate != "" {
		asked[gate] = s.inherited("auth_request")[0]
	}
	l.carriers = nil
	questions := map[*directive]bool{}
	if len(asked) == 0 {
		return site{block: s, targets: l.targets(s, questions)}
	}
	for address, d := range asked {
		if q := locationOf(s, address); q != nil {
			questions[q] = true
			l.question(q)
			continue
		}
		l.report(d, "auth_request asks %s, and no location of this server is exactly that; write location = %s", address, address)
	}
	l.gateless = s.auth() == "" && len(s.inherited("auth_request_set")) == 0
	switch {
	case l.gateless:
		l.report(s, "the server does not include neonauth-gate.conf: auth_request is in a location only, so everything else is open, also what is reached by another spelling, and no application learns the user; include it here, and open single paths with auth_request off in a location =")
	case s.auth() == "":
		for _, d := range asked {
			l.report(d, "auth_request in a location only: everything else of the server is open, also what is reached by another spelling; put it at the server and open single paths with auth_request off in a location =")
		}
	}
	l.several = len(asked) > 1
	l.answering = map[string]bool{}
	for q := range questions {
		for address := range l.targets(q, nil) {
			l.answering[address], l.questions[address] = true, true
		}
	}
	l.shared(questions)
	s.walk(func(d *directive) {
		if d.opens && !inside(d, questions) {
			l.block(d)
			l.spelling(s, d)
		}
	})
	l.pages(s)
	return site{block: s, gated: true, targets: l.targets(s, questions)}
}

// locationOf returns "location = address", or else "location address".
func locationOf(s *directive, address string) *directive {
	for _, exact := range []bool{true, false} {
		for _, loc := range s.find("location") {
			if exact && loc.is("location", "=", address) || !exact && loc.is("location", address) {
				return loc
			}
		}
	}
	return nil
}

func inside(d *directive, set map[*directive]bool) bool {
	for ; d != nil; d = d.parent {
		if set[d] {
			return true
		}
	}
	return false
}
