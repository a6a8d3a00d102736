package advice

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/neonauthd/neonauthd/client"
)

// Socket is the socket that was asked.
type Socket struct {
	Path string
	From string // the source of the path: a flag, a variable, the default
	Flag string // the flag that names another socket
}

const (
	status  = "systemctl status neonauthd"
	journal = "journalctl -u neonauthd -n 20"
)

// NoAnswer returns what to do when the daemon gave no valid answer.
func NoAnswer(err error, s Socket) string {
	tried := fmt.Sprintf("%s is %s", s.Path, s.From)
	switch {
	case errors.Is(err, context.Canceled):
		return "it was interrupted: repeat it"
	case errors.Is(err, context.DeadlineExceeded):
		return "the socket is open and nobody answers: neonauthd is still starting (in a fleet it waits up to 2 seconds for the others), failed to start behind systemd's socket, or hangs: repeat the command, then " + status + ", " + journal
	case errors.Is(err, client.ErrBroken):
		return "the daemon ended the connection: " + journal + " may tell why"
	case errors.Is(err, client.ErrGarbled):
		return "something else listens there, or a daemon of another version: " + tried + "; " + s.Flag + " names another"
	case errors.Is(err, fs.ErrPermission):
		return s.permission()
	case errors.Is(err, fs.ErrNotExist):
		return "there is no socket: " + tried + "; see whether the service runs (" + status + "), or name its socket with " + s.Flag
	case errors.Is(err, syscall.ECONNREFUSED):
		if info, err := os.Stat(s.Path); err == nil && info.Mode().Type() != fs.ModeSocket {
			return "this is no socket: " + tried + "; name the daemon's with " + s.Flag
		}
		return "nobody listens on the socket, so the daemon has ended: " + status + ", " + journal
	case errors.Is(err, client.ErrUnreachable):
		return tried + "; " + s.Flag + " names another"
	}
	return "see whether neonauthd runs (" + status + "): " + tried + "; " + s.Flag + " names another"
}

// permission returns what to do about a socket that this user may not open.
func (s Socket) permission() string {
	info, err := os.Stat(s.Path)
	if err != nil {
		return fmt.Sprintf("the folder %s cannot be entered by this user: see who may with ls -ld", filepath.Dir(s.Path))
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode().Perm()&0o060 != 0o060 {
		return fmt.Sprintf("the socket has mode %04o, so only its owner may ask: use sudo, or see who may with ls -l %s", info.Mode().Perm(), s.Path)
	}
	if stat.Gid == 0 { // nobody is to be made a member of root's group for this
		return "the socket is for root and its group: use sudo, or give the socket to a group of its own (SocketGroup= in its unit, or start neonauthd with that group)"
	}
	gid := strconv.FormatUint(uint64(stat.Gid), 10)
	group, name := gid, "USER"
	if g, err := user.LookupGroupId(gid); err == nil {
		group = g.Name
	}
	if u, err := user.Current(); err == nil {
		name = u.Username
		if all, err := u.GroupIds(); err == nil && slices.Contains(all, gid) {
			return fmt.Sprintf("%s is in the group %s, and this session began before that: sign in anew, or newgrp %s", name, group, group)
		}
	}
	return fmt.Sprintf("the socket is for the group %s: usermod -aG %s %s, then sign in anew", group, group, name)
}
