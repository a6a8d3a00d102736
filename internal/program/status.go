package program

import "errors"

// The exit statuses of a program that serves.
const (
	ExitFailure = 1  // it could not start, or failed while running
	ExitUsage   = 2  // the command line is wrong
	ExitConfig  = 78 // the configuration is wrong (EX_CONFIG, sysexits.h(3head)); the unit then restarts slowly
)

// UsageError is an error that the command line is to blame for. It repeats
// nothing that stood there, because that may be a token.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with the command line.
func (e UsageError) Unwrap() error { return e.Err }

// Usage returns a UsageError with a text, which must be in our own words.
func Usage(text string) UsageError { return UsageError{errors.New(text)} }

// ConfigError is an error that nothing but another configuration mends.
type ConfigError struct{ Err error }

func (e ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with the configuration.
func (e ConfigError) Unwrap() error { return e.Err }

// ExitStatus is what err ends a program with, 0 for nil.
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
