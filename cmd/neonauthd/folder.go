package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/internal/folders"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
)

// maxID is the greatest number of a user or a group, or the greatest int where that is
// less. The next number, -1 for the kernel, means "leave it as it is".
const maxID = min(1<<32-2, math.MaxInt)

// folderCommand makes a folder for the daemon's sockets or state. Images need
// it: they have no shell, and in new volumes everybody may write.
func folderCommand() *cobra.Command {
	user, group := os.Geteuid(), os.Getegid()
	cmd := &cobra.Command{
		Use:   "folder PATH...",
		Short: "Make folders for sockets and state that only their user can change",
		Long: `Makes each folder if it is missing, sets its owner and group, and its mode to 0755,
so that nobody else can change it. Use it in containers: everybody may write to a new
volume, and the daemon refuses a folder in which others could replace its socket. Run
it as root before the daemon starts.`,
		Example: `  neonauthd folder --user 65532 --group 65532 /run/neonauthd /var/lib/neonauthd`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return program.Usage("folder takes at least one path (see neonauthd folder --help)")
			}
			for _, path := range args {
				if err := command.CheckPath(path); err != nil {
					return program.UsageError{Err: fmt.Errorf("folder takes paths, and %w", err)}
				}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			var all []error
			for _, path := range args {
				all = append(all, makeFolder(path, user, group))
			}
			return errors.Join(all...)
		},
	}
	command.Number(cmd.Flags(), &user, "user", "", 0, maxID, "`UID` of the owner")
	command.Number(cmd.Flags(), &group, "group", "", 0, maxID, "`GID` of the group")
	return cmd
}

// makeFolder changes only what is not right yet, so it needs no capability but
// the one to change owners, also after a restart. It refuses a path with a link
// that somebody else could have made.
func makeFolder(path string, user, group int) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	path, err := folders.CheckWay(path, os.Geteuid())
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	if info.Mode() != fs.ModeDir|0o755 {
		err = root.Chmod(".", 0o755)
	}
	return errors.Join(err, root.Chown(".", user, group))
}
