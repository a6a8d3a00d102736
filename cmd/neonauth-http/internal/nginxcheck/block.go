package nginxcheck

import (
	"slices"
	"strconv"
	"strings"
)

// question looks at the location that asks neonauth-http.
func (l *linter) question(q *directive) {
	if len(q.find("internal")) == 0 {
		l.report(q, "this location asks neonauth-http and is not internal: visitors can call it")
	}
	if !q.is("location", "=") {
		l.report(q, `this location asks neonauth-http and is no "location =": it takes more addresses than one`)
	}
	pass := q.find("proxy_pass")
	if len(pass) == 0 || len(pass[0].args) != 1 {
		l.report(q, "this location is asked by auth_request and has no proxy_pass to neonauth-http")
		return
	}
	l.address(pass[0])
	if body := q.inherited("proxy_pass_request_body"); len(body) == 0 || !body[0].is("proxy_pass_request_body", "off") {
		l.report(q, `proxy_pass_request_body is not off: each question waits for, and carries, the visitor's body`)
	} else if value, set := setHeader(q, "proxy_set_header", "content-length"); !set || value != "" {
		l.report(q, `Content-Length is not cleared (proxy_set_header Content-Length ""): neonauth-http would wait for a body that never comes`)
	}
	if size := q.inherited("proxy_buffer_size"); len(size) > 0 && len(size[0].args) == 1 && sizeOf(size[0].args[0]) < 4<<10 {
		l.report(size[0], "proxy_buffer_size below 4k: the identity does not fit, and nginx refuses the reply as too big")
	}
	for _, page := range q.find("error_page") {
		l.report(page, "error_page in the location that asks: it can make a yes of a no")
	}
	l.cache(q, "the answer for one visitor's token is given to others")
}

// address looks at what proxy_pass asks for.
func (l *linter) address(pass *directive) {
	_, rest, _ := strings.Cut(pass.args[0], "://")
	if strings.HasPrefix(rest, "unix:") {
		// http://unix:/path/to.sock:/address
		if i := strings.LastIndexByte(rest, ':'); i > len("unix") {
			rest = "unix" + rest[i+1:]
		}
	}
	_, address, _ := strings.Cut(rest, "/")
	path, query, _ := strings.Cut(address, "?")
	switch {
	case path != "nginx":
		l.report(pass, "asks %s: neonauth-http answers nginx at /nginx and nowhere else", shown("/"+path))
	case strings.Contains(query, "$"):
		l.report(pass, "what is asked holds a variable: a visitor may decide what is required")
	default:
		if err := l.rules.Query(query); err != nil {
			l.report(pass, "neonauth-http will answer 500: %v", err)
		}
	}
}

// cache looks for a cache whose key does not tell visitors apart.
func (l *linter) cache(d *directive, harm string) {
	on := d.inherited("proxy_cache")
	if len(on) == 0 || on[0].is("proxy_cache", "off") {
		return
	}
	key := ""
	if all := d.inherited("proxy_cache_key"); len(all) > 0 {
		key = strings.ToLower(strings.Join(all[0].args, " "))
	}
	for _, want := range [][]string{{"$http_authorization"}, {"$http_x_stack_access_token"}, {"$http_cookie", "$cookie_"}} {
		if !slices.ContainsFunc(want, func(v string) bool { return strings.Contains(key, v) }) {
			l.report(on[0], "proxy_cache, and %s is not in proxy_cache_key: %s", want[0], harm)
		}
	}
}

// errorPage looks for pages that make a success of a failure.
func (l *linter) errorPage(d *directive) {
	for _, arg := range d.args {
		if len(arg) == 4 && strings.HasPrefix(arg, "=2") {
			l.report(d, "error_page %s: a refusal, or a failure to tell, becomes a success", arg)
		}
	}
}

