package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/document"
	"github.com/neonauthd/neonauthd/protocol"
)

func fleetCommand(s *cli.Settings) *cobra.Command {
	return &cobra.Command{
		Use:   "fleet",
		Short: "Show the hosts of the fleet, as this host sees them",
		Long: `Fleet shows whether this host hears its fleet, and the state of the other hosts.

Exit codes: 0 this host hears its fleet, or is in none, 2 called wrongly, 3 it does not hear it, or could not tell.`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return showFleet(s, cmd) },
	}
}

// fleetView is the part of FLEET's reply that is shown to people.
type fleetView struct {
	Name      string `json:"name"`
	Host      string `json:"host"`
	Connected bool   `json:"connected"`
	Heard     int64  `json:"heard"`
	Refuses   bool   `json:"refuses"`
	Cursor    string `json:"cursor"`
	Marks     int    `json:"marks"`
	Lacking   int    `json:"lacking"`
	OldNames  int    `json:"old_names"`
	Hosts     []struct {
		Host     string `json:"host"`
		ID       string `json:"id"`
		Version  string `json:"version"`
		State    string `json:"state"`
		Age      int64  `json:"age"`
		Cursor   string `json:"cursor"`
		Disagree int64  `json:"disagree"`
		OldKey   bool   `json:"old_key"`
	} `json:"hosts"`
}

func showFleet(s *cli.Settings, cmd *cobra.Command) error {
	r, err := ask(s, cmd, protocol.FLEET)
	if err != nil {
		return err
	}
	var v fleetView
	if err := json.Unmarshal(r.Rest, &v); err != nil {
		return errors.New("the daemon's account of the fleet cannot be read")
	}
	if s.JSON {
		if err := s.PrintJSON(json.RawMessage(r.Rest)); err != nil {
			return err
		}
	} else {
		printFleet(s, &v)
	}
	if v.Name != "" && !v.Connected {
		return cli.ExitUnknown
	}
	return nil
}

func printFleet(s *cli.Settings, v *fleetView) {
	if v.Name == "" {
		fmt.Fprintln(s.Out, "this host is in no fleet: its configuration has no [fleet] table")
		return
	}
	heard := "now"
	switch {
	case v.Connected:
	case v.Heard < 0:
		heard = "never since it joined"
	default:
		heard = ago(v.Heard)
	}
	if v.Refuses {
		heard += "; accepts nothing until it hears it (when_blind)"
	}
	rows := [][2]string{
		{"fleet", v.Name}, {"this host", v.Host + confirmed(v.Cursor)}, {"hears the fleet", heard},
		{"marks", fmt.Sprintf("revocations and purges: %d, still to be told: %d", v.Marks, v.Lacking)},
	}
	if v.OldNames > 0 {
		rows = append(rows, [2]string{"old key", strconv.Itoa(v.OldNames) + " marks are still kept under it: do not remove it yet"})
	}
	for _, h := range v.Hosts {
		text := h.State + ", " + ago(h.Age) + confirmed(h.Cursor)
		if h.Version != "" {
			text += ", version " + h.Version
		}
		if h.Disagree > 0 {
			text += ", has kept other marks for " + (time.Duration(h.Disagree) * time.Second).String()
		}
		if h.OldKey {
			text += ", seals under another key than our first"
		}
		name := h.Host
		if name == "" {
			name = h.ID
		}
		rows = append(rows, [2]string{name, text})
	}
	s.PrintRows(rows)
}

// confirmed says up to which entry of the log a host has confirmed; "" without a cursor,
// as for a host whose records do not open under this host's keys.
func confirmed(cursor string) string {
	if cursor == "" {
		return ""
	}
	return ", has confirmed " + cursor
}

func ago(seconds int64) string { return (time.Duration(seconds) * time.Second).String() + " ago" }

// readReach reads on how many hosts of a fleet a change is in force; nil if
// there is no fleet.
func readReach(r *protocol.Reply) (*document.Reach, error) {
	if _, ok := r.Fields.Get(protocol.FieldReached); !ok {
		return nil, nil
	}
	var reach document.Reach
	for _, f := range []struct {
		name string
		to   *int64
	}{{protocol.FieldReached, &reach.Reached}, {protocol.FieldOf, &reach.Of}, {protocol.FieldSilent, &reach.Silent}} {
		if _, ok := r.Fields.Get(f.name); !ok && f.name == protocol.FieldSilent {
			continue
		}
		n, err := number(r, f.name)
		if err != nil {
			return nil, err
		}
		*f.to = n
	}
	raw, _ := r.Fields.Get(protocol.FieldFleet)
	reach.Blind = string(raw) == protocol.FleetBlind
	return &reach, nil
}

// tellReach prints on how many hosts a change is in force. It returns "could
// not tell" unless all hosts are known to have the change.
func tellReach(s *cli.Settings, reach *document.Reach) error {
	if reach == nil {
		return nil
	}
	if !s.JSON {
		text := fmt.Sprintf("in force on %d of %d hosts", reach.Reached, reach.Of)
		if reach.Silent > 0 {
			text += fmt.Sprintf(", %d silent and perhaps accepting", reach.Silent)
		}
		if reach.Blind {
			text += "; this host does not hear the fleet, and tells the others when it does"
		} else if reach.Reached < reach.Of {
			text += "; the others are told when they can be reached"
		}
		fmt.Fprintln(s.Out, text)
	}
	if reach.Blind || reach.Silent > 0 || reach.Reached < reach.Of {
		return cli.ExitUnknown
	}
	return nil
}
