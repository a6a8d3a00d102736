package statedir

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"syscall"
)

// noteWrite notes how an attempt to replace or remove the file ended.
func (d *Dir) noteWrite(name string, err error) {
	d.notes.Lock()
	defer d.notes.Unlock()
	if err == nil {
		d.unusable = nil
		delete(d.unsaved, name)
		return
	}
	if d.unsaved == nil {
		d.unsaved = map[string]error{}
	}
	d.unsaved[name] = err
}

// GiveUp says that nobody will try again to write the file, so that Unwritten leaves it
// out: its note would stay after the directory is repaired. Whoever calls GiveUp has
// logged what is missing. A nil Dir has no notes.
func (d *Dir) GiveUp(name string) {
	if d == nil {
		return
	}
	d.notes.Lock()
	defer d.notes.Unlock()
	delete(d.unsaved, name)
}

// Unwritten returns why the directory lacks something that should be in it; nil if nothing
// is known to be missing. For each file the last attempt to replace it counts, so that a full
// disk is noticed, until GiveUp; besides, Open and the last call of Writable count, until
// something is written. The text of the error stays the same while the cause does. Unwritten
// does not wait for the disk. A nil Dir lacks nothing.
func (d *Dir) Unwritten() error {
	if d == nil {
		return nil
	}
	d.notes.Lock()
	defer d.notes.Unlock()
	err := d.unusable
	for _, name := range slices.Sorted(maps.Keys(d.unsaved)) {
		err = cmp.Or(err, d.unsaved[name])
	}
	var system syscall.Errno
	if errors.As(err, &system) {
		return system // the rest may name a temporary file
	}
	return err
}
