package detect_test

import (
	"math"
	"testing"
	"time"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

var start = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

const tick = 10 * time.Second

// feeder gives the alert core one tick after another.
type feeder struct {
	rule  detect.Rule
	state detect.State
	at    time.Time
}

func newFeeder() *feeder {
	return &feeder{rule: detect.DefaultConfig(tick).Latency, at: start}
}

func (f *feeder) observe(e detect.Evidence) detect.Decision {
	f.at = f.at.Add(tick)
	e.At = f.at
	var d detect.Decision
	f.state, d = f.rule.Step(f.state, &e)
	return d
}

// deviate is a tick of 100 calls that is z deviations away, and by a half.
func (f *feeder) deviate(z float64) detect.Decision {
	return f.observe(detect.Evidence{Usable: true, Z: z, Seen: 0.15, Expected: 0.1, Calls: 100})
}

func (f *feeder) calm(n int) (last detect.Decision) {
	for range n {
		last = f.observe(detect.Evidence{Usable: true, Seen: 0.1, Expected: 0.1, Calls: 100})
	}
	return last
}

func TestRule_LearnsBeforeItHasAnOpinion(t *testing.T) {
	f := newFeeder()
	for i := range f.rule.WarmUp - 1 {
		if d := f.deviate(9); d.Phase != detect.Learning || d.Score != 0 {
			t.Fatalf("tick %d: %v with score %v, want learning with 0", i, d.Phase, d.Score)
		}
	}
	if d := f.deviate(9); d.Phase != detect.Normal || d.Change != detect.Learned {
		t.Errorf("after the warm-up: %v, %v, want normal, learned", d.Phase, d.Change)
	}
}

func TestRule_TriggersOnThreeOfFive(t *testing.T) {
	f := newFeeder()
	f.rule.Limit = 0
	f.calm(40)
	for i, z := range []float64{4, 0, 4, 0} {
		if d := f.deviate(z); d.Phase != detect.Normal {
			t.Fatalf("tick %d: %v, want normal", i, d.Phase)
		}
	}
	if d := f.deviate(4); d.Change != detect.Triggered || d.Cause != detect.Repeated {
		t.Errorf("third tick of five: %v by %v, want triggered by repeated", d.Change, d.Cause)
	}
}

func TestRule_NamesTheNumbersThatDecided(t *testing.T) {
	f := newFeeder()
	f.calm(40)
	onset := f.at.Add(tick)
	var d detect.Decision
	for range 3 {
		d = f.deviate(4.5)
	}
	want := detect.Decision{
		Phase: detect.Alerting, Change: detect.Triggered, Cause: detect.Repeated, Z: 4.5, Score: d.Score,
		Seen: 0.15, Expected: 0.1, Onset: onset, Ticks: 3, Calls: 300,
	}
	if d != want {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
}

func TestRule_AddsUpSmallDeviations(t *testing.T) {
	f := newFeeder()
	f.calm(40)
	for i := range 12 {
		if d := f.deviate(2); d.Change == detect.Triggered {
			if i != 7 || d.Cause != detect.Lasting || d.Ticks != 8 {
				t.Errorf("triggered at tick %d by %v after %d, want the eighth by lasting", i, d.Cause, d.Ticks)
			}
			return
		}
	}
	t.Error("twelve ticks of two deviations triggered nothing")
}

func TestRule_OneOutlierTriggersNothing(t *testing.T) {
	for _, z := range []float64{5, 50, math.Inf(1), math.NaN()} {
		f := newFeeder()
		f.calm(40)
		for range 20 {
			if d := f.deviate(z); d.Phase != detect.Normal {
				t.Fatalf("z %v: %v, want normal", z, d.Phase)
			}
			f.calm(6)
		}
	}
}

func TestRule_SmallEffectsTriggerNothing(t *testing.T) {
	for name, e := range map[string]detect.Evidence{
		"relative": {Usable: true, Z: 9, Seen: 0.119, Expected: 0.1, Calls: 100},
		"absolute": {Usable: true, Z: 9, Seen: 0.0019, Expected: 0.001, Calls: 100},
		"calls":    {Usable: true, Z: 9, Seen: 0.2, Expected: 0.1, Calls: 0},
	} {
		f := newFeeder()
		f.calm(40)
		for range 100 {
			if d := f.observe(e); d.Phase != detect.Normal {
				t.Errorf("%s: %v, want normal", name, d.Phase)
				break
			}
		}
	}
}

func TestRule_ResolvesWhenCalmAndNotBeforeItsTime(t *testing.T) {
	f := newFeeder()
	f.calm(40)
	for range 3 {
		f.deviate(4.5)
	}
	for i := range f.rule.Keep - 1 {
		if d := f.calm(1); d.Phase != detect.Alerting {
			t.Fatalf("calm tick %d: %v, want alerting for at least %d", i, d.Phase, f.rule.Keep)
		}
	}
	if d := f.deviate(2); d.Phase != detect.Alerting {
		t.Fatalf("a tick that is not calm resolved the alert: %v", d.Phase)
	}
	if d := f.calm(4); d.Phase != detect.Alerting {
		t.Fatalf("four calm ticks: %v, want alerting", d.Phase)
	}
	d := f.calm(1)
	if d.Change != detect.Resolved || d.Phase != detect.Normal {
		t.Errorf("five calm ticks: %v, %v, want resolved, normal", d.Phase, d.Change)
	}
	if d.Cause != detect.Repeated || d.Ticks == 0 || d.Onset.IsZero() {
		t.Errorf("a resolution names the alert that ends, got %+v", d)
	}
	if d := f.calm(1); !d.Onset.IsZero() || d.Ticks != 0 || d.Cause != detect.NoCause {
		t.Errorf("after the resolution nothing deviates, got %+v", d)
	}
}

func TestRule_AcceptsALevelThatLasts(t *testing.T) {
	f := newFeeder()
	f.calm(40)
	for i := range f.rule.AcceptAfter + 10 {
		if d := f.deviate(4.5); d.Change == detect.Accepted {
			if want := f.rule.AcceptAfter + 2; i != want {
				t.Errorf("accepted at tick %d, want %d", i, want)
			}
			return
		}
	}
	t.Error("a level that lasts was never accepted")
}

func TestRule_ResolvesWithoutCalls(t *testing.T) {
	f := newFeeder()
	f.calm(40)
	for range 3 {
		f.deviate(4.5)
	}
	for i := range f.rule.StaleAfter - 1 {
		if d := f.observe(detect.Evidence{}); d.Phase != detect.Alerting {
			t.Fatalf("silent tick %d: %v, want alerting", i, d.Phase)
		}
	}
	if d := f.observe(detect.Evidence{}); d.Change != detect.Resolved {
		t.Errorf("after %d silent ticks: %v, want resolved", f.rule.StaleAfter, d.Change)
	}
}

func TestRule_CorrelatedTicksCountLess(t *testing.T) {
	f := newFeeder()
	f.calm(40)
	for range 50 {
		e := detect.Evidence{Usable: true, Z: 2, Correlation: 0.6, Seen: 0.15, Expected: 0.1, Calls: 100}
		if d := f.observe(e); d.Phase != detect.Normal {
			t.Fatalf("%v, want normal: two deviations of correlated ticks are one", d.Phase)
		}
	}
}
