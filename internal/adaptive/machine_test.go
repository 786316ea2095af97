package adaptive_test

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/adaptive"
)

const overload = 1 << 20 // more calls than any limit lets through

func TestStart_IsWithinTheBounds(t *testing.T) {
	for _, tc := range []struct{ lowest, highest, want int }{{1, 1000, 20}, {50, 100, 50}, {1, 8, 8}, {20, 20, 20}} {
		s := newWorld(tc.lowest, tc.highest, adaptive.Gradient2).s
		if s.Limit != tc.want || s.Reason != adaptive.Initial {
			t.Errorf("between %d and %d it begins with %d, %v", tc.lowest, tc.highest, s.Limit, s.Reason)
		}
	}
}

func TestNext_SaysWhyTheLimitMoved(t *testing.T) {
	fast := dependency{places: 1000, service: 10 * time.Millisecond}
	slow := dependency{places: 4, service: 10 * time.Millisecond}
	for name, want := range map[string]adaptive.Reason{"gradient2": adaptive.LatencyRose, "Vegas": adaptive.LatencyRose, "AIMD": adaptive.TimedOut} {
		if slow.timeout = 0; want == adaptive.TimedOut {
			slow.timeout = 200 * time.Millisecond
		}
		w := newWorld(1, 200, algorithms[name])
		w.run(fast, 60, 100)
		if w.s.Reason != adaptive.Headroom || w.s.Limit < 60 || w.s.Baseline != 10*time.Millisecond {
			t.Errorf("%s: while there is room: %+v", name, w.s)
		}
		raised := w.s.Since
		for before := w.s.Limit; w.s.Limit >= before && w.now < raised+time.Minute; {
			w.run(slow, overload, 1)
		}
		if w.s.Reason != want || w.s.Since <= raised {
			t.Errorf("%s: under load: %+v, want %v", name, w.s, want)
		}
	}
}

// What was in flight before a probe began says nothing about the latency without load.
func TestNext_AProbeLooksAtCallsThatBeganInIt(t *testing.T) {
	w := newWorld(1, 200, adaptive.Gradient2)
	d := dependency{places: 10, service: 10 * time.Millisecond}
	for w.s.Reason != adaptive.Probe {
		w.one(d, overload)
	}
	for range 200 {
		w.now += time.Millisecond
		w.s = w.m.Next(w.s, adaptive.Sample{Took: time.Second, InFlight: w.s.Limit + 1}, w.now)
	}
	if w.s.Reason != adaptive.Probe {
		t.Fatalf("old calls ended the probe: %+v", w.s)
	}
	w.run(d, overload, 20)
	if w.s.Baseline > 12*time.Millisecond || w.s.Limit < 20 {
		t.Errorf("after the probe: %+v", w.s)
	}
}

// A dependency that still works on calls that were given up looks slow at any limit.
func TestNext_AProbeThatSeesTimeoutsGoesOn(t *testing.T) {
	w := newWorld(1, 200, adaptive.Gradient2)
	d := dependency{places: 10, service: 10 * time.Millisecond}
	for w.s.Reason != adaptive.Probe {
		w.one(d, overload)
	}
	for range 30 {
		w.now += time.Millisecond
		w.s = w.m.Next(w.s, adaptive.Sample{Took: 100 * time.Millisecond, InFlight: 1, TimedOut: true}, w.now)
	}
	w.run(d, overload, 20)
	if w.s.Baseline > 12*time.Millisecond {
		t.Errorf("timeouts became the baseline: %+v", w.s)
	}
}

func TestRebound_KeepsWhatWasLearnt(t *testing.T) {
	w := newWorld(1, 200, adaptive.Gradient2)
	d := dependency{places: 20, service: 10 * time.Millisecond}
	w.run(d, overload, 100)
	before := w.s
	for _, tc := range []struct{ lowest, highest, limit int }{{1, 500, before.Limit}, {1, 30, 30}, {90, 100, 90}} {
		m := adaptive.Machine{Min: tc.lowest, Max: tc.highest, Step: adaptive.Gradient2}
		s := m.Rebound(before, w.now)
		if s.Limit != tc.limit || s.Baseline != before.Baseline || s.Latency != before.Latency {
			t.Errorf("between %d and %d: %+v", tc.lowest, tc.highest, s)
		}
		if moved := tc.limit != before.Limit; moved != (s.Reason == adaptive.Bounds && s.Since == w.now) {
			t.Errorf("between %d and %d: since %v, %v", tc.lowest, tc.highest, s.Since, s.Reason)
		}
	}
}

// Without calls nothing is learnt, and few calls lower nothing.
func TestNext_IdleDoesNotCollapse(t *testing.T) {
	for name, step := range algorithms {
		w := newWorld(1, 200, step)
		d := dependency{places: 50, service: 10 * time.Millisecond, timeout: time.Second}
		w.run(d, overload, 200)
		before := w.s.Limit
		w.now += 10 * time.Hour
		w.forget()
		w.run(d, 1, 1000)
		if w.lowest < before-1 {
			t.Errorf("%s: idle has lowered the limit from %d to %d", name, before, w.lowest)
		}
	}
}
