// Neonauthctl asks neonauthd about tokens and administers it, from a terminal
// or a script.
//
// Its exit status is 0 for yes (accepted, done), 1 for no (rejected, with
// proof), 2 for a wrong call, and 3 if it could not tell. It reads a token from
// standard input or a file, never from the command line, which every process of
// the host can read.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], terminal.Terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
