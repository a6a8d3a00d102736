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
	"github.com/neonauthd/neonauthd/protocol"
)

// ask asks the admin socket. It reports errors itself, and returns them as exit
// codes.
func ask(s *cli.Settings, cmd *cobra.Command, verb protocol.Verb, words ...string) (*protocol.Reply, error) {
	return askWith(s, cmd, verb, "", "", words...)
}

// askWith is ask with one field; a field whose value is "" is left out.
func askWith(s *cli.Settings, cmd *cobra.Command, verb protocol.Verb, field, value string, words ...string) (*protocol.Reply, error) {
	c := s.Admin()
	defer c.Close()
	var fields protocol.Fields
	if value != "" {
		if err := fields.Add(field, protocol.AppendValue(nil, value)); err != nil {
			return nil, err
		}
	}
	r, err := c.AskWith(cmd.Context(), verb, &fields, words...)
	if err != nil {
		return nil, s.FailAt(verb, err)
	}
	if r.Status != protocol.OK {
		return nil, s.Fail(errors.New("neonauthd: daemon answers NO, which this command does not expect"))
	}
	return r, nil
}

// showObject prints the JSON object in the reply to a verb.
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

// explained is the part of a daemon's explanation that this program reads.
type explained struct {
	Outcome, Reason string
	Checks          []struct{ Check, Result string }
	SameKeys        *struct {
		Outcome, Reason string
		HTTP, Failures  int
	} `json:"same_keys"`
}

// failed reports whether this check failed.
func (e *explained) failed(check string) bool {
	return slices.ContainsFunc(e.Checks, func(c struct{ Check, Result string }) bool { return c.Check == check && c.Result == "fail" })
}

// misconfigured reports whether a lookup would be answered so, now or after it has fetched the key set.
func (e *explained) misconfigured() bool {
	const code = string(protocol.CodeMisconfigured)
	return e.Reason == code || e.SameKeys != nil && e.SameKeys.Reason == code
}

// explain prints an explanation. The outcome for the token is the exit code.
func explain(s *cli.Settings, cmd *cobra.Command, token cli.Token) error {
	if !token.Askable() {
		return lookup.Show(s, client.Rejected{Reason: protocol.ReasonMalformed}, token.Finding)
	}
	r, err := ask(s, cmd, protocol.EXPLAIN, token.Text)
	if err != nil {
		return err
	}
	var said explained
	if err := json.Unmarshal(r.Rest, &said); err != nil {
		return errors.New("the daemon's explanation cannot be read")
	}
	object, err := withAdvice(r.Rest, said, token.Finding)
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

// manyKeys is what to do if one of several keys may have signed a token, and the daemon cannot tell whether it has.
const manyKeys = "the check signature says which keys are the cause: have the issuer name its key in each token (kid), and publish keys that can be used"

// withAdvice adds to a daemon's explanation what the text looks like, and what
// to do.
func withAdvice(object []byte, said explained, looks credential.Finding) ([]byte, error) {
	var add struct {
		Given string `json:"given,omitempty"`
		Next  string `json:"next"`
	}
	rejected := func(reason string) {
		looks = advice.Looks(protocol.Reason(reason), looks)
		add.Given, add.Next = looks.Is, cmp.Or(looks.Next, advice.Explained(protocol.Reason(reason)))
	}
	switch same := said.SameKeys; {
	case said.Outcome == "accepted":
		return object, nil
	case said.Outcome == "rejected":
		rejected(said.Reason)
	case same != nil && same.Outcome == "rejected":
		// The daemon's keys may be fine: the answer is unknown because explain asks nobody.
		rejected(same.Reason)
		if same.Failures > 0 { // such a fetch may bring the token's key
			add.Given, add.Next = "", fmt.Sprintf("the key set cannot be fetched (failures in a row: %d), so a new key is not known here: neonauthctl keys shows why; until a fetch succeeds, the answer stays keys-pending, and if the fetched keys are the same, it is %s (HTTP %d)", same.Failures, same.Reason, same.HTTP)
			break
		}
		add.Next = fmt.Sprintf("a lookup fetches the key set first; if it has the same keys, the token is rejected as %s (HTTP %d): %s", same.Reason, same.HTTP, add.Next)
	case said.failed("key") && said.misconfigured():
		add.Next = advice.Misconfigured(protocol.TextUnusableKey)
	case said.failed("signature") && said.misconfigured():
		add.Next = manyKeys
	case said.failed("clock"):
		add.Next = advice.Unavailable(protocol.TextClockUnset)
	case said.failed("fleet"): // the token is not accepted because the daemon has not heard its fleet for too long
		add.Next = advice.Unavailable(protocol.TextUnheard)
	default:
		add.Next = advice.Unknown(protocol.Code(said.Reason))
	}
	more, err := json.Marshal(add)
	if err != nil {
		return nil, err
	}
	// Both are objects with members.
	return slices.Concat(bytes.TrimSuffix(bytes.TrimSpace(object), []byte("}")), []byte(","), more[1:]), nil
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
