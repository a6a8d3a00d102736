package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/internal/program/command/commandtest"
)

func TestTheCommandLineRepeatsNothing(t *testing.T) {
	commandtest.RepeatsNothing(t, func() *cobra.Command {
		return newRoot(&cli.Settings{Terminal: terminal.Terminal{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}})
	})
}
