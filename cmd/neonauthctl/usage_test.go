package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/internal/program/command/commandtest"
)

func TestTheCommandLineRepeatsNothing(t *testing.T) {
	commandtest.RepeatsNothing(t, func() *cobra.Command {
		return newRoot(&settings{terminal: terminal{in: strings.NewReader(""), out: io.Discard, err: io.Discard}})
	})
}
