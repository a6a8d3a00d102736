package nginxcheck

import (
	"slices"
	"strings"
)

// normalise reads a path as nginx does: decoded once, slashes merged, dots
// resolved. ok is false for a path that nginx refuses.
func normalise(target string, merge bool) (string, bool) {
	path, _, _ := strings.Cut(target, "?")
	path, _, _ = strings.Cut(path, "#")
	var decoded strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			if i+2 >= len(path) {
				return "", false
			}
			high, low := unhex(path[i+1]), unhex(path[i+2])
			if high < 0 || low < 0 || high+low == 0 {
				return "", false
			}
			c = byte(high<<4 | low)
			i += 2
		}
		decoded.WriteByte(c)
	}
	var kept []string
	segments := strings.Split(decoded.String(), "/")
	if segments[0] != "" {
		return "", false
	}
	for i, s := range segments[1:] {
		last := i == len(segments)-2
		switch {
		case s == "" && !last && merge:
		case s == ".":
			if last {
				kept = append(kept, "")
			}
		case s == "..":
			if len(kept) == 0 {
				return "", false
			}
			kept = kept[:len(kept)-1]
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, s)
		}
	}
	return "/" + strings.Join(kept, "/"), true
}

// unhex returns the value of a hexadecimal digit, -1 for any other byte.
func unhex(c byte) int {
	if c >= 'A' && c <= 'F' {
		c |= 0x20
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// pattern splits a location's arguments into its modifier ("=", "^~", "~",
// "~*", "@" or none) and the text after it.
func (d *directive) pattern() (modifier, text string) {
	switch len(d.args) {
	case 1:
		text = d.args[0]
		for _, m := range []string{"^~", "~*", "~", "=", "@"} {
			if rest, ok := strings.CutPrefix(text, m); ok {
				return m, rest
			}
		}
	case 2:
		return d.args[0], d.args[1]
	}
	return "", text
}

// choose returns the location that serves a path, by nginx's rules: an exact
// location, else the longest prefix, which a regular expression may overrule
// unless it has "^~". It returns nil where nginx itself redirects to the path
// with a slash at the end.
func choose(block *directive, uri string) *directive {
	var prefix *directive
	longest, plain := -1, true
	for _, loc := range block.find("location") {
		switch modifier, text := loc.pattern(); modifier {
		case "=":
			if text == uri {
				return loc
			}
		case "", "^~":
			if strings.HasPrefix(uri, text) && len(text) > longest {
				prefix, longest, plain = loc, len(text), modifier == ""
			}
		}
	}
	inner := prefix
	if prefix != nil {
		inner = choose(prefix, uri)
		if inner == nil {
			return nil
		}
	}
	redirected := longest != len(uri) && slices.ContainsFunc(block.find("location"), func(loc *directive) bool {
		modifier, text := loc.pattern()
		return (modifier == "" || modifier == "^~") && text == uri+"/" && loc.passes() != nil
	})
	if redirected {
		return nil
	}
	exact := inner != prefix && inner.is("location", "=")
	if plain && !exact {
		for _, loc := range block.find("location") {
			modifier, text := loc.pattern()
			if modifier == "~" && loc.exprs.matches(text, uri) || modifier == "~*" && loc.exprs.matches("*"+text, uri) {
				return choose(loc, uri)
			}
		}
	}
	if inner != nil {
		return inner
	}
	return block
}

// passes returns the first directive in a location that passes a request to an
// application; nil if there is none.
func (d *directive) passes() *directive {
	for _, c := range d.block {
		switch {
		case slices.ContainsFunc(passes(), func(g gateway) bool { return g.pass == c.name }):
			return c
		case c.name == "if" || c.name == "limit_except":
			if found := c.passes(); found != nil {
				return found
			}
		}
	}
	return nil
}

// named returns a location such as @name.
func named(s *directive, name string) *directive {
	for _, loc := range s.find("location") {
		if modifier, text := loc.pattern(); modifier == "@" && "@"+text == name {
			return loc
		}
	}
	return nil
}
