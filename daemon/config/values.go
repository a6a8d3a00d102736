package config

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/internal/nearest"
	"github.com/neonauthd/neonauthd/internal/span"
)

// Duration is a time.Duration written as a string such as "60s", "48h" or "7d".
type Duration time.Duration

// Wants is what the string must be.
func (Duration) Wants() string { return `a duration such as "500ms", "60s", "5m", "48h" or "7d"` }

// UnmarshalText reads what span.Parse reads; negative durations are refused.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := span.Parse(string(text))
	if err != nil {
		return errors.New("must be " + d.Wants())
	}
	if v < 0 {
		return errors.New("must not be negative")
	}
	*d = Duration(v)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the duration as the configuration spells it.
func (d Duration) String() string { return span.String(time.Duration(d)) }

// Bytes is a size written as a string with a binary unit: "64MiB", "1GiB".
type Bytes int64

var byteUnits = []struct {
	suffix string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}}

// Wants is what the string must be.
func (Bytes) Wants() string { return `a size such as "64MiB" (B, KiB, MiB or GiB; at most 1024GiB)` }

// UnmarshalText reads a whole number followed by B, KiB, MiB or GiB.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := string(text)
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		var n int64
		if _, err := fmt.Sscanf(digits, "%d", &n); err != nil || fmt.Sprint(n) != digits || n < 0 || n > (1<<40)/u.factor {
			break
		}
		*b = Bytes(n * u.factor)
		return nil
	}
	return errors.New("must be " + b.Wants())
}

// MarshalText is the inverse of UnmarshalText.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String is the size in the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range []int{2, 1, 0} {
		if unit := byteUnits[u]; b != 0 && int64(b)%unit.factor == 0 {
			return fmt.Sprintf("%d%s", int64(b)/unit.factor, unit.suffix)
		}
	}
	return fmt.Sprintf("%dB", int64(b))
}

// LogLevel is slog's level under the protocol's names. The zero value is info.
type LogLevel slog.Level

// levels are the names of levels.
func levels() []string { return []string{"debug", "info", "warn", "error"} }

// Wants is what the string must be.
func (LogLevel) Wants() string { return "debug, info, warn or error" }

// UnmarshalText reads debug, info, warn or error.
func (l *LogLevel) UnmarshalText(text []byte) error {
	switch string(text) {
	case "debug":
		*l = LogLevel(slog.LevelDebug)
	case "info", "":
		*l = LogLevel(slog.LevelInfo)
	case "warn":
		*l = LogLevel(slog.LevelWarn)
	case "error":
		*l = LogLevel(slog.LevelError)
	default:
		return errors.New("must be " + l.Wants() + nearest.Question(string(text), levels(), "", ""))
	}
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (l LogLevel) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// String is the level's name in the configuration.
func (l LogLevel) String() string { return strings.ToLower(slog.Level(l).String()) }

// maxShown bounds how much of a wrong value a message repeats, in bytes.
const maxShown = 128
