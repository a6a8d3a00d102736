package folders

import (
	"fmt"
	"io/fs"
	"os"
)

// CheckFile refuses a file that another user than root or uid has made, that others may
// write to, or that is no ordinary one. In a folder that Check takes, what passes was
// written by root or uid alone. path is for the words of the error.
func CheckFile(path string, info fs.FileInfo, uid int) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no ordinary file", path)
	case CheckOwner(path, info, uid) != nil:
		return CheckOwner(path, info, uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%w: %s is writable by others; chmod go-w, if you know that nobody has changed it", ErrUnsafe, path)
	}
	return nil
}

// CheckOwner refuses what is of another user than root or uid, whatever it is.
func CheckOwner(path string, info fs.FileInfo, uid int) error {
	if owner, known := Owner(info); known && owner != 0 && owner != uid {
		return fmt.Errorf("%w: %s belongs to another user (%d)", ErrUnsafe, path, owner)
	}
	return nil
}

// UserOf is the user for whom a folder is judged before the program runs that is to use
// it: the user of this process or, for root, who asks for others, the folder's owner.
func UserOf(dir string) int {
	uid := os.Geteuid()
	if info, err := os.Stat(dir); err == nil && uid == 0 {
		if owner, known := Owner(info); known {
			return owner
		}
	}
	return uid
}
