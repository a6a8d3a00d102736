package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
)

// PrintJSON prints a document on one line. A claims object or profile inside it
// keeps its members, their order and the digits of its numbers.
func (t *Terminal) PrintJSON(document any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		return fmt.Errorf("the daemon's JSON cannot be read: %T", err)
	}
	_, err := t.Out.Write(escapeJSON(text.Bytes()))
	return err
}

// PrintIndented prints a JSON object over several lines.
func (t *Terminal) PrintIndented(object []byte) {
	var text bytes.Buffer
	if err := json.Indent(&text, object, "  ", "  "); err != nil {
		fmt.Fprintln(t.Out, "  not valid JSON")
		return
	}
	fmt.Fprintf(t.Out, "  %s\n", escapeJSON(text.Bytes()))
}

// escapeJSON replaces runes that a terminal might obey or a reader might
// misread (controls, text direction) by JSON escapes. That changes no value,
// because such runes occur only in strings.
func escapeJSON(text []byte) []byte {
	if !bytes.ContainsFunc(text, unprintable) {
		return text
	}
	var out bytes.Buffer
	for _, r := range string(text) {
		switch {
		case !unprintable(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}

func unprintable(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }

// Printable makes foreign text safe for a terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// PrintRows prints names and values in two columns, indented.
func (t *Terminal) PrintRows(rows [][2]string) {
	w := tabwriter.NewWriter(t.Out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(w, "  %s\t%s\n", row[0], Printable(row[1]))
	}
	_ = w.Flush()
}

// OrNone returns s, or "none" if s is empty.
func OrNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Instant formats an instant as RFC 3339 in UTC.
func Instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }
