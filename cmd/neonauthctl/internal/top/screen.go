package top

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
)

// The control sequences of the screen (ECMA-48; the alternate screen is
// xterm's, which all current terminals have).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	homeCursor  = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
	bold        = "\x1b[1m"
	red         = "\x1b[1;31m"
	normal      = "\x1b[m"
)

// screen shows the last interval over the whole terminal.
type screen struct {
	out      *os.File
	keyboard *keyboard // nil: standard input is no terminal
	interval time.Duration
	style    style
}

// openScreen switches the terminal to the alternate screen. The key "q" calls
// quit.
func openScreen(ctx context.Context, in, out *os.File, interval time.Duration, quit func()) (*screen, error) {
	s := &screen{out: out, interval: interval, style: style{hasColour()}}
	if in != nil && terminal.IsTerminal(in) {
		k, err := openKeyboard(ctx, in, quit)
		if err != nil {
			return nil, fmt.Errorf("take the terminal: %w", err)
		}
		s.keyboard = k
	}
	if _, err := out.WriteString(enterScreen); err != nil {
		s.close()
		return nil, written(err)
	}
	return s, nil
}

func (s *screen) close() {
	// If the terminal does not take output any more, nothing can be done.
	_, _ = s.out.WriteString(leaveScreen)
	if s.keyboard != nil {
		s.keyboard.close()
	}
}

func (s *screen) first(now *look) error { return s.next(nil, now) }

func (s *screen) next(before, now *look) error {
	width, height := sizeOf(s.out)
	_, err := s.out.WriteString(frame(page(before, now, s.interval, s.style), width, height, s.style))
	return err
}

func bar(ratio float64, width int) string {
	full := int(min(max(ratio, 0), 1)*float64(width) + 0.5)
	return strings.Repeat("#", full) + strings.Repeat(".", width-full)
}

// size formats bytes in the unit that needs few digits.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1fGiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1fMiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1fKiB", float64(n)/(1<<10))
}
