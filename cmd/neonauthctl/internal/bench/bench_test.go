package bench

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
)

// TestHistogramIsTrueToWithinItsBuckets compares quantiles with those of the
// sorted durations themselves.
func TestHistogramIsTrueToWithinItsBuckets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, most := range []int64{30, 1000, 1e6, 1e9, 1e12} {
		var h histogram
		var all []time.Duration
		for range 10000 {
			d := time.Duration(r.Int64N(most))
			all = append(all, d)
			h.add(d)
		}
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.99, 0.999, 1} {
			want := all[min(int(q*float64(len(all))), len(all)-1)]
			got := h.quantile(q)
			if got < want || float64(got) > float64(want)*(1+1.0/32)+1 {
				t.Errorf("below %d: quantile %v is %d, the durations say %d", most, q, got, want)
			}
		}
	}
}

func TestHistogramTakesAnyDuration(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{-1, 0, 1, 31, 32, 33, 63, 64, 1<<63 - 1} {
		h.add(d)
		if got := h.quantile(1); got != h.most {
			t.Errorf("after %d the greatest is %d, want %d", d, got, h.most)
		}
	}
	if (&histogram{}).quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
}

// TestAServerThatEndsIsToldOnce, and as what it is, however many connections it had.
func TestAServerThatEndsIsToldOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	server, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		for {
			nc, err := server.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the first request
				_, _ = nc.Read(make([]byte, 1))
				_ = nc.Close()
			}()
		}
	}()
	b := &bench{settings: &cli.Settings{}, connections: 3, depth: 2}
	l, err := b.open(t.Context(), path, b.mix([]string{"aaaa.bbbb.cccccccccccccccccccccccc"}))
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	_, err = l.run(t.Context(), time.Hour)
	if !errors.Is(err, client.ErrBroken) || strings.Count(err.Error(), client.ErrBroken.Error()) != 1 || !strings.HasSuffix(err.Error(), "(3 of 3 connections ended so)") {
		t.Errorf("%v", err)
	}
}

func TestMixHoldsItsShares(t *testing.T) {
	token := "aaaa.bbbb.cccccccccccccccccccccccc"
	b := &bench{settings: &cli.Settings{Project: "main"}, misses: 30, bad: 20}
	m := b.mix([]string{token})
	s := newScript(m, 0, 1)
	var hits, misses, bad int
	seen := map[string]bool{}
	for range 1000 {
		line := s.next(0)
		text, ok := bytes.CutPrefix(line, []byte("VERIFY project=main "))
		if !ok || line[len(line)-1] != '\n' || len(text) != len(token)+1 {
			t.Fatalf("line is %q", line)
		}
		switch {
		case string(text) == token+"\n":
			hits++
		case text[0] == '!':
			bad++
		case strings.HasPrefix(string(text), "aaaa.bbbb.") && strings.HasSuffix(string(text), "cccccccccccccc\n") && !seen[string(text)]:
			misses++
			seen[string(text)] = true
		default:
			t.Fatalf("token is %q", text)
		}
	}
	if hits != 500 || misses != 300 || bad != 200 {
		t.Errorf("%d hits, %d misses, %d bad", hits, misses, bad)
	}
}

func TestMissesNeedASignature(t *testing.T) {
	b := &bench{settings: new(cli.Settings), misses: 1}
	if m := b.mix([]string{"opaque", "a.b.short"}); m.misses != nil {
		t.Error("a token without a signature has a miss")
	}
}
