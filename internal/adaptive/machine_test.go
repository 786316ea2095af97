package adaptive_test

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/adaptive"
)

const overload = 1 << 20 // more calls than any limit lets through

func TestStart_IsWithinTheBounds(t *testing.T) {
	for _, tc := range []struct{ lowest, highest, want int }{{1, 1000, 20}, {50, 100, 50}, {1, 8, 8}, {20, 20, 20}} {
		s := newWorld(tc.lowest, tc.highest).s
		if s.Limit != tc.want || s.Reason != adaptive.Initial {
			t.Errorf("between %d and %d it begins with %d, %v", tc.lowest, tc.highest, s.Limit, s.Reason)
		}
	}
}

func TestNext_SaysWhyTheLimitMoved(t *testing.T) {
	fast := dependency{places: 1000, service: 10 * time.Millisecond}
	for _, tc := range []struct {
		name string
		slow dependency
		want adaptive.Reason
	}{
		{"queue", dependency{places: 4, service: 10 * time.Millisecond}, adaptive.LatencyRose},
		{"time limit below what is tolerated", dependency{places: 4, service: 10 * time.Millisecond, timeout: 15 * time.Millisecond}, adaptive.TimedOut},
	} {
		w := newWorld(1, 200)
		w.run(fast, 60, 100)
		if w.s.Reason != adaptive.Headroom || w.s.Limit < 60 || w.s.Baseline != 10*time.Millisecond {
			t.Errorf("while there is room: %+v", w.s)
		}
		raised := w.s.Since
		for before := w.s.Limit; w.s.Limit >= before && w.now < raised+time.Minute; {
			w.run(tc.slow, overload, 1)
		}
		if w.s.Reason != tc.want || w.s.Since <= raised {
			t.Errorf("%s: %+v, want %v", tc.name, w.s, tc.want)
		}
	}
}

// What was in flight before a probe began says nothing about the latency without load.
func TestNext_AProbeLooksAtCallsThatBeganInIt(t *testing.T) {
	w := newWorld(1, 200)
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
	w := newWorld(1, 200)
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
	w := newWorld(1, 200)
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
	w := newWorld(1, 200)
	d := dependency{places: 50, service: 10 * time.Millisecond, timeout: time.Second}
	w.run(d, overload, 200)
	before := w.s.Limit
	w.now += 10 * time.Hour
	w.forget()
	w.run(d, 1, 1000)
	if w.lowest < before-1 {
		t.Errorf("idle has lowered the limit from %d to %d", before, w.lowest)
	}
}

// Without probes, the baseline is that of windows with few calls alone.
func TestNext_Blind(t *testing.T) {
	w := newWorld(1, 200)
	w.m.Blind = true
	d := dependency{places: 10, service: 10 * time.Millisecond}
	w.run(d, 5, 20)
	for range 2000 {
		if w.run(d, overload, 1); w.s.Reason == adaptive.Probe {
			t.Fatalf("got %+v", w.s)
		}
	}
	if w.s.Baseline != 10*time.Millisecond || w.s.Limit > 50 {
		t.Errorf("got %+v", w.s)
	}
}
