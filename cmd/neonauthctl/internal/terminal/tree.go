package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// node is a JSON value whose objects keep the order of their members.
type node struct {
	names []string // names of an object's members; nil for other values
	items []node   // values of an object or array
	text  string   // any other value, for people
	array bool
}

func (n *node) scalar() bool { return n.names == nil && !n.array }

func parseOrdered(text []byte) (node, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return parseNode(dec)
}

func parseNode(dec *json.Decoder) (node, error) {
	t, err := dec.Token()
	if err != nil {
		return node{}, err
	}
	switch t {
	case json.Delim('{'):
		n := node{names: []string{}}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return node{}, err
			}
			item, err := parseNode(dec)
			if err != nil {
				return node{}, err
			}
			n.names, n.items = append(n.names, fmt.Sprint(name)), append(n.items, item)
		}
		_, err = dec.Token()
		return n, err
	case json.Delim('['):
		n := node{array: true}
		for dec.More() {
			item, err := parseNode(dec)
			if err != nil {
				return node{}, err
			}
			n.items = append(n.items, item)
		}
		_, err = dec.Token()
		return n, err
	case nil:
		return node{}, nil
	}
	return node{text: fmt.Sprint(t)}, nil
}

// PrintTree prints a JSON object: first its plain members in two columns, then
// each inner object and array under its own heading.
func (t *Terminal) PrintTree(object []byte) error {
	n, err := parseOrdered(object)
	if err != nil {
		return fmt.Errorf("the daemon's JSON cannot be read: %T", err)
	}
	w := tabwriter.NewWriter(t.Out, 0, 0, 2, ' ', 0)
	writeTree(w, n, "")
	return w.Flush()
}

func writeTree(w *tabwriter.Writer, n node, indent string) {
	for i, name := range n.names {
		if n.items[i].scalar() {
			fmt.Fprintf(w, "%s%s\t%s\n", indent, Printable(name), human(name, n.items[i].text))
		}
	}
	for i, name := range n.names {
		switch item := n.items[i]; {
		case item.scalar() || len(item.items) == 0:
		case item.array:
			_ = w.Flush()
			fmt.Fprintf(w, "%s%s:\n", indent, Printable(name))
			writeTable(w, item.items, indent+"  ")
			_ = w.Flush()
		default:
			_ = w.Flush()
			fmt.Fprintf(w, "%s%s:\n", indent, Printable(name))
			writeTree(w, item, indent+"  ")
			_ = w.Flush()
		}
	}
}

// below reports whether a member is printed on its own line below its row: what
// a check found, and what it wants.
func below(name string) bool { return name == "is" || name == "wants" }

// maxPassed is how many bytes the line below a check that passed may have. What the check
// wants is left out if it does not fit.
const maxPassed = 100

// passed reports whether a row is a check that found what it wants.
func (n *node) passed() bool {
	i := slices.Index(n.names, "result")
	return i >= 0 && n.items[i].text == "pass"
}

// writeTable prints an array: flat objects as the rows of one table, others one
// after the other.
func writeTable(w *tabwriter.Writer, items []node, indent string) {
	var columns []string
	for _, item := range items {
		for i, name := range item.names {
			if !item.items[i].scalar() {
				writeApart(w, items, indent)
				return
			}
			if !below(name) && !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
		}
		if item.scalar() {
			fmt.Fprintf(w, "%s%s\n", indent, Printable(item.text))
		}
	}
	if columns == nil {
		return
	}
	fmt.Fprintf(w, "%s%s\n", indent, heading(columns))
	for _, item := range items {
		cells := make([]string, len(columns))
		var under []string
		passed := item.passed()
		for i, name := range item.names {
			switch text := human(name, item.items[i].text); {
			case !below(name):
				cells[slices.Index(columns, name)] = text
			case name == "is" || !passed:
				under = append(under, name+": "+text)
			case len(under) > 0 && len(under[0])+len(", wants: ")+len(text) <= maxPassed: // a row that has passed gets one line
				under[0] += ", " + name + ": " + text
			}
		}
		fmt.Fprintf(w, "%s%s\n", indent, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
		for _, line := range under {
			fmt.Fprintf(w, "%s%s  %s\n", indent, strings.Repeat("\t", len(columns)-1), line)
		}
	}
}

func writeApart(w *tabwriter.Writer, items []node, indent string) {
	for i, item := range items {
		if i > 0 {
			fmt.Fprintln(w)
		}
		writeTree(w, item, indent)
		_ = w.Flush()
	}
}

// human formats a value for people. In the protocol, instants are seconds since
// 1970 and durations are seconds; the names tell which is which.
func human(name, text string) string {
	if strings.HasSuffix(name, "p50") || strings.HasSuffix(name, "p99") {
		if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 {
			return Short(time.Duration(seconds * float64(time.Second)))
		}
		return "-"
	}
	var n int64
	if _, err := fmt.Sscanf(text, "%d", &n); err != nil || fmt.Sprint(n) != text {
		return OrNone(Printable(text))
	}
	switch name {
	case "now", "started", "fetched", "next", "exp", "iat", "nbf", "at":
		if n == 0 {
			return "never"
		}
		return Instant(time.Unix(n, 0))
	case "uptime", "keys_age", "keys_next", "retry_after", "age", "ttl":
		return (time.Duration(n) * time.Second).String()
	}
	return text
}

func heading(columns []string) string {
	words := make([]string, len(columns))
	for i, name := range columns {
		words[i] = strings.ToUpper(Printable(name))
	}
	return strings.Join(words, "\t")
}
