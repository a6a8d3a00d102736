package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/protocol"
)

// echo is the bare server of the baseline. It is a separate process, as the
// daemon is.
type echo struct {
	path  string
	dir   string
	cmd   *exec.Cmd
	stdin io.Closer
}

// startEcho starts the server, which answers each line with one of the given
// length, its LF included.
func startEcho(ctx context.Context, reply int) (*echo, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the baseline: %w", err)
	}
	dir, err := os.MkdirTemp("", "neonauthctl")
	if err != nil {
		return nil, fmt.Errorf("start the baseline: %w", err)
	}
	e := &echo{dir: dir, path: filepath.Join(dir, "echo.sock")}
	e.cmd = exec.CommandContext(ctx, self, "echo-server", "--listen", e.path, "--reply", strconv.Itoa(reply))
	e.cmd.Args[0] = os.Args[0]
	in, err := e.cmd.StdinPipe()
	if err != nil {
		e.stop()
		return nil, fmt.Errorf("start the baseline: %w", err)
	}
	e.stdin = in
	out, err := e.cmd.StdoutPipe()
	if err == nil {
		err = e.cmd.Start()
	}
	if err == nil {
		_, err = bufio.NewReader(out).ReadString('\n')
	}
	if err != nil {
		e.stop()
		return nil, fmt.Errorf("start the baseline: %w", err)
	}
	return e, nil
}

// stop ends the server by closing its standard input, and waits for it.
func (e *echo) stop() {
	if e.stdin != nil {
		_ = e.stdin.Close()
	}
	if e.cmd.Process != nil {
		_ = e.cmd.Wait()
	}
	_ = os.RemoveAll(e.dir)
}

// echoCommand returns the command of the server. It is hidden: people do not
// call it.
func echoCommand(s *cli.Settings) *cobra.Command {
	var path string
	reply := 3
	cmd := &cobra.Command{
		Use:    "echo-server",
		Short:  "Answer every line with a fixed one, for bench --baseline",
		Hidden: true,
		Args:   cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveEcho(cmd.Context(), s.Terminal, path, reply)
		},
	}
	command.Path(cmd.Flags(), &path, "listen", "", "`path` of the socket")
	command.Number(cmd.Flags(), &reply, "reply", "", 1, protocol.MaxReplyLine, "length of a reply in `bytes`")
	return cmd
}

func serveEcho(ctx context.Context, t terminal.Terminal, path string, reply int) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, t.In)
		_ = l.Close()
	}()
	fmt.Fprintln(t.Out, "ready")
	line := append(bytes.Repeat([]byte{'.'}, max(reply, len("OK \n"))-1), '\n')
	copy(line, "OK ")
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go echoLines(nc, line)
	}
}

// echoLines answers the lines of one connection: one read, one write.
func echoLines(nc net.Conn, reply []byte) {
	defer nc.Close()
	in := make([]byte, 64<<10)
	have := 0
	var out []byte
	for {
		n, err := nc.Read(in[have:])
		if err != nil {
			return
		}
		have += n
		rest := in[:have]
		out = out[:0]
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			if rest[0] == '@' {
				tag, _, _ := bytes.Cut(rest[:min(i, protocol.MaxTag+2)], []byte{' '})
				out = append(append(out, tag...), ' ')
			}
			out = append(out, reply...)
			rest = rest[i+1:]
		}
		if len(rest) == len(in) {
			return // a line longer than any request
		}
		have = copy(in, rest)
		if len(out) == 0 {
			continue
		}
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}
