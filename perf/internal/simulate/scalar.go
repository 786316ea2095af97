package simulate

import (
	"math"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

// rowTicks is the number of ticks in one row of a scalar series.
const rowTicks = 6

// Scalar is how the detector for plain numbers did.
type Scalar struct {
	Days              int // of all series
	Incidents, Found  int
	Alerts, Explained int
}

// Add adds other results.
func (s *Scalar) Add(o *Scalar) {
	s.Days += o.Days
	s.Incidents += o.Incidents
	s.Found += o.Found
	s.Alerts += o.Alerts
	s.Explained += o.Explained
}

// Recall is the share of incidents that were found.
func (s *Scalar) Recall() float64 { return float64(s.Found) / float64(max(s.Incidents, 1)) }

// Precision is the share of alerts that an incident explains.
func (s *Scalar) Precision() float64 { return float64(s.Explained) / float64(max(s.Alerts, 1)) }

// RunScalar watches the mean latency, the error ratio and the number of calls of a service,
// each as a series with a row a minute, under incidents that this series shows.
func RunScalar(p *Profile, days int, seed uint64) Scalar {
	var sum Scalar
	for kind, of := range [detect.Kinds][]Kind{
		detect.KindLatency: {Step, Ramp, Spike, DeployShift}, detect.KindErrors: {ErrorBurst}, detect.KindThroughput: {ThroughputDrop},
	} {
		s := runSeries(p, detect.Kind(kind), days, seed, Plan(p, days, seed, of...))
		sum.Add(&s)
	}
	return sum
}

func runSeries(p *Profile, kind detect.Kind, days int, seed uint64, plan []Incident) Scalar {
	service := NewService(p, seed)
	rule := detect.DefaultSeriesRule()
	series := detect.NewSeries(&rule)
	s := Scalar{Days: days, Incidents: len(plan)}
	found := make([]bool, len(plan))
	current := 0
	var row means
	for n := range days * Day {
		for current < len(plan) && n >= plan[current].End()+Day/24 {
			current++
		}
		var load Load
		if current < len(plan) {
			load = plan[current].At(n)
		}
		tick := service.Next(load)
		if row.add(tick); row.ticks < rowTicks {
			continue
		}
		d := series.Observe(tick.At, row.value(kind))
		row = means{}
		if d.Change != detect.Triggered {
			continue
		}
		s.Alerts++
		// What ends is a change, too: the alert for it belongs to the incident.
		if current < len(plan) && n >= plan[current].Start {
			s.Explained++
			if n < plan[current].End()+rowTicks {
				found[current] = true
			}
		}
	}
	for _, f := range found {
		if f {
			s.Found++
		}
	}
	return s
}

// means adds up the ticks of a row.
type means struct {
	ticks         int
	calls, errors uint64
	seconds       float64
}

func (m *means) add(t *detect.Tick) {
	m.ticks++
	m.calls += t.Calls
	m.errors += t.Errors
	for i, n := range t.Buckets {
		m.seconds += float64(n) * 0.0001 * math.Exp2(float64(i)/2)
	}
}

func (m *means) value(kind detect.Kind) float64 {
	switch kind {
	case detect.KindErrors:
		return float64(m.errors) / float64(max(m.calls, 1))
	case detect.KindThroughput:
		return float64(m.calls)
	default:
		return m.seconds / float64(max(m.calls, 1))
	}
}
