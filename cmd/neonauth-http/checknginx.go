package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
)

func checkNginxCommand() *cobra.Command {
	var prefix string
	cmd := &cobra.Command{
		Use:   "check-nginx FILE",
		Short: "Look for the known traps in an nginx configuration",
		Long: `Reads an nginx configuration with what it includes, and tells of what would let a
visitor in or let one pass for somebody else: identity headers that are not set,
holes that are wider than they look, error pages that turn a refusal into a
success, caches without the credential in their key, requirements that do not
exist. It exits with 1 when it finds something. nginx itself is not needed, and
"nginx -t" is not replaced.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return program.Usage("check-nginx takes one file (see --help)")
			}
			if err := command.CheckPath(args[0]); err != nil {
				return program.UsageError{Err: fmt.Errorf("check-nginx takes a file, and %w", err)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			base := cmp.Or(prefix, filepath.Dir(args[0]))
			top, err := readNginx(args[0], base)
			if err != nil {
				return program.UsageError{Err: err}
			}
			found := lintNginx(top)
			for _, f := range found {
				fmt.Fprintln(cmd.OutOrStdout(), f)
			}
			if len(found) > 0 {
				return fmt.Errorf("%d finding(s); see above", len(found))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: no known trap\n", args[0])
			return nil
		},
	}
	command.Path(cmd.Flags(), &prefix, "prefix", "", "`DIR` from which relative includes are read (default: the file's own)")
	return cmd
}

// linter collects findings.
type linter struct {
	found []string
	gates int // servers with auth_request
}

func (l *linter) report(d *directive, format string, args ...any) {
	l.found = append(l.found, d.place()+": "+fmt.Sprintf(format, args...))
}

// lintNginx returns what it finds, each with its place, in no order but the
// file's.
func lintNginx(top *directive) []string {
	var l linter
	top.walk(func(d *directive) {
		switch {
		case d.name == "server" && d.opens:
			l.server(d)
		case d.name == "error_page":
			l.errorPage(d)
		case d.is("underscores_in_headers", "on"):
			l.report(d, "underscores_in_headers on: X_Auth_User_Id from a visitor reaches many applications as X-Auth-User-Id")
		case d.is("ignore_invalid_headers", "off"):
			l.report(d, "ignore_invalid_headers off: headers with odd names pass, and applications may take them for X-Auth-*")
		}
	})
	if l.gates == 0 {
		l.report(&directive{file: top.file, line: 1}, "no server has auth_request: nothing is protected")
	}
	// The same included file may stand in several servers.
	slices.Sort(l.found)
	return slices.Compact(l.found)
}

// auth is the address that auth_request asks in a block; "" is none.
func (d *directive) auth() string {
	all := d.inherited("auth_request")
	if len(all) == 0 || len(all[0].args) == 0 || all[0].args[0] == "off" {
		return ""
	}
	return all[0].args[0]
}

// server looks at a server in which something is protected.
func (l *linter) server(s *directive) {
	asked := map[string]*directive{}
	s.walk(func(d *directive) {
		if d.name == "auth_request" && len(d.args) == 1 && d.args[0] != "off" {
			asked[d.args[0]] = d
		}
	})
	if gate := s.auth(); gate != "" {
		asked[gate] = s.inherited("auth_request")[0]
	}
	if len(asked) == 0 {
		return
	}
	l.gates++
	questions := map[*directive]bool{}
	for address, d := range asked {
		if q := locationOf(s, address); q != nil {
			questions[q] = true
			l.question(q)
			continue
		}
		l.report(d, "auth_request asks %s, and no location of this server is exactly that", address)
	}
	if s.auth() == "" {
		for _, d := range asked {
			l.report(d, "auth_request in a location only: everything else of the server is open, also what is reached by another spelling; put it at the server and open holes with location =")
		}
	}
	s.walk(func(d *directive) {
		if d == s || !d.opens || inside(d, questions) {
			return
		}
		l.block(d)
	})
	l.block(s)
}

// locationOf finds "location = address", or else "location address".
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
