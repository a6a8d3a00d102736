package admin

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/document"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// cover runs revoke, unrevoke or purge for a kind and its value. reason is for
// revoke only.
func cover(s *cli.Settings, cmd *cobra.Command, verb protocol.Verb, args []string, token *cli.TokenSource, reason string) error {
	kind := args[0]
	words := []string{kind}
	alone := kind == "token" || kind == "all"
	switch {
	case alone && len(args) > 1 && kind == "token":
		return program.Usage("a token is read from standard input or --token-file, never from the command line")
	case alone && len(args) > 1, len(args) > 2:
		return program.Usage("too many arguments (see " + cmd.CommandPath() + " --help)")
	case !alone && (len(args) < 2 || args[1] == ""):
		return program.Usage("say which " + kind + " (see " + cmd.CommandPath() + " --help)")
	case !alone && idFault(cmd, kind, args[1]) != "":
		return program.Usage(idFault(cmd, kind, args[1]) + " (see " + cmd.CommandPath() + " --help)")
	case kind == "token":
		text, err := token.One(cmd.Context())
		if err != nil {
			return err
		}
		if !text.Askable() {
			return text.Refuse()
		}
		words = append(words, text.Text)
	case kind != "all":
		words = append(words, string(protocol.AppendValue(nil, args[1])))
	}
	r, err := askWith(s, cmd, verb, protocol.FieldReason, reason, words...)
	if err != nil {
		return err
	}
	return printChange(s, verb, r)
}

// idFault returns what is wrong with the id of something of this kind; "" if nothing is. It does not repeat the id, which
// may be a credential.
func idFault(cmd *cobra.Command, kind, id string) string {
	switch {
	case credential.Contains(id):
		return "the id of a " + strings.TrimSuffix(kind, "less") + " is wanted, and this looks like a token or a key itself: give that to \"" + cmd.CommandPath() +
			" token <FILE\", and have it replaced if others can see your command lines"
	case len(id) > protocol.MaxID, !utf8.ValidString(id), strings.ContainsFunc(id, unicode.IsControl):
		return "the id of a " + strings.TrimSuffix(kind, "less") + " is one line of 1 to " + strconv.Itoa(protocol.MaxID) + " bytes"
	}
	return ""
}

// printChange prints the result of a revoke, unrevoke or purge.
func printChange(s *cli.Settings, verb protocol.Verb, r *protocol.Reply) error {
	entries, err := number(r, protocol.FieldEntries)
	if err != nil {
		return err
	}
	d := document.Change{Entries: entries}
	if verb != protocol.PURGE {
		n, err := number(r, protocol.FieldChanged)
		if err != nil {
			return err
		}
		changed := n != 0
		d.Changed = &changed
	}
	if d.Fleet, err = readReach(r); err != nil {
		return err
	}
	known, said := r.Fields.Get(protocol.FieldKnown)
	d.UnknownKey = said && string(known) == "0"
	if s.JSON {
		err = s.PrintJSON(d)
	} else {
		tellChange(s, verb, &d)
	}
	if err = cmp.Or(err, tellReach(s, d.Fleet)); err == nil && verb == protocol.UNREVOKE && !*d.Changed {
		return cli.ExitNo // there is no such revocation
	}
	return err
}

// counted returns a number with its noun.
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// tellChange prints the result of a change for people.
func tellChange(s *cli.Settings, verb protocol.Verb, d *document.Change) {
	entries, inForce := d.Entries, counted(d.Entries, "revocation", "revocations")
	switch {
	case verb == protocol.PURGE:
		fmt.Fprintf(s.Out, "purged: about %s forgotten\n", counted(entries, "entry", "entries"))
	case verb == protocol.REVOKE && *d.Changed:
		fmt.Fprintf(s.Out, "revoked; %s in force\n", inForce)
	case verb == protocol.REVOKE:
		fmt.Fprintf(s.Out, "was revoked already; %s in force\n", inForce)
	case *d.Changed:
		fmt.Fprintf(s.Out, "taken back; still in force: %s\n", inForce)
	default:
		fmt.Fprintf(s.Out, "there was no such revocation; %s in force\n", inForce)
		fmt.Fprintln(s.Out, "  next: check project, kind and id: neonauthctl revocations lists them")
	}
	if d.UnknownKey {
		fmt.Fprintln(s.Out, "  no key of the project's key set has this id or thumbprint now: unless it was withdrawn or is still to come, check it with neonauthctl keys")
	}
}
