// Neonauthctl asks and steers neonauthd from a terminal or a script.
//
// It exits with 0 when the answer is yes (accepted, done), with 1 when it is no
// (rejected, with proof), with 2 when it was called wrongly and with 3 when it
// could not be told. A token is read from standard input or a file and never
// from the command line, where every process of the host could read it.
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
