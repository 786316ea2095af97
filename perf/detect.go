package perf

import (
	"time"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

// DetectorConfig says how a [Detector] judges. The zero value is right for most series.
type DetectorConfig struct {
	// WarmUp is the number of values before the first judgement, 60 if it is 0 or less.
	WarmUp int
}

// Detector judges a series of numbers of which nothing is known beforehand, value by value, by
// those that came before: spikes, shifts of the level, unusual noise and departures from a
// season. It needs about 100 KiB, allocates nothing and never blocks. Make one with
// [NewDetector]. It may not be used concurrently.
type Detector struct{ series *detect.Series }

// Judgement is what a [Detector] says of a value.
type Judgement struct {
	Score    float64   // 0 to 1, higher for what is less likely; above 0.5 one value alone raises an alert
	Alert    bool      // the series is not behaving as it used to, and the value is a part of that
	Learning bool      // too little has been seen to say anything
	Expected float64   // what would have been usual
	Since    time.Time // when the alert began; zero without one
}

// usualScore is the score up to which a value looks like any other. An alert holds on for a
// few values, to see whether more comes; such a one in between or afterwards is no part of it.
const usualScore = 0.02

// NewDetector returns a detector that has seen nothing.
func NewDetector(c DetectorConfig) *Detector {
	rule := detect.DefaultSeriesRule()
	if c.WarmUp > 0 {
		rule.WarmUp = c.WarmUp
	}
	return &Detector{series: detect.NewSeries(&rule)}
}

// Observe judges the next value of the series. The times should ascend; they tell gaps, and
// the hour of the day. A value that is not finite is not judged, and changes nothing.
func (d *Detector) Observe(at time.Time, value float64) Judgement {
	said := d.series.Observe(at, value)
	j := Judgement{Score: said.Score, Learning: said.Phase == detect.Learning, Expected: said.Expected}
	j.Alert = said.Phase == detect.Alerting && said.Score > usualScore
	if j.Alert {
		j.Since = said.Onset
	}
	return j
}
