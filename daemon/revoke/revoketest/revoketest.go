// Package revoketest makes state directories for tests.
package revoketest

import (
	"errors"
	"time"

	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// Use does with the state directory at path what a run of the daemon does that revokes a
// subject. It returns the error of the start, or nil.
func Use(path string) error {
	dir, err := statedir.Open(path)
	if err != nil {
		return err
	}
	list, err := revoke.Open(dir, revoke.Options{Now: time.Now, Retention: time.Hour})
	if err == nil {
		_, err = list.Revoke(revoke.Mark{Kind: revoke.KindSubject, Project: "main", Value: "u"}, revoke.Origin{}, time.Second, time.Time{})
		err = errors.Join(err, list.Close())
	}
	return errors.Join(err, dir.Close())
}
