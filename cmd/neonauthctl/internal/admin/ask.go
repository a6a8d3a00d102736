package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/advice"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/document"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/lookup"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// ask asks the admin socket. Its errors are reported and are exit codes.
func ask(s *cli.Settings, cmd *cobra.Command, verb protocol.Verb, words ...string) (*protocol.Reply, error) {
	c := s.Admin()
	defer c.Close()
	r, err := c.Ask(cmd.Context(), verb, words...)
	if err != nil {
		return nil, s.FailAt(verb, err)
	}
	if r.Status != protocol.OK {
		return nil, s.Fail(errors.New("neonauthd: daemon answers NO, which this command does not expect"))
	}
	return r, nil
}

// showObject prints the JSON object that a verb answers with.
func showObject(s *cli.Settings, cmd *cobra.Command, verb protocol.Verb) error {
	r, err := ask(s, cmd, verb)
	if err != nil {
		return err
	}
	return printObject(s, r.Rest)
}

func printObject(s *cli.Settings, object []byte) error {
	if s.JSON {
		return s.PrintJSON(json.RawMessage(object))
	}
	return s.PrintTree(object)
}

// explain prints an explanation; what it says of the token is the exit code.
func explain(s *cli.Settings, cmd *cobra.Command, token cli.Token) error {
	if !token.Askable() {
		return lookup.Show(s, client.Rejected{Reason: protocol.ReasonMalformed}, token.Finding)
	}
	r, err := ask(s, cmd, protocol.EXPLAIN, token.Text)
	if err != nil {
		return err
	}
	var said struct{ Outcome, Reason string }
	if err := json.Unmarshal(r.Rest, &said); err != nil {
		return errors.New("the daemon's explanation cannot be read")
	}
	object, err := withAdvice(r.Rest, said.Outcome, said.Reason, token.Finding)
	if err != nil {
		return err
	}
	if err := printObject(s, object); err != nil {
		return err
	}
	switch said.Outcome {
	case "accepted":
		return nil
	case "rejected":
		return cli.ExitNo
	}
	return cli.ExitUnknown
}

// withAdvice adds to a daemon's explanation what the token looks like, and what to
// do.
func withAdvice(object []byte, outcome, reason string, looks credential.Finding) ([]byte, error) {
	var add struct {
		Given string `json:"given,omitempty"`
		Next  string `json:"next"`
	}
	switch outcome {
	case "accepted":
		return object, nil
	case "rejected":
		looks = advice.Looks(protocol.Reason(reason), looks)
		add.Given, add.Next = looks.Is, cmp.Or(looks.Next, advice.Explained(protocol.Reason(reason)))
	default:
		add.Next = advice.Unknown(protocol.Code(reason))
	}
	more, err := json.Marshal(add)
	if err != nil {
		return nil, err
	}
	// Both are objects with members.
	return slices.Concat(bytes.TrimSuffix(bytes.TrimSpace(object), []byte("}")), []byte(","), more[1:]), nil
}

// cover does revoke, unrevoke and purge: a kind and what it applies to.
func cover(s *cli.Settings, cmd *cobra.Command, verb protocol.Verb, args []string, token *cli.TokenSource) error {
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
	case kind == "token":
		text, err := token.One()
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
	r, err := ask(s, cmd, verb, words...)
	if err != nil {
		return err
	}
	return printChange(s, verb, r)
}

// printChange prints what a revoke, unrevoke or purge came to.
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
	if s.JSON {
		if err := s.PrintJSON(d); err != nil {
			return err
		}
		return tellReach(s, d.Fleet)
	}
	switch {
	case verb == protocol.PURGE:
		fmt.Fprintf(s.Out, "purged: about %d entries forgotten\n", entries)
	case verb == protocol.REVOKE && *d.Changed:
		fmt.Fprintf(s.Out, "revoked; %d revocations in force\n", entries)
	case verb == protocol.REVOKE:
		fmt.Fprintf(s.Out, "was revoked already; %d revocations in force\n", entries)
	case *d.Changed:
		fmt.Fprintf(s.Out, "taken back; %d revocations stay in force\n", entries)
	default:
		fmt.Fprintf(s.Out, "there was no such revocation: check project, kind and id; %d revocations in force\n", entries)
	}
	return tellReach(s, d.Fleet)
}

func number(r *protocol.Reply, field string) (int64, error) {
	raw, ok := r.Fields.Get(field)
	n, err := protocol.Int(raw)
	if !ok || err != nil {
		return 0, fmt.Errorf("the daemon's reply has no good field %s", field)
	}
	return n, nil
}

func reload(s *cli.Settings, cmd *cobra.Command) error {
	if _, err := ask(s, cmd, protocol.RELOAD); err != nil {
		return err
	}
	if s.JSON {
		return s.PrintJSON(document.OK{OK: true})
	}
	fmt.Fprintln(s.Out, "the configuration as it is now is in force")
	return nil
}

func level(s *cli.Settings, cmd *cobra.Command, args []string) error {
	r, err := ask(s, cmd, protocol.LEVEL, args...)
	if err != nil {
		return err
	}
	raw, _ := r.Fields.Get(protocol.FieldLevel)
	if s.JSON {
		return s.PrintJSON(document.Level{Level: string(raw)})
	}
	fmt.Fprintf(s.Out, "log level: %s\n", strings.ToLower(string(raw)))
	return nil
}
