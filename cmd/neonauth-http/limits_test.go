package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/hooks"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/logout"
	"github.com/neonauthd/neonauthd/internal/span"
	"github.com/neonauthd/neonauthd/internal/webhook"
)

// TestTheGuideNamesTheLimits of connections, logouts and webhooks; those of the web servers'
// requests are in package authrequest.
func TestTheGuideNamesTheLimits(t *testing.T) {
	guide, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		fmt.Sprintf("| connections of web servers, of monitors, of senders of logout tokens | %d, %d, %d |", maxConnections, maxMonitors, logout.MaxConnections),
		fmt.Sprintf("| body of a logout | %d bytes |", logout.MaxBody),
		fmt.Sprintf("| time for a logout token, with a restart of the daemon | %s |", span.String(logout.Timeout)),
		fmt.Sprintf("| body of a webhook | %d bytes |", webhook.MaxBody),
		fmt.Sprintf("| id of a delivery | %d bytes |", webhook.MaxID),
		fmt.Sprintf("| signatures of a delivery | %d |", webhook.MaxSignatures),
		fmt.Sprintf("| age of a delivery | %s |", span.String(webhook.Tolerance)),
		fmt.Sprintf("| id of the user of a delivery | %d bytes |", webhook.MaxUser),
		fmt.Sprintf("| projects of webhooks, secrets of one | %d, %d |", hooks.MaxProjects, hooks.MaxSecrets),
	} {
		if !strings.Contains(string(guide), "\n"+row) {
			t.Errorf("the guide lacks %q", row)
		}
	}
}
