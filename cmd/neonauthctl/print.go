package main

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

// printJSON prints a document on one line. A claims object or profile inside it
// keeps its members, their order and the digits of its numbers.
func (s *settings) printJSON(document any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		return fmt.Errorf("the daemon's JSON cannot be read: %T", err)
	}
	_, err := s.out.Write(escapeJSON(text.Bytes()))
	return err
}

// printIndented prints a JSON object over several lines.
func (s *settings) printIndented(object []byte) {
	var text bytes.Buffer
	if err := json.Indent(&text, object, "  ", "  "); err != nil {
		fmt.Fprintln(s.out, "  not valid JSON")
		return
	}
	fmt.Fprintf(s.out, "  %s\n", escapeJSON(text.Bytes()))
}

// escapeJSON replaces what a terminal might obey or a reader might misread
// (controls, text direction) by JSON escapes, which changes no value: such
// runes stand in strings only.
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

// printable makes text from elsewhere fit for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// printRows prints names and values in two columns, indented.
func (s *settings) printRows(rows [][2]string) {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(w, "  %s\t%s\n", row[0], printable(row[1]))
	}
	_ = w.Flush()
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func spanOrNone(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }
