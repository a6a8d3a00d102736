package nginxcheck

import (
	"slices"
	"strings"
)

// block checks a server, a location or an if that does not ask neonauth-http.
func (l *linter) block(d *directive) {
	if l.document(d) {
		return
	}
	open := d.auth() == ""
	if off := d.find("auth_request"); len(off) > 0 && off[0].is("auth_request", "off") && d.name == "location" &&
		!d.is("location", "=") && (len(d.args) == 0 || !strings.HasPrefix(d.args[0], "@")) {
		l.report(d, "an open location that is not exact: every path that begins or matches so is open as well; write location = and the whole path, once for each page")
	}
	if any := d.inherited("satisfy"); len(any) > 0 && any[0].is("satisfy", "any") && !open {
		l.report(any[0], "satisfy any: an address in an allow list, or a password, is let in without a token; write satisfy all;")
	}
	for _, r := range d.find("return") {
		if !open && len(r.args) > 0 && strings.HasPrefix(r.args[0], "2") && len(r.args[0]) == 3 {
			l.report(r, "return answers before auth_request is asked: this is open; write it into a location = with auth_request off if that is meant, or serve a file")
		}
	}
	for _, p := range passes() {
		for _, pass := range d.find(p.pass) {
			l.identity(d, pass, p)
			l.otherPath(d, pass, p)
			if p.pass == "proxy_pass" && open && d.is("location", "=") && !hasURI(pass) {
				l.report(pass, "an open location that passes the visitor's own spelling on: /account/..%%2fx is /x to nginx and may be below /account/ to the application; write the path behind the name, such as proxy_pass http://app/login")
			}
			if p.pass == "proxy_pass" {
				l.upgrade(d, pass)
			}
			if p.pass == "proxy_pass" && !open {
				l.cache(d, l.carriers, "a page made for one visitor is given to others")
			}
		}
	}
}

// document reports whether a location only serves the metadata of protected
// resources (RFC 9728), which neonauth-http gives to everybody. Such a location
// is an exception that opens nothing else.
func (l *linter) document(d *directive) bool {
	all := l.targets(d, nil)
	for address := range all {
		if !l.answering[address] {
			return false
		}
	}
	pass := d.find("proxy_pass")
	return d.is("location", "^~", "/.well-known/oauth-protected-resource") && len(all) > 0 && len(pass) == 1 && !hasURI(pass[0]) &&
		!slices.ContainsFunc(d.block, func(inner *directive) bool { return inner.opens })
}

// hasURI reports whether proxy_pass replaces the path.
func hasURI(pass *directive) bool {
	if len(pass.args) == 0 {
		return false
	}
	_, rest, _ := strings.Cut(pass.args[0], "://")
	return strings.Contains(rest, "/")
}

// gateway is a directive that passes requests to an application.
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

// setHeader returns the values to which a block sets a header: nginx sends each
// value that is not empty.
func setHeader(d *directive, directiveName, header string) (values []string) {
	for _, s := range d.inherited(directiveName) {
		if len(s.args) >= 2 && strings.ToLower(s.args[0]) == header {
			values = append(values, s.args[1])
		}
	}
	return values
}

// otherPath checks whether a visitor can make the application see another path
// than the one by which nginx chose the location.
func (l *linter) otherPath(d, pass *directive, g gateway) {
	if !l.several {
		return // all paths require the same
	}
	var missing []string
	for _, name := range []string{"X-Original-URL", "X-Rewrite-URL"} {
		if values := setHeader(d, g.set, g.header(name)); len(values) == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		l.report(pass, `%s of a visitor are passed on, which some frameworks take for the path: another page is served than the one that was judged; write %s %s ""`, strings.Join(missing, " and "), g.set, missing[0])
	}
}

// identity checks that each identity header is set by nginx or removed.
func (l *linter) identity(d, pass *directive, g gateway) {
	var missing []string
	for _, name := range l.rules.Headers {
		values := setHeader(d, g.set, g.header(name))
		if len(values) == 0 {
			missing = append(missing, name)
		}
		for _, value := range values {
			switch {
			case value == "" || ours(d, value, name):
			case strings.Contains(strings.ToLower(value), "$http_"):
				l.report(pass, "%s is set from %s, which is what the visitor sent; include neonauth-identity.conf instead", name, value)
			case l.gateless && len(d.inherited("auth_request_set")) == 0: // said of the server, once
			default:
				l.report(pass, "%s is set from %s, and no auth_request_set that holds here takes that from the answer; write auth_request_set %s $upstream_http_%s; here", name, value, value, strings.ReplaceAll(strings.ToLower(name), "-", "_"))
			}
		}
	}
	if len(missing) > 0 {
		l.report(pass, "not set here, so a visitor's own arrive: %s (%s of an outer block do not hold where a block has its own); include neonauth-identity.conf here", strings.Join(missing, ", "), g.set)
	}
}

// ours reports whether a value is the variable that auth_request_set fills with
// a header of the answer.
func ours(d *directive, value, header string) bool {
	from := "$upstream_http_" + strings.ReplaceAll(strings.ToLower(header), "-", "_")
	return slices.ContainsFunc(d.inherited("auth_request_set"), func(s *directive) bool {
		return len(s.args) == 2 && s.args[0] == value && s.args[1] == from
	})
}
