package program

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestErrorsHaveTheirExitStatusThroughWhateverWrapsThem(t *testing.T) {
	for want, err := range map[int]error{
		0:           nil,
		ExitFailure: errors.New("x"),
		ExitUsage:   fmt.Errorf("y: %w", Usage("x")),
		ExitConfig:  errors.Join(errors.New("y"), ConfigError{errors.New("x")}),
	} {
		if got := ExitStatus(err); got != want {
			t.Errorf("%v: status %d, want %d", err, got, want)
		}
	}
	cause := errors.New("x")
	if err := (ConfigError{cause}); !errors.Is(err, cause) || err.Error() != "x" {
		t.Error(err)
	}
	if err := (UsageError{cause}); !errors.Is(err, cause) || err.Error() != "x" {
		t.Error(err)
	}
}

func TestAVersionNamesReleaseAndCommit(t *testing.T) {
	if got := Version("neonauthd", "1.2.3", "abc"); !strings.HasPrefix(got, "neonauthd 1.2.3 (commit abc, go1.") {
		t.Error(got)
	}
	if got := Version("neonauthd", "dev", ""); strings.Contains(got, "commit ,") {
		t.Error(got)
	}
}
