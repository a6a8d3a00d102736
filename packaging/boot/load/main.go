// Load asks a daemon the same few questions again and again, over new
// connections and over kept ones, and counts the results. It is the load of the
// boot test, in which daemons are killed, restarted and replaced. A client must
// see no more of that than slow answers.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

const usage = `Usage: load [flags] QUESTIONS    ask until -for has passed or SIGTERM, then print one line of counts
       load [flags] -say LINE    ask one question of any kind, print the reply

QUESTIONS is a file. Each of its lines holds what has to be answered, and a token:
  OK SUBJECT TOKEN
  NO REASON TOKEN

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() { fmt.Fprint(errs, usage); flags.PrintDefaults() }
	socket := flags.String("socket", protocol.DefaultSocket, "`PATH` of the daemon's socket")
	fresh := flags.Int("fresh", 4, "`how many` ask each question on a connection of its own")
	kept := flags.Int("kept", 4, "`how many` keep their connection")
	length := flags.Duration("for", 0, "how long; 0: until SIGTERM")
	pause := flags.Duration("pause", time.Millisecond, "of each between two questions")
	line := flags.String("say", "", "the one `LINE` to say")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *line != "" {
		return say(ctx, out, *socket, *line)
	}
	if flags.NArg() != 1 {
		return errors.New("name one file of questions (see -help)")
	}
	questions, err := readQuestions(flags.Arg(0))
	if err != nil {
		return err
	}
	if *length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *length)
		defer cancel()
	}
	l := &load{socket: *socket, questions: questions, pause: *pause, timeout: time.Minute}
	l.run(ctx, *fresh, *kept)
	return l.tally.report(out)
}

// say prints the reply to one line, and how long it took, connecting included.
func say(ctx context.Context, out io.Writer, socket, line string) error {
	began := time.Now()
	nc, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := nc.SetDeadline(began.Add(time.Minute)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(nc, "%s\n", line); err != nil {
		return err
	}
	reply, err := bufio.NewReader(nc).ReadString('\n')
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s ms: %s", milliseconds(time.Since(began)), reply)
	return nil
}
