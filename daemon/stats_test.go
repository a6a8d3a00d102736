package daemon

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

func TestEveryCodeOfTheProtocolIsCounted(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dial()
	for _, ask := range []string{"VERIFY", "SING", "STATS", "VERIFY project=nowhere x"} {
		k.ask("%s", ask)
	}
	var stats struct {
		Codes map[string]int `json:"codes"`
	}
	_, text, _ := strings.Cut(w.dialAdmin().ask("STATS"), " ")
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		t.Fatal(err)
	}
	for _, code := range []protocol.Code{protocol.CodeBadRequest, protocol.CodeUnknownVerb, protocol.CodeForbidden, protocol.CodeUnknownProject} {
		if stats.Codes[string(code)] != 1 {
			t.Errorf("%s counted %d times, want once", code, stats.Codes[string(code)])
		}
	}
}

func TestOnlyIDsThatATokenCanCarryAreRevoked(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dialAdmin()
	for _, c := range []struct{ value, want string }{
		{"ada", "OK changed=1"},
		{strings.Repeat("a", maxID-1), "OK changed=1"},
		{strings.Repeat("a", maxID), "OK changed=1"},
		{strings.Repeat("a", maxID+1), "ERR bad-request"},
		{"%0A", "ERR bad-request"},
		{"a%00", "ERR bad-request"},
		{"%C2%85", "ERR bad-request"},
		{"%FF%0", "ERR bad-request"},
		{"%FF", "ERR bad-request"},
		{"a%C3", "ERR bad-request"},
	} {
		if reply := k.ask("REVOKE subject %s", c.value); !strings.HasPrefix(reply, c.want) {
			t.Errorf("%.20s: %s, want %s", c.value, reply, c.want)
		}
	}
}
