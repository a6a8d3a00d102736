package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/document"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/protocol"
)

func revocationsCommand(s *cli.Settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revocations",
		Short: "List the revocations: since when, until when, by whom and why",
		Long: `Revocations lists the revocations on this host, for all projects or for one: since
when, until when, by which user, and the reason that was given. A revocation that
was made on another host of the fleet has no user and no reason here.`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return listRevocations(s, cmd) },
	}
	s.OnlyProjectFlag(cmd)
	return cmd
}

// reasonFault returns what is wrong with a reason; "" if nothing is.
func reasonFault(text string) string {
	switch {
	case credential.Contains(text):
		return "must be a text for people, and this has something in it that looks like a token or a key; have it replaced if others can see your command lines"
	case text == "", len(text) > protocol.MaxReason, !utf8.ValidString(text), strings.ContainsFunc(text, unicode.IsControl):
		return "must be a text for people: one line of 1 to " + strconv.Itoa(protocol.MaxReason) + " bytes"
	}
	return ""
}

// page is one reply to REVOCATIONS.
type page struct {
	Entries     int                   `json:"entries"`
	Revocations []document.Revocation `json:"revocations"`
	More        string                `json:"more"`
}

// maxPages bounds the number of replies for one list. No list of revocations has so
// many.
const maxPages = 1000

func listRevocations(s *cli.Settings, cmd *cobra.Command) error {
	all := document.Revocations{Revocations: []document.Revocation{}}
	after := ""
	for range maxPages {
		r, err := askWith(s, cmd, protocol.REVOCATIONS, protocol.FieldAfter, after)
		if err != nil {
			return err
		}
		var p page
		if err := json.Unmarshal(r.Rest, &p); err != nil {
			return errors.New("the daemon's list of revocations cannot be read")
		}
		all.Revocations = append(all.Revocations, p.Revocations...)
		if after = p.More; after == "" {
			break
		}
	}
	if s.JSON {
		return s.PrintJSON(all)
	}
	printRevocations(s, all.Revocations)
	return nil
}

func printRevocations(s *cli.Settings, all []document.Revocation) {
	if len(all) == 0 {
		fmt.Fprintln(s.Out, "nothing is revoked")
		return
	}
	names := map[uint32]string{}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROJECT\tKIND\tVALUE\tSINCE\tUNTIL\tBY\tREASON")
	for _, r := range all {
		by := "unknown"
		if r.UID != nil {
			if names[*r.UID] == "" {
				names[*r.UID] = userName(*r.UID)
			}
			by = names[*r.UID]
		}
		row := []string{r.Project, r.Kind, r.Value, instant(r.Since, "unknown"), instant(r.Until, "taken back"), by, terminal.OrNone(r.Reason)}
		for i := range row {
			row[i] = terminal.Printable(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
}

func instant(seconds int64, none string) string {
	if seconds == 0 {
		return none
	}
	return terminal.Instant(time.Unix(seconds, 0))
}

// userName returns the name of a user of this host, with the number.
func userName(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(number); err == nil {
		return u.Username + " (" + number + ")"
	}
	return number
}
