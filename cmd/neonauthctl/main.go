// Neonauthctl asks neonauthd about tokens and administers it, from a terminal
// or a script.
//
// Its exit status is 0 for yes (accepted, done), 1 for no (rejected, with
// proof), 2 for a wrong call, and 3 if it could not tell. It reads a token from
// standard input or a file, never from the command line, which every process of
// the host can read.
package main

import (
	"os"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/internal/program/command"
)

func main() {
	ctx, stop := command.Signals()
	code := run(ctx, os.Args[1:], terminal.Terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
