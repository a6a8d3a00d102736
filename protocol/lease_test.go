package protocol_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

func TestRevisionHasOneSpelling(t *testing.T) {
	for raw, want := range map[string]protocol.Revision{
		"AAAAAAAAAAA.0":                   {},
		"AAAAAAAAAAE.1":                   {Run: 1, N: 1},
		"__________8.9223372036854775807": {Run: math.MaxUint64, N: math.MaxInt64},
		"gAAAAAAAAAA.10":                  {Run: 1 << 63, N: 10},
		"-_-_-_-_-_8.7":                   {Run: 0xfbffbffbffbffbff, N: 7},
	} {
		if got := string(protocol.AppendRevision([]byte("OK"), want)); got != "OK rev="+raw {
			t.Errorf("%+v is written as %q, want %q", want, got, raw)
		}
		if got, err := protocol.ParseRevision([]byte(raw)); err != nil || got != want {
			t.Errorf("%q is read as %+v, %v, want %+v", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		"", ".", "7", "AAAAAAAAAAA", "AAAAAAAAAAA.", ".7", "AAAAAAAAAA.7", "AAAAAAAAAAAA.7", "AAAAAAAAAAA.-1", "AAAAAAAAAAA.07",
		"AAAAAAAAAAA.9223372036854775808", "AAAAAAAAAAB.7", "AAAAAAAAAA=.7", "AAAAAAAAA+A.7", "AAAAAAAAA\nA.7", "AAAAAAAAAAA.7.7", "AAAAAAAAAAA.7 ",
	} {
		if got, err := protocol.ParseRevision([]byte(raw)); err == nil || got != (protocol.Revision{}) {
			t.Errorf("%q is read as %+v", raw, got)
		}
	}
}

func TestHandlesHaveOneSpelling(t *testing.T) {
	const a, b = "AAAAAAAAAAE", "__________8"
	for raw, want := range map[string][]protocol.Handle{
		a:                     {1},
		a + "," + b:           {1, math.MaxUint64},
		b + "," + a + "," + b: {math.MaxUint64, 1, math.MaxUint64},
	} {
		if got := string(protocol.AppendHandles([]byte("OK"), protocol.FieldHandles, want...)); got != "OK handles="+raw {
			t.Errorf("%v is written as %q, want %q", want, got, raw)
		}
		first := []protocol.Handle{42}
		got, err := protocol.ParseHandles(first, []byte(raw), protocol.MaxHandles)
		if err != nil || !slices.Equal(got, append(first, want...)) {
			t.Errorf("%q is read as %v, %v, want %v", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		"", ",", a + ",", "," + a, a + ",,", a + a, a + "." + b, a + "," + b[:10], a + ", " + b[:10], "AAAAAAAAAAF", "*", a + ",*", a + "\n" + b,
		strings.Repeat(",", protocol.HandleLength), a + "," + strings.Repeat(",", protocol.HandleLength),
	} {
		first := []protocol.Handle{42}
		if got, err := protocol.ParseHandles(first, []byte(raw), protocol.MaxHandles); err == nil || !slices.Equal(got, first) {
			t.Errorf("%q is read as %v", raw, got)
		}
	}
}

func TestHandlesHaveALimit(t *testing.T) {
	for _, most := range []int{1, protocol.MaxHandles, protocol.MaxForget} {
		for n, fits := range map[int]bool{most - 1: most > 1, most: true, most + 1: false} {
			line := protocol.AppendHandles(nil, "h", make([]protocol.Handle, n)...)
			_, raw, _ := strings.Cut(string(line), "=")
			got, err := protocol.ParseHandles(nil, []byte(raw), most)
			if (err == nil) != fits || fits && len(got) != n {
				t.Errorf("of at most %d handles %d are read as %d, %v", most, n, len(got), err)
			}
		}
	}
}

// The longest line of a watch fits into MaxWatchLine. The revision and the most handles take only a small part of the
// space that MaxReplyLine leaves before the JSON.
func TestLinesWithHandlesFit(t *testing.T) {
	line := protocol.AppendHandles([]byte("OK"), protocol.FieldForget, make([]protocol.Handle, protocol.MaxForget)...)
	line = append(protocol.AppendInt(line, protocol.FieldRev, math.MaxInt64), '\n')
	if len(line) > protocol.MaxWatchLine {
		t.Errorf("forgetting %d handles takes %d bytes", protocol.MaxForget, len(line))
	}
	fields := protocol.AppendRevision(nil, protocol.Revision{Run: math.MaxUint64, N: math.MaxInt64})
	fields = protocol.AppendHandles(fields, protocol.FieldHandles, make([]protocol.Handle, protocol.MaxHandles)...)
	if room := protocol.MaxReplyLine - protocol.MaxProfile; len(fields) > room/8 {
		t.Errorf("revision and handles take %d of the %d bytes before the JSON", len(fields), room)
	}
}

func FuzzRevision(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := protocol.ParseRevision(raw)
		if err != nil {
			return
		}
		if got := string(protocol.AppendRevision(nil, r)); got != " rev="+string(raw) {
			t.Fatalf("%q is a second spelling of %q", raw, got)
		}
	})
}

func FuzzHandles(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		handles, err := protocol.ParseHandles(nil, raw, protocol.MaxForget)
		if err != nil {
			return
		}
		if got := string(protocol.AppendHandles(nil, "h", handles...)); got != " h="+string(raw) || len(handles) > protocol.MaxForget {
			t.Fatalf("%q is a second spelling of %q", raw, got)
		}
	})
}
