package nginxcheck

import (
	"cmp"
	"slices"
	"strings"
)

// site is a server block and the addresses to which it passes requests.
type site struct {
	block   *directive
	gated   bool
	targets map[string]*directive // by address: the directive that passes the requests on
}

// folder begins the name of a target that is a folder, not an application.
const folder = "the folder "

// open looks for servers that pass requests without asking neonauth-http to an
// application for which another server asks.
func (l *linter) open(sites []site) {
	gated := map[string]*directive{}
	for _, s := range sites {
		for target := range s.targets {
			if s.gated && gated[target] == nil {
				gated[target] = s.block
			}
		}
	}
	for _, s := range sites {
		if s.gated {
			continue
		}
		around, applications := false, false
		for target, pass := range s.targets {
			applications = applications || !strings.HasPrefix(target, folder)
			switch gate := gated[target]; {
			case gate != nil:
				around = true
				l.report(pass, "hands requests to %s without asking, and the server at %s asks before it does: whoever reaches this one is around the gate; include neonauth-gate.conf and neonauth-identity.conf here too, or remove it", target, gate.place())
			case l.questions[target]:
				around = true
				l.report(pass, "hands visitors to neonauth-http itself, where they learn whose token they hold; remove it")
			}
		}
		said := s.block.inherited("auth_request")
		if !around && applications && len(said) == 0 && !s.block.below("stream") && !s.block.below("mail") {
			l.report(s.block, "no auth_request in this server: everything in it is open; include neonauth-gate.conf, or write auth_request off; into it if that is meant")
		}
	}
}

// below reports whether d is inside a block with this name.
func (d *directive) below(name string) bool {
	for b := d.parent; b != nil; b = b.parent {
		if b.name == name {
			return true
		}
	}
	return false
}

// targets returns the addresses to which a server passes requests, with each
// server of an upstream block, and the folders that it serves. For a server
// that asks, they are only those about which it asks. Addresses with a variable
// are left out.
func (l *linter) targets(s *directive, questions map[*directive]bool) map[string]*directive {
	all := map[string]*directive{}
	s.walk(func(d *directive) {
		if inside(d, questions) || len(d.args) == 0 || strings.Contains(d.args[0], "$") || len(questions) > 0 && d.auth() == "" {
			return
		}
		if d.name == "root" || d.name == "alias" {
			all[folder+strings.TrimSuffix(d.args[0], "/")] = d
		}
		if slices.ContainsFunc(passes(), func(g gateway) bool { return g.pass == d.name }) {
			for _, address := range addresses(d, d.args[0]) {
				all[address] = d
			}
		}
	})
	return all
}

// addresses returns where a pass leads: the servers of its upstream block, or
// its own host.
func addresses(d *directive, pass string) []string {
	host := pass
	if _, rest, found := strings.Cut(pass, "://"); found {
		host = rest
	}
	if path, ok := strings.CutPrefix(host, "unix:"); ok {
		path, _, _ = strings.Cut(path, ":")
		return []string{"unix:" + path}
	}
	host, _, _ = strings.Cut(host, "/")
	for b := d; b != nil; b = b.parent {
		for _, up := range b.find("upstream") {
			if !up.is("upstream", host) {
				continue
			}
			var all []string
			for _, server := range up.find("server") {
				if len(server.args) > 0 {
					all = append(all, local(server.args[0]))
				}
			}
			return all
		}
	}
	return []string{local(host)}
}

// local returns an address of this host in one canonical form.
func local(address string) string {
	host, port, found := strings.Cut(address, ":")
	if !found || host == "unix" {
		return cmp.Or(address, "nowhere")
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	return host + ":" + port
}
