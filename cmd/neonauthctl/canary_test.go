package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
)

// TestTokensAreInNoOutput calls the program in every way, right and wrong, with
// tokens that contain a mark, and looks for the mark in all output.
func TestTokensAreInNoOutput(t *testing.T) {
	dir, err := os.MkdirTemp("", "na") // t.TempDir would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d, err := startDaemon(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.stop()
	if err := writeTokens(dir); err != nil {
		t.Fatal(err)
	}
	var calls [][]string
	for _, command := range []string{
		"verify", "profile", "explain", "revoke token", "unrevoke token", "purge token", "bench --duration 20ms",
		"bench --duration 20ms --misses 50 --bad 50 --tagged -d 4",
	} {
		for name := range tokens() {
			words := strings.Split(command, " ")
			file := filepath.Join(dir, name)
			calls = append(calls, append(words, "--token-file", file), append(words, "--json", "--token-file", file),
				append(words, "--socket", "/nowhere", "--admin-socket", "/nowhere", "--token-file", file))
		}
	}
	good := tokens()["good"]
	for _, command := range []string{
		"", "verify", "profile", "ping", "hello", "stats", "keys", "explain", "revoke", "revoke token", "revoke subject x",
		"purge all", "purge", "reload", "level", "level info", "bench", "top", "completion", "completion bash", "help",
	} {
		words := strings.Fields(command)
		calls = append(calls, append(words, good), append(words, "--token", good), append(words, "--token="+good),
			append(words, "-"+good), append(words, "--timeout", good), append(words, "--json="+good), append(words, "--"+good))
	}
	accepted := 0
	for _, args := range calls {
		var out, errs bytes.Buffer
		global := []string{"--socket", d.socket, "--admin-socket", d.admin}
		code := run(context.Background(), append(global, args...), terminal.Terminal{In: strings.NewReader(good), Out: &out, Err: &errs})
		if code == int(cli.ExitYes) {
			accepted++
		}
		if text := out.String() + errs.String(); strings.Contains(text, canary) {
			t.Errorf("neonauthctl %s: the token is in the output: %.300s",
				strings.ReplaceAll(strings.Join(args, " "), good, "TOKEN"), strings.ReplaceAll(text, good, "<TOKEN>"))
		}
	}
	if accepted < 10 || len(calls) < 150 {
		t.Errorf("%d of %d calls succeeded: the test does not test", accepted, len(calls))
	}
}
