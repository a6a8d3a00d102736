package folders

import (
	"fmt"
	"io/fs"
	"os"
)

// CheckFile refuses a file that belongs to another user than root or uid, that other users
// may write to, or that is not an ordinary file. In a folder that Check accepts, only root
// or uid can have written a file that CheckFile accepts. path is for the error text.
func CheckFile(path string, info fs.FileInfo, uid int) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no ordinary file", path)
	case CheckOwner(path, info, uid) != nil:
		return CheckOwner(path, info, uid)
	}
	return checkMode(path, info)
}

// checkMode refuses a file that others may write to.
func checkMode(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%w: %s is writable by others; chmod go-w, if you know that nobody has changed it", ErrUnsafe, path)
	}
	return nil
}

// CheckOwner refuses a file of any type that belongs to another user than root or uid.
func CheckOwner(path string, info fs.FileInfo, uid int) error {
	if owner, known := Owner(info); known && owner != 0 && owner != uid {
		to := "root"
		if uid != 0 {
			to = fmt.Sprintf("root or to user %d", uid)
		}
		return fmt.Errorf("%w: %s belongs to another user (%d); chown it to %s, if you know that nobody has changed it", ErrUnsafe, path, owner, to)
	}
	return nil
}

// UserOf returns the user for whom a folder is checked before the program runs that will
// use it: the user of this process, or the owner of the folder if this process is root.
func UserOf(dir string) int {
	uid := os.Geteuid()
	if info, err := os.Stat(dir); err == nil && uid == 0 {
		if owner, known := Owner(info); known {
			return owner
		}
	}
	return uid
}
