package detect_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

// run feeds rows five minutes apart and returns those that are alerts.
func run(t *testing.T, rows int, value func(r *rand.Rand, i int) float64) (alerts []int) {
	t.Helper()
	rule := detect.DefaultSeriesRule()
	s := detect.NewSeries(&rule)
	r := rand.New(rand.NewPCG(11, 3))
	for i := range rows {
		d := s.Observe(start.Add(time.Duration(i)*5*time.Minute), value(r, i))
		if d.Score < 0 || d.Score > 1 || math.IsNaN(d.Score) {
			t.Fatalf("row %d: score %v", i, d.Score)
		}
		if d.Phase == detect.Alerting {
			alerts = append(alerts, i)
		}
	}
	return alerts
}

var normals = map[string]func(r *rand.Rand, i int) float64{
	"constant":      func(*rand.Rand, int) float64 { return 42 },
	"zero":          func(*rand.Rand, int) float64 { return 0 },
	"noise":         func(r *rand.Rand, _ int) float64 { return 10 + r.NormFloat64() },
	"large":         func(r *rand.Rand, _ int) float64 { return 1e15 + 1e12*r.NormFloat64() },
	"small":         func(r *rand.Rand, _ int) float64 { return 1e-12 * (5 + r.NormFloat64()) },
	"trend":         func(r *rand.Rand, i int) float64 { return 0.05*float64(i) + r.NormFloat64() },
	"daily season":  func(r *rand.Rand, i int) float64 { return 50 + 10*math.Sin(2*math.Pi*float64(i)/288) + r.NormFloat64() },
	"rounded":       func(r *rand.Rand, _ int) float64 { return math.Round(5 + 0.3*r.NormFloat64()) },
	"regular spike": func(r *rand.Rand, i int) float64 { return r.NormFloat64() + 20*float64(max(0, i%60-58)) },
}

func TestSeries_IsQuietAboutWhatIsNormal(t *testing.T) {
	for name, value := range normals {
		if alerts := run(t, 4000, value); len(alerts) > 8 {
			t.Errorf("%s: %d of 4000 rows are alerts, first %d", name, len(alerts), alerts[0])
		}
	}
}

func TestSeries_FindsWhatIsNot(t *testing.T) {
	const at, rows = 3000, 3400
	noise := func(i int, r *rand.Rand) float64 { return 50 + 10*math.Sin(2*math.Pi*float64(i)/288) + r.NormFloat64() }
	for name, tt := range map[string]struct {
		within int // rows until it must be found
		value  func(x float64, r *rand.Rand) float64
		last   int
	}{
		"spike":     {0, func(x float64, _ *rand.Rand) float64 { return x + 12 }, 1},
		"dip":       {0, func(x float64, _ *rand.Rand) float64 { return x - 12 }, 1},
		"shift":     {10, func(x float64, _ *rand.Rand) float64 { return x + 6 }, 80},
		"noise":     {20, func(x float64, r *rand.Rand) float64 { return x + 5*r.NormFloat64() }, 60},
		"no season": {80, func(float64, *rand.Rand) float64 { return 50 }, 200},
	} {
		alerts := run(t, rows, func(r *rand.Rand, i int) float64 {
			x := noise(i, r)
			if i >= at && i < at+tt.last {
				return tt.value(x, r)
			}
			return x
		})
		found, wrong := -1, 0
		for _, i := range alerts {
			if i >= at && found < 0 {
				found = i
			}
			if i < at || i > at+tt.last+60 {
				wrong++
			}
		}
		if wrong > 10 {
			t.Errorf("%s: %d rows are alerts that should not be", name, wrong)
		}
		if found < 0 || found > at+tt.within {
			t.Errorf("%s: found at row %d, want within %d of %d", name, found, tt.within, at)
		}
	}
}

func TestSeries_AcceptsALevelThatLasts(t *testing.T) {
	rule := detect.DefaultSeriesRule()
	s := detect.NewSeries(&rule)
	r := rand.New(rand.NewPCG(1, 1))
	var last detect.Decision
	changes := map[detect.Change]int{}
	for i := range 2000 {
		x := 10 + r.NormFloat64()
		if i >= 1000 {
			x += 10
		}
		last = s.Observe(start.Add(time.Duration(i)*time.Minute), x)
		changes[last.Change]++
	}
	if last.Phase != detect.Normal || changes[detect.Triggered] != 1 || changes[detect.Accepted] != 1 {
		t.Errorf("a thousand rows after a shift: %v, %v, want one alert that was accepted", last.Phase, changes)
	}
}

func TestSeries_ValuesThatSayNothingChangeNothing(t *testing.T) {
	rule := detect.DefaultSeriesRule()
	a, b := detect.NewSeries(&rule), detect.NewSeries(&rule)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 1500 {
		at := start.Add(time.Duration(i) * time.Minute)
		x := r.NormFloat64()
		if i%7 == 0 {
			bad := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[i%3]
			if d := a.Observe(at, bad); d.Change != detect.Unchanged || d.Score != 0 {
				t.Fatalf("row %d: %v is %v with score %v", i, bad, d.Change, d.Score)
			}
		}
		if got, want := a.Observe(at, x), b.Observe(at, x); got.Score != want.Score || got.Phase != want.Phase {
			t.Fatalf("row %d: %+v, without the bad values %+v", i, got, want)
		}
	}
}

func TestSeries_TimesMayBeAnything(t *testing.T) {
	rule := detect.DefaultSeriesRule()
	s := detect.NewSeries(&rule)
	r := rand.New(rand.NewPCG(1, 1))
	at := start
	for i := range 3000 {
		switch i % 100 {
		case 10: // the same again
		case 20:
			at = at.Add(-time.Hour)
		case 30:
			at = at.Add(30 * 24 * time.Hour)
		case 40:
			at = time.Time{}
		case 50:
			at = start.AddDate(200, 0, 0)
		default:
			at = at.Add(time.Minute)
		}
		if d := s.Observe(at, r.NormFloat64()); math.IsNaN(d.Score) {
			t.Fatalf("row %d: no score", i)
		}
	}
}

func TestSeries_ObserveAllocatesNothing(t *testing.T) {
	rule := detect.DefaultSeriesRule()
	s := detect.NewSeries(&rule)
	i := 0
	observe := func() {
		i++
		s.Observe(start.Add(time.Duration(i)*time.Minute), math.Sin(float64(i)/30)+float64(i*7919%101)/100)
	}
	for range 3000 {
		observe()
	}
	if n := testing.AllocsPerRun(2000, observe); n != 0 {
		t.Errorf("%v allocations for a row, want 0", n)
	}
}

func BenchmarkSeries(b *testing.B) {
	rule := detect.DefaultSeriesRule()
	s := detect.NewSeries(&rule)
	r := rand.New(rand.NewPCG(1, 1))
	at := start
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at = at.Add(5 * time.Minute)
		s.Observe(at, 100+10*math.Sin(2*math.Pi*float64(i)/288)+r.NormFloat64())
	}
}
