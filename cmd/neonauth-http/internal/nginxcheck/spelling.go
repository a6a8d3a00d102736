package nginxcheck

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// spelling checks a location that requires something else than its server. It
// looks for other spellings of the location's path that an application may read
// as the same path, but about which nginx asks only what the server requires.
// It also looks for paths that nginx gives to the location and an application
// may read as others.
func (l *linter) spelling(s, loc *directive) {
	want := l.asked(s, loc.auth())
	if loc.name != "location" || loc.auth() == "" || s.auth() == "" || want == l.asked(s, s.auth()) {
		return
	}
	base, ok := loc.page()
	if !ok {
		return
	}
	var evading []string
	for _, path := range []string{base, base + "/", base + "/x"} {
		// A slash at the end is optional for many applications.
		if !within(choose(s, path), loc) && !within(choose(s, strings.TrimSuffix(path, "/")+"/"), loc) {
			continue
		}
		for _, other := range respelt(base, strings.TrimPrefix(path, base)) {
			if !l.lands(s, other, want) && !slices.Contains(evading, other) {
				evading = append(evading, other)
			}
		}
	}
	const most = 6 // examples
	if n := len(evading); n > 0 {
		l.report(loc, `what this location asks for is evaded by another spelling, %d were found: %s; write location ~* "^%s([^a-z0-9_-]|$)" in its place, before other regular expressions, and refuse what can be read in two ways with the "if ($neonauth_ambiguous)" of neonauth-gate.conf; what has to hold whatever happens belongs to the server`,
			n, strings.Join(evading[:min(n, most)], " "), regexp.QuoteMeta(base))
	}
	var leaving []string
	for _, out := range []string{"/..;/x", "/..%5cx", "/%252e%252e/x"} {
		uri, ok := normalise(base+out, true)
		if r := (&request{method: "GET", target: base + out, uri: uri}); ok && r.returned(s) == nil && within(choose(s, uri), loc) {
			leaving = append(leaving, base+out)
		}
	}
	if len(leaving) > 0 {
		l.report(loc, `by this location's question other pages of the server are reached: an application may read %s as /x; refuse what can be read in two ways with the "if ($neonauth_ambiguous)" of neonauth-gate.conf`, strings.Join(leaving, " "))
	}
}

// asked returns what the location at an address requires: two locations may
// require the same.
func (l *linter) asked(s *directive, address string) string {
	if q := locationOf(s, address); q != nil {
		if pass := q.find("proxy_pass"); len(pass) == 1 && len(pass[0].args) == 1 {
			return pass[0].args[0]
		}
	}
	return address
}

// lands reports whether a request for a target is refused, or asked about with
// want, before it reaches an application.
func (l *linter) lands(s *directive, target, want string) bool {
	merge := s.inherited("merge_slashes")
	uri, ok := normalise(target, len(merge) == 0 || !merge[0].is("merge_slashes", "off"))
	if !ok {
		return true
	}
	r := &request{method: "GET", target: target, uri: uri}
	if r.returned(s) != nil {
		return true
	}
	loc := choose(s, uri)
	return loc == nil || r.returned(loc) != nil || loc.passes() == nil || l.asked(s, loc.auth()) == want
}

// within reports whether d is block, or inside it.
func within(d, block *directive) bool {
	for ; d != nil; d = d.parent {
		if d == block {
			return true
		}
	}
	return false
}

// page returns the path that a location is for, without a slash at its end. It
// returns false if the path cannot be told.
func (d *directive) page() (string, bool) {
	modifier, text := d.pattern()
	if modifier == "~" || modifier == "~*" {
		var ok bool
		if text, ok = strings.CutPrefix(strings.TrimPrefix(text, "(?i)"), "^"); !ok {
			return "", false
		}
		text = literal(text)
	}
	text = strings.TrimRight(text, "/")
	return text, modifier != "@" && strings.HasPrefix(text, "/")
}

// literal returns the literal prefix of a regular expression.
func literal(pattern string) string {
	var out []byte
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '/', c == '-', c == '_', c == '~':
			out = append(out, c)
		case c == '\\' && i+1 < len(pattern) && strings.IndexByte("./-", pattern[i+1]) >= 0:
			i++
			out = append(out, pattern[i])
		case (c == '?' || c == '*' || c == '{') && len(out) > 0:
			return string(out[:len(out)-1])
		default:
			return string(out)
		}
	}
	return string(out)
}

func hexDigit(n byte) byte { return "0123456789abcdef"[n] }

// respelt returns spellings of base+rest that some kind of application reads as
// base+rest.
func respelt(base, rest string) []string {
	path := base + rest
	first := base[1:2]
	title := "/" + strings.ToUpper(first) + base[2:] + rest
	all := []string{
		path, title, strings.ToUpper(path), // case is not looked at: Express, ASP.NET, file systems
		fmt.Sprintf("/%%%02x%s", first[0], base[2:]+rest), fmt.Sprintf("/%%%02x%s", strings.ToUpper(first)[0], base[2:]+rest), // decoded: nearly all
		fmt.Sprintf("/%%25%02x%s", first[0], base[2:]+rest), // decoded twice: behind a rewriting rule
		fmt.Sprintf("/%%25%%%02x%%%02x%s", hexDigit(first[0]>>4), hexDigit(first[0]&0xf), base[2:]+rest),
		fmt.Sprintf("/%%%02x%%%02x%s", 0xc0|first[0]>>6, 0x80|first[0]&0x3f, base[2:]+rest), // longer than UTF-8 has to be: decoders written by hand
		base + ";" + rest, base + ";x" + rest, "/;" + path, "/x/..;" + path, "/.;" + path, // cut at ";": servers in Java
		"/" + path, "/." + path, "/x/.." + path, "/x/%2e%2e" + path, "/x%2f.." + path, // resolved: most
		`/x\..` + path, "/x%5c.." + path, // "\" is "/": Windows, Tomcat
		path + "/../x", path + "/..%2f..%2fx", // not resolved: Express
		base + "%20" + rest, base + "." + rest, base + "%0a" + rest, // trimmed: Windows
		base + ".json" + rest, // the ending is cut off: Spring
	}
	if rest != "" {
		all = append(all, base+"%2f"+rest[1:])
	}
	if len(rest) > 1 {
		// Another location's regular expression may take these.
		for _, ending := range []string{".php", ".js", ".css", ".png", ".html", ".json", ".jsp", ".cgi"} {
			all = append(all, path+ending)
		}
	}
	return all
}
