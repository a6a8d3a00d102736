package client_test

import (
	"io/fs"
	"os"
	"regexp"
	"testing"
)

// TestTestsOfTheOtherClientsDoNotSleep, but for some milliseconds between two looks at what they wait for.
func TestTestsOfTheOtherClientsDoNotSleep(t *testing.T) {
	sleep := regexp.MustCompile(`\bsleep\((?:[1-9]|0?\.0?[1-9])|=> setTimeout\(\w+, |timers/promises`)
	for _, dir := range []string{"node/test", "python/tests"} {
		seen, folder := 0, os.DirFS(dir)
		err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(folder, name)
			if found := sleep.Find(text); found != nil {
				t.Errorf("%s/%s sleeps (%s): wait for the event itself, or give the client a clock", dir, name, found)
			}
			seen++
			return err
		})
		if err != nil || seen < 10 {
			t.Errorf("%s: read %d files, %v", dir, seen, err)
		}
	}
}
