package upstream

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
	"github.com/neonauthd/neonauthd/internal/program"
)

// TestEveryAnswerTellsTheTime, whatever else it says.
func TestEveryAnswerTellsTheTime(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		header map[string]string
		ask    func(*Client)
		heard  bool
		ahead  time.Duration
	}{
		"a key set":            {200, nil, keys, true, 0},
		"a profile":            {200, nil, me, true, 0},
		"a refusal":            {401, nil, me, true, 0},
		"a failure":            {503, nil, keys, true, 0},
		"a clock ahead":        {200, map[string]string{"Date": "-1h"}, keys, true, time.Hour - time.Second},
		"a clock behind":       {200, map[string]string{"Date": "1h"}, keys, true, -time.Hour},
		"from a cache":         {200, map[string]string{"Date": "-1h", "Age": "3600"}, keys, true, 0},
		"a cache's odd age":    {200, map[string]string{"Date": "-1h", "Age": "-3600"}, keys, true, time.Hour - time.Second},
		"no Date":              {200, map[string]string{"Date": ""}, keys, false, 0},
		"a Date that is none":  {200, map[string]string{"Date": "tomorrow"}, keys, false, 0},
		"a Date in ISO format": {200, map[string]string{"Date": "2026-11-28T12:00:00Z"}, keys, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, wall := clocktest.New(), &clock.Wall{}
			c.Advance(time.Second - time.Duration(c.Now().Nanosecond())) // to a full second, because a Date has no fraction
			config := stackConfig("http://127.0.0.1:9")
			config.Now, config.Wall = c.Now, wall
			client := inMemory(t, config, func(*http.Request) (*http.Response, error) {
				r := response(answer.status, jsonType, `{}`)
				r.Header.Set("Date", c.Right().UTC().Format(http.TimeFormat))
				for key, value := range answer.header {
					if off, err := time.ParseDuration(value); err == nil && key == "Date" {
						value = c.Right().Add(off).UTC().Format(http.TimeFormat)
					}
					r.Header.Set(key, value)
				}
				return r, nil
			})
			answer.ask(client)
			if _, ok := wall.Confirmed(c.Now()); ok != answer.heard {
				t.Errorf("the clock is confirmed: %v, want %v", ok, answer.heard)
			}
			ahead, known := client.ClockAhead()
			if known != answer.heard || ahead != answer.ahead {
				t.Errorf("ahead by %s, known %v; want %s, %v", ahead, known, answer.ahead, answer.heard)
			}
			if client.ClockDiffers() != (answer.ahead != 0) {
				t.Errorf("differs: %v", client.ClockDiffers())
			}
		})
	}
}

func keys(c *Client) { _, _ = c.Keyset(context.Background(), Validators{}) }
func me(c *Client)   { _, _ = profile(c) }

// TestADifferenceOfTheClocksIsToldWhenItBeginsAndWhenItEnds: it is not told
// with each answer, and not below the tolerance.
func TestADifferenceOfTheClocksIsToldWhenItBeginsAndWhenItEnds(t *testing.T) {
	c, log := clocktest.New(), &strings.Builder{}
	config := stackConfig("http://127.0.0.1:9")
	config.Now, config.Logger, config.Name = c.Now, slog.New(program.NewRare(slog.NewTextHandler(log, nil))), "main"
	client := inMemory(t, config, func(*http.Request) (*http.Response, error) {
		r := response(200, jsonType, `{}`)
		r.Header.Set("Date", c.Right().UTC().Format(http.TimeFormat))
		return r, nil
	})
	for _, s := range []struct {
		step         time.Duration
		differs, all int // lines so far: of a difference, of any kind
	}{
		{0, 0, 0},
		{clock.Tolerance - time.Second, 0, 0},
		{3 * time.Second, 1, 1},
		{time.Hour, 1, 1},
		{-time.Hour - clock.Tolerance - 2*time.Second, 1, 2},
		{-3 * time.Second, 1, 2},
	} {
		c.Step(s.step)
		keys(client)
		differs, all := strings.Count(log.String(), "clock differs from the upstream's"), strings.Count(log.String(), "this host's clock")
		if differs != s.differs || all != s.all {
			t.Errorf("after a step of %s: %d and %d lines, want %d and %d:\n%s", s.step, differs, all, s.differs, s.all, log)
		}
	}
}
