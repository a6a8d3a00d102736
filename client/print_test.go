package client_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/client"
)

// TestPrintedAnswersHideTheUser: an answer ends up in logs.
func TestPrintedAnswersHideTheUser(t *testing.T) {
	a := client.Accepted{Level: client.LevelClaims, Subject: "canary-subject", JSON: []byte(`{"sub":"canary-subject"}`)}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "answer", a)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "answer", a)
	var answer client.Answer = a
	for _, text := range []string{
		fmt.Sprint(a), fmt.Sprintf("%v", answer), fmt.Sprintf("%+v", a), fmt.Sprintf("%#v", a),
		fmt.Sprintf("%q", answer), logged.String(),
	} {
		if strings.Contains(text, "canary") {
			t.Errorf("shows the user: %s", text)
		}
	}
}

// TestZeroValuesAreUnknown: a value that nobody set means neither yes nor no.
func TestZeroValuesAreUnknown(t *testing.T) {
	if s := (client.Unknown{}).String(); s != "unknown" {
		t.Errorf("the zero Unknown prints as %q", s)
	}
	if (client.Accepted{}).Level == client.LevelClaims || client.Level(0).String() != "none" {
		t.Error("the zero level is a level")
	}
}

// TestForeignTextIsQuotedAndCut: what a daemon sends for people may come from
// anywhere.
func TestForeignTextIsQuotedAndCut(t *testing.T) {
	e := &client.ReplyError{Code: "unavailable", Text: "a\x1b[31m\n\u202e" + strings.Repeat("x", 500)}
	if s := e.Error(); len(s) > 250 || strings.ContainsAny(s, "\x1b\n\u202e") {
		t.Errorf("got %q", s)
	}
}

// TestLookupAllocatesLittle: a lookup over the socket allocates the reply line,
// the answer, two strings, and a little for the end of its context.
func TestLookupAllocatesLittle(t *testing.T) {
	path := listenBare(t)
	c := &client.Client{Socket: path}
	defer c.Close()
	allocations := testing.AllocsPerRun(100, func() {
		if !isAccepted(c.Verify(t.Context(), "a.b.c", client.Deadline(testTimeout))) {
			t.Fatal("not accepted")
		}
	})
	if allocations > 10 {
		t.Errorf("%v allocations", allocations)
	}
}