// block looks at a server, a location or an if, other than a question.
func (l *linter) block(d *directive) {
	hole := d.auth() == ""
	if off := d.find("auth_request"); len(off) > 0 && off[0].is("auth_request", "off") && d.name == "location" &&
		!d.is("location", "=") && (len(d.args) == 0 || !strings.HasPrefix(d.args[0], "@")) {
		l.report(d, "a hole that is not exact: what begins or matches so is open as well; use location =")
	}
	if any := d.inherited("satisfy"); len(any) > 0 && any[0].is("satisfy", "any") && !hole {
		l.report(any[0], "satisfy any: an address in an allow list, or a password, is let in without a token")
	}
	for _, r := range d.find("return") {
		if !hole && len(r.args) > 0 && strings.HasPrefix(r.args[0], "2") && len(r.args[0]) == 3 {
			l.report(r, "return answers before auth_request is asked: this is open")
		}
	}
	for _, p := range passes() {
		for _, pass := range d.find(p.pass) {
			l.identity(d, pass, p)
			if p.pass == "proxy_pass" && hole && d.is("location", "=") && !hasURI(pass) {
				l.report(pass, "a hole that passes the visitor's own spelling on: /account/..%%2fx is /x to nginx and may be below /account/ to the application; write the path behind the name")
			}
			if p.pass == "proxy_pass" {
				l.upgrade(d, pass)
			}
			if p.pass == "proxy_pass" && !hole {
				l.cache(d, "a page made for one visitor is given to others")
			}
		}
	}
}

// hasURI tells whether proxy_pass replaces the path.
func hasURI(pass *directive) bool {
	if len(pass.args) == 0 {
		return false
	}
	_, rest, _ := strings.Cut(pass.args[0], "://")
	return strings.Contains(rest, "/")
}

// gateway is a way to hand a request to an application.
type gateway struct {
	pass, set string
	header    func(name string) string
}

func passes() []gateway {
	lower := strings.ToLower
	variable := func(name string) string { return "http_" + strings.ReplaceAll(strings.ToLower(name), "-", "_") }
	return []gateway{
		{"proxy_pass", "proxy_set_header", lower},
		{"grpc_pass", "grpc_set_header", lower},
		{"fastcgi_pass", "fastcgi_param", variable},
		{"uwsgi_pass", "uwsgi_param", variable},
		{"scgi_pass", "scgi_param", variable},
	}
}

// setHeader is the value that a block sets a header to.
func setHeader(d *directive, directiveName, header string) (string, bool) {
	for _, s := range d.inherited(directiveName) {
		if len(s.args) >= 2 && strings.ToLower(s.args[0]) == header {
			return s.args[1], true
		}
	}
	return "", false
}

// identity looks whether each identity header is ours or nobody's.
func (l *linter) identity(d, pass *directive, g gateway) {
	var missing []string
	for _, name := range l.rules.Headers {
		value, set := setHeader(d, g.set, g.header(name))
		switch {
		case !set:
			missing = append(missing, name)
		case value == "" || ours(d, value, name):
		case strings.Contains(strings.ToLower(value), "$http_"):
			l.report(pass, "%s is set from %s, which is what the visitor sent", name, value)
		default:
			l.report(pass, "%s is set from %s, and no auth_request_set that holds here takes that from the answer", name, value)
		}
	}
	if len(missing) > 0 {
		l.report(pass, "not set here, so a visitor's own arrive: %s (%s of an outer block do not hold where a block has its own)", strings.Join(missing, ", "), g.set)
	}
}

// ours tells whether a value is the variable that auth_request_set fills with a
// header of the answer.
func ours(d *directive, value, header string) bool {
	from := "$upstream_http_" + strings.ReplaceAll(strings.ToLower(header), "-", "_")
	return slices.ContainsFunc(d.inherited("auth_request_set"), func(s *directive) bool {
		return len(s.args) == 2 && s.args[0] == value && s.args[1] == from
	})
}

// sizeOf reads a size such as 4k; -1 if it is none.
func sizeOf(text string) int64 {
	unit := int64(1)
	if text != "" {
		switch text[len(text)-1] {
		case 'k', 'K':
			unit, text = 1<<10, text[:len(text)-1]
		case 'm', 'M':
			unit, text = 1<<20, text[:len(text)-1]
		}
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return -1
	}
	return n * unit
}
