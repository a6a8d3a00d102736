package program

import "errors"

// The exit statuses of a program that serves.
const (
	ExitFailure = 1  // it could not start, or failed while running
	ExitUsage   = 2  // the command line is wrong
	ExitConfig  = 78 // the configuration is wrong (EX_CONFIG, sysexits.h(3head)); the unit then restarts slowly
)

// UsageError is an error of the command line. It repeats nothing of the command
// line, because that may be a token.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with the command line.
func (e UsageError) Unwrap() error { return e.Err }

// Usage returns a UsageError with a fixed text.
func Usage(text string) UsageError { return UsageError{errors.New(text)} }

// ConfigError is an error in the configuration. A restart does not help.
type ConfigError struct{ Err error }

func (e ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with the configuration.
func (e ConfigError) Unwrap() error { return e.Err }

// ExitStatus returns the exit status for err; 0 for nil.
func ExitStatus(err error) int {
	var usage UsageError
	var config ConfigError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return ExitUsage
	case errors.As(err, &config):
		return ExitConfig
	}
	return ExitFailure
}
