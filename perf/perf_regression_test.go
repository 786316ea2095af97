package perf_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
)

// A tick that was not watched from its beginning is not judged: it would have too few calls,
// or what was counted beyond a bound before.
func TestThresholds_ATickThatIsWatchedInPartCountsForNothing(t *testing.T) {
	c := perf.Config{Tick: 10 * time.Second, Thresholds: map[string]perf.Threshold{"op:x": {P90: 250 * time.Millisecond, MinRate: 10, For: 1, Of: 1}}}
	for _, offset := range []int{0, 1, 5, 9} {
		run(t, c, perf.Options{}, func(k *kit) {
			op := k.m.Operation("x")
			second := func() {
				for range 14 { // 1 of 15 calls is slow, in each second
					op.Record(time.Millisecond, outcome.Success)
				}
				op.Record(time.Second, outcome.Success)
				k.seconds(1, nil)
			}
			for range 60 + offset {
				second()
			}
			k.wantAlerts(0, 0)
			k.stop()
			k.serve()
			for range 60 {
				second()
			}
			k.wantAlerts(0, 0)
		})
	}
}

// A looser bound is not broken by what a stricter one counted in the same tick.
func TestThresholds_ALooserBoundStartsAtZero(t *testing.T) {
	c := perf.Config{Tick: 10 * time.Second, Thresholds: map[string]perf.Threshold{"op:x": {P50: 10 * time.Millisecond, For: 4, Of: 4}}}
	run(t, c, perf.Options{}, func(k *kit) {
		op := k.m.Operation("x")
		second := func() {
			for range 10 {
				op.Record(100*time.Millisecond, outcome.Success)
			}
			k.seconds(1, nil)
		}
		for range 28 {
			second()
		}
		c.Thresholds = map[string]perf.Threshold{"op:x": {P50: time.Second, For: 1, Of: 1}}
		if err := k.m.Reconfigure(c); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			second()
		}
		k.wantAlerts(0, 0)
	})
}

// A series is bounded by its points and by its measures: a measure that is asked for again and
// again, and a span that is longer than a duration can say, are refused.
func TestSeries_IsBounded(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.m.Operation("x")
		now := time.Now()
		for name, ask := range map[string]func() (perf.Series, error){
			"a measure twice": func() (perf.Series, error) {
				return k.m.Series("op:x", now.Add(-time.Minute), now, time.Second, slices.Repeat([]string{"rate"}, 2)...)
			},
			"all years there are": func() (perf.Series, error) {
				step := time.Duration(math.MaxInt64) / 3500
				return k.m.Series("op:x", time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), step.Truncate(10*time.Second), "rate")
			},
		} {
			s, err := ask()
			if !errors.Is(err, fault.InvalidArgument) {
				t.Errorf("%s: %d points, %v", name, len(s.Times), err)
			}
		}
	})
}

// What is below an operation that deviates by less than is worth an alert is told: nothing
// else tells it.
func TestMonitor_ADeviationThatIsNoAlertStandsForNone(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		whole, part := k.m.Operation("import"), k.m.Operation("import.parse")
		count := func(o *perf.Operation, calls, failed int) {
			for i := range calls {
				how := outcome.Success
				if i < failed {
					how = outcome.Failure
				}
				o.Record(time.Millisecond, how)
			}
		}
		seconds := func(n, failed, parts int) {
			for range n {
				count(whole, 5000, failed+k.rand.IntN(40))
				count(part, 500, parts+k.rand.IntN(5))
				k.seconds(1, nil)
			}
		}
		seconds(120, 1000, 2)
		k.wantAlerts(0, 0)
		seconds(20, 1180, 100)
		if len(k.triggered) != 1 || k.triggered[0].Operation != "op:import.parse" {
			t.Errorf("%+v, %+v", k.triggered, k.m.Alerts())
		}
	})
}

// words is an error whose text panics.
type words struct{}

func (words) Error() string { panic("on purpose") }

// A sender that ends its goroutine, or whose error has no text, costs one alert and not all
// that come later.
func TestWebhook_ASenderThatMisbehavesEndsNothing(t *testing.T) {
	for name, answer := range map[string]func(context.Context) error{
		"ends its goroutine":   func(context.Context) error { runtime.Goexit(); return nil },
		"an error that panics": func(context.Context) error { return words{} },
	} {
		t.Run(name, func(t *testing.T) {
			h := &hook{answer: answer}
			run(t, quick, perf.Options{Send: h.send}, func(k *kit) {
				k.m.SetWebhook("http://hook")
				k.seconds(120, usualNow())
				k.seconds(60, failingNow())
				if s := k.m.Status().Webhook; s.Failed != 1 || s.LastError == "" {
					t.Errorf("%+v", s)
				}
				h.answer = nil
				k.seconds(60, usualNow())
				if s := k.m.Status().Webhook; s.Delivered != 1 || s.LastError != "" {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// An alert that is being sent when the monitor stops is sent once it runs again, and to the
// address that holds then.
func TestWebhook_WhatIsBeingSentIsNotLost(t *testing.T) {
	h := &hook{answer: func(context.Context) error { return errors.New("503") }}
	run(t, quick, perf.Options{Send: h.send}, func(k *kit) {
		k.m.SetWebhook("http://old")
		k.seconds(120, usualNow())
		for range 30 {
			k.seconds(1, failingNow())
			if k.m.Status().Webhook.LastError != "" {
				break
			}
		}
		k.stop()
		if s := k.m.Status().Webhook; s.Waiting != 1 || s.Failed != 0 {
			t.Errorf("%+v", s)
		}
		h.answer = nil
		k.m.SetWebhook("http://hook")
		k.serve()
		k.seconds(2, nil)
		if s := k.m.Status().Webhook; s.Delivered != 1 || s.Waiting != 0 || len(h.bodies) != 1 {
			t.Errorf("%+v, %q", s, h.bodies)
		}
	})
}
