package guard_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/retry"
)

// by is hedging by a percentile.
func by(percentile int) *guard.Hedge {
	return &guard.Hedge{After: guard.HedgeAfter{Percentile: percentile}}
}

// takes returns a function whose attempts of a call take the given times in turn.
func takes(times ...time.Duration) func(context.Context) (int, error) {
	parts := make([]part, len(times))
	for i, d := range times {
		parts[i].takes = d
	}
	return play(new(atomic.Int32), parts...)
}

// learn makes calls that take from 1 to 100 ms, each as many times.
func learn(t *testing.T, g *guard.Guard, rounds int) {
	t.Helper()
	for range rounds {
		for ms := range 100 {
			d := time.Duration(ms+1) * time.Millisecond
			if _, err := guard.DoHedged(t.Context(), g, twice, takes(d, d)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestHedge_ThePercentileIsThatOfTheLastMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: by(90)})
		learn(t, g, 1)
		<-time.After(time.Second)
		h := g.Status().Hedges
		if h.Delay < 90*time.Millisecond || h.Delay > 93*time.Millisecond || h.Samples != 100 || h.MinSamples != 100 {
			t.Fatalf("%+v", h)
		}
		if refused := h.Refused[guard.HedgeFewSamples]; refused != 100 {
			t.Errorf("%d calls had too few samples", refused)
		}
		if n, err := guard.DoHedged(t.Context(), g, twice, takes(time.Hour, time.Millisecond)); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		<-time.After(time.Minute)
		if h := g.Status().Hedges; h.Delay != 0 || h.Samples != 0 {
			t.Errorf("a minute later %+v", h)
		}
	})
}

func TestHedge_APercentileIsNeverBelowTheFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: by(50)})
		for range 200 {
			_, _ = guard.DoHedged(t.Context(), g, twice, takes(time.Microsecond))
		}
		<-time.After(time.Second)
		if h := g.Status().Hedges; h.Delay != time.Millisecond {
			t.Errorf("%+v", h)
		}
	})
}

// One call in ten hangs, and its hedge answers at once. The percentile must not follow the
// fast hedges down.
func TestHedge_HedgesDoNotLowerThePercentile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: by(80), Retry: &retry.Config{Budget: 1}})
		learn(t, g, 2)
		for i := range 2000 {
			d := 10*time.Millisecond + time.Duration(i%100)*time.Millisecond
			if i%10 == 9 {
				d = 10 * time.Second
			}
			if _, err := guard.DoHedged(t.Context(), g, twice, takes(d, time.Millisecond)); err != nil {
				t.Fatal(err)
			}
		}
		h := g.Status().Hedges
		if h.Delay < 90*time.Millisecond || h.Delay > 105*time.Millisecond {
			t.Errorf("%+v", h)
		}
		if share := float64(h.Started) / 2000; share > 0.4 {
			t.Errorf("%.2f of the calls are hedged", share)
		}
	})
}

// All calls become ten times as slow, and so do their hedges. The percentile follows.
func TestHedge_ThePercentileFollowsADependencyThatIsWhollySlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: by(95), Timeout: 2 * time.Second})
		learn(t, g, 2)
		slow := func(rounds int) {
			for range rounds {
				var calls sync.WaitGroup
				for range 10 {
					calls.Go(func() {
						if _, err := guard.DoHedged(t.Context(), g, twice, takes(time.Second, time.Second)); err != nil {
							t.Error(err)
						}
					})
				}
				calls.Wait()
			}
		}
		slow(60)
		before := g.Status().Hedges
		if before.Delay < time.Second {
			t.Errorf("%+v", before)
		}
		slow(10)
		if h := g.Status().Hedges; h.Started != before.Started {
			t.Errorf("hedged again: %+v", h)
		}
	})
}

// What the samples are: good attempts, and as much as is known of those that lost or ran out
// of time.
func TestHedge_WhatIsASample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: by(95), Timeout: time.Second})
		sample := func(want int, call guard.Call, fn func(context.Context) (int, error)) {
			t.Helper()
			before := g.Status().Hedges.Samples
			_, _ = guard.DoHedged(t.Context(), g, call, fn)
			<-time.After(300 * time.Millisecond)
			if got := g.Status().Hedges.Samples - before; got != want {
				t.Errorf("%d samples, want %d", got, want)
			}
		}
		down := func(context.Context) (int, error) { return 0, errDown }
		sample(1, twice, takes(time.Millisecond))
		sample(0, guard.Call{}, takes(time.Millisecond))
		sample(0, twice, down)
		learn(t, g, 3)
		<-time.After(300 * time.Millisecond)
		sample(1, twice, takes(time.Millisecond))
		sample(0, twice, down)
		sample(1, twice, takes(500*time.Millisecond, time.Millisecond)) // lost
		sample(1, twice, takes(time.Hour, time.Hour))                   // timed out
		_ = g.DoCall(t.Context(), twice, succeed)
		sample(0, guard.Call{}, takes(time.Millisecond))
	})
}

func TestHedge_AChangeKeepsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: by(95)})
		learn(t, g, 1)
		<-time.After(time.Second)
		for _, cfg := range []guard.Config{{Hedge: by(50)}, {Hedge: by(50), Mode: mode.Shadow}, {}, {Hedge: after(time.Hour, 1)}, {Hedge: by(50)}} {
			if err := g.Reconfigure(cfg); err != nil {
				t.Fatal(err)
			}
		}
		if h := g.Status().Hedges; h.Delay < 50*time.Millisecond || h.Delay > 52*time.Millisecond || h.Samples != 100 {
			t.Errorf("%+v", h)
		}
		var runs atomic.Int32
		_, err := guard.DoHedged(t.Context(), g, twice, play(&runs, part{takes: time.Second, err: errDown}, part{takes: time.Minute, err: errDown}))
		if !errors.Is(err, errDown) || runs.Load() != 2 {
			t.Errorf("%v after %d runs", err, runs.Load())
		}
	})
}
