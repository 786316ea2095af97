package detect_test

import (
	"math"
	"testing"
	"time"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

// bounds are buckets from 1 ms, two for each doubling, and one without a bound.
func bounds() []float64 {
	var upper []float64
	for b := 0.001; b < 100; b *= math.Sqrt2 {
		upper = append(upper, b)
	}
	return append(upper, math.Inf(1))
}

// service is an operation whose ticks a test composes.
type service struct {
	op    *detect.Operation
	upper []float64
	at    time.Time
	tick  detect.Tick
}

func newService() *service {
	c := detect.DefaultConfig(tick)
	upper := bounds()
	return &service{
		op: detect.NewOperation(&c, upper), upper: upper, at: start,
		tick: detect.Tick{Buckets: make([]uint64, len(upper))},
	}
}

// observe is a tick of calls that take d, one in twenty of them four times as long.
func (s *service) observe(calls, errors uint64, d float64) detect.Decisions {
	clear(s.tick.Buckets)
	slow := calls / 20
	s.tick.Buckets[s.bucket(d)] += calls - slow
	s.tick.Buckets[s.bucket(4*d)] += slow
	s.at = s.at.Add(tick)
	s.tick.At, s.tick.Calls, s.tick.Errors = s.at, calls, errors
	return s.op.Observe(&s.tick)
}

func (s *service) bucket(d float64) int {
	for i, upper := range s.upper {
		if d <= upper {
			return i
		}
	}
	return len(s.upper) - 1
}

func (s *service) learn(t *testing.T, calls uint64) {
	t.Helper()
	for range 100 {
		s.observe(calls, 0, 0.02)
	}
	for kind, d := range s.observe(calls, 0, 0.02) {
		if d.Phase != detect.Normal {
			t.Fatalf("%v after 100 ticks: %v, want normal", detect.Kind(kind), d.Phase)
		}
	}
}

func TestOperation_FindsWhatChanged(t *testing.T) {
	for name, tt := range map[string]struct {
		kind           detect.Kind
		calls, errors  uint64
		d              float64
		seen, expected float64 // bounds, 10 % around
	}{
		"slow":   {detect.KindLatency, 200, 0, 0.06, 0.063, 0.0225},
		"errors": {detect.KindErrors, 200, 20, 0.02, 0.1, 0.0001},
		"drop":   {detect.KindThroughput, 100, 0, 0.02, 100, 200},
		"none":   {detect.KindThroughput, 0, 0, 0.02, 0, 200},
	} {
		s := newService()
		s.learn(t, 200)
		for i := range 2 {
			ds := s.observe(tt.calls, tt.errors, tt.d)
			for kind, d := range ds {
				alerting := d.Phase == detect.Alerting
				if want := i == 1 && detect.Kind(kind) == tt.kind; alerting != want {
					t.Errorf("%s, tick %d: %v is %v", name, i, detect.Kind(kind), d.Phase)
				}
			}
			if d := ds[tt.kind]; i == 1 && (d.Ticks != 2 || d.Calls != 2*tt.calls || d.Onset != s.at.Add(-tick)) {
				t.Errorf("%s: since %v, %d ticks, %d calls, want two ticks of %d calls", name, d.Onset, d.Ticks, d.Calls, tt.calls)
			}
			if d := ds[tt.kind]; i == 1 && (!near(d.Seen, tt.seen) || !near(d.Expected, tt.expected)) {
				t.Errorf("%s: seen %v against %v, want about %v against %v", name, d.Seen, d.Expected, tt.seen, tt.expected)
			}
		}
	}
}

// near allows for half a bucket.
func near(got, want float64) bool { return math.Abs(got-want) <= 0.25*want }

func TestOperation_AnIncidentDoesNotBecomeTheBaseline(t *testing.T) {
	s := newService()
	s.learn(t, 200)
	before := s.observe(200, 0, 0.02)
	for range 300 {
		s.observe(100, 20, 0.06)
	}
	during := s.observe(100, 20, 0.06)
	for kind, d := range during {
		if d.Phase != detect.Alerting {
			t.Errorf("%v after 300 ticks: %v, want alerting", detect.Kind(kind), d.Phase)
		}
		if expected := before[kind].Expected; math.Abs(d.Expected-expected) > 0.05*expected+0.001 {
			t.Errorf("%v: the baseline moved from %v to %v", detect.Kind(kind), expected, d.Expected)
		}
	}
	for range 40 {
		s.observe(200, 0, 0.02)
	}
	for kind, d := range s.observe(200, 0, 0.02) {
		if d.Phase != detect.Normal {
			t.Errorf("%v after the incident: %v, want normal", detect.Kind(kind), d.Phase)
		}
	}
}

func TestOperation_ALevelThatLastsIsAcceptedAndVisible(t *testing.T) {
	s := newService()
	s.learn(t, 200)
	accepted := [detect.Kinds]int{}
	for i := range 400 {
		for kind, d := range s.observe(100, 0, 0.06) {
			if d.Change == detect.Accepted {
				accepted[kind] = i
			}
		}
	}
	if accepted[detect.KindLatency] < 360 || accepted[detect.KindThroughput] < 360 {
		t.Errorf("accepted at ticks %v, want latency and throughput after an hour", accepted)
	}
	for kind, d := range s.observe(100, 0, 0.06) {
		if d.Phase != detect.Normal {
			t.Errorf("%v at the new level: %v, want normal", detect.Kind(kind), d.Phase)
		}
	}
	for range 3 {
		s.observe(50, 0, 0.2)
	}
	ds := s.observe(50, 0, 0.2)
	if ds[detect.KindLatency].Phase != detect.Alerting || ds[detect.KindThroughput].Phase != detect.Alerting {
		t.Error("a further deviation from the accepted level is not found")
	}
}

func TestOperation_OneCallATick(t *testing.T) {
	s := newService()
	s.learn(t, 2)
	for i := range 1000 {
		for kind, d := range s.observe(uint64(1+i%2), 0, 0.02) {
			if d.Phase != detect.Normal {
				t.Fatalf("tick %d: %v is %v, want normal", i, detect.Kind(kind), d.Phase)
			}
		}
	}
	for i := range 20 {
		if s.observe(1, 1, 0.02)[detect.KindErrors].Phase == detect.Alerting {
			if i < 9 {
				t.Errorf("alert after %d calls, want ten at least", i+1)
			}
			return
		}
	}
	t.Error("twenty failed calls of twenty are no alert")
}

func TestOperation_WithoutCallsNothingIsKnown(t *testing.T) {
	s := newService()
	for range 1000 {
		for kind, d := range s.observe(0, 0, 0) {
			if d.Phase != detect.Learning || d.Score != 0 {
				t.Fatalf("%v: %v with score %v, want learning with 0", detect.Kind(kind), d.Phase, d.Score)
			}
		}
	}
}

func TestOperation_ObserveAllocatesNothing(t *testing.T) {
	s := newService()
	s.learn(t, 200)
	i := 0
	if n := testing.AllocsPerRun(500, func() {
		i++
		s.observe(200, uint64(i%100), 0.02)
	}); n != 0 {
		t.Errorf("%v allocations for one observation, want 0", n)
	}
}

func TestOperation_AChangeOfThresholdsLosesNothing(t *testing.T) {
	s := newService()
	s.learn(t, 200)
	c := detect.DefaultConfig(tick)
	c.Throughput.MinRelative = 0.9
	s.op.Configure(&c)
	for range 20 {
		if d := s.observe(100, 0, 0.02)[detect.KindThroughput]; d.Phase != detect.Normal {
			t.Fatalf("half the calls: %v, want normal: only a tenth is worth an alert", d.Phase)
		}
	}
	c.Throughput.MinRelative = 0.2
	s.op.Configure(&c)
	if d := s.observe(100, 0, 0.02)[detect.KindThroughput]; d.Phase != detect.Alerting || d.Ticks != 21 {
		t.Errorf("after the change: %v over %d ticks, want alerting over all 21", d.Phase, d.Ticks)
	}
}
