package nginxcheck

import (
	"slices"
	"strings"
)

// upgrade checks to which protocols a visitor can switch a connection. After a
// switch, nginx checks no request on that connection any more.
func (l *linter) upgrade(d, pass *directive) {
	settings := false
	for _, s := range d.inherited("proxy_set_header") {
		if len(s.args) != 2 {
			continue
		}
		switch name, value := strings.ToLower(s.args[0]), s.args[1]; {
		case name == "http2-settings" && value == "":
			settings = true
		case name == "upgrade" && !onlyWebSocket(s, value):
			l.report(s, `Upgrade %s can be more than "websocket": an application that speaks h2c gives the visitor a tunnel to every path with any X-Auth-User-Id; write proxy_set_header Upgrade "", and include neonauth-websocket.conf where WebSockets are served`, value)
		case name == "upgrade" && value != "" && s.parent.name != "location":
			l.report(s, "Upgrade is passed on in every location that has no proxy_set_header of its own; put it into the location that serves WebSockets: include neonauth-websocket.conf there")
		case name == "connection" && strings.Contains(strings.ToLower(value), "$http_"):
			l.report(s, `Connection is set from %s: the headers that a visitor lists there vanish on their way, ours too; write proxy_set_header Connection "", or the $neonauth_connection of neonauth-websocket.conf`, value)
		}
	}
	if !settings {
		l.report(pass, `HTTP2-Settings of a visitor is passed on; write proxy_set_header HTTP2-Settings ""`)
	}
}

// onlyWebSocket reports whether a value of Upgrade is "websocket" or empty,
// whatever the visitor sends.
func onlyWebSocket(d *directive, value string) bool {
	return valuesOf(d, value, map[string]bool{}, func(v string) bool { return v == "" || v == "websocket" })
}

// valuesOf reports whether good is true for each value that text can have,
// where text is a constant or the variable of a map. For any other variable it
// is false. seen holds the variables that have been checked already.
func valuesOf(d *directive, text string, seen map[string]bool, good func(string) bool) bool {
	if !strings.Contains(text, "$") {
		return good(text)
	}
	if seen[text] {
		return true // its values are checked already
	}
	seen[text] = true
	var maps []*directive
	for b := d; b != nil; b = b.parent {
		for _, m := range b.find("map") {
			if len(m.args) == 2 && m.args[1] == text {
				maps = append(maps, m)
			}
		}
	}
	if len(maps) == 0 {
		return false
	}
	return !slices.ContainsFunc(maps, func(m *directive) bool {
		return slices.ContainsFunc(m.block, func(row *directive) bool {
			switch {
			case row.name == "hostnames" || row.name == "volatile":
				return false
			case len(row.args) != 1:
				return true
			}
			return !valuesOf(d, row.args[0], seen, good)
		})
	})
}
