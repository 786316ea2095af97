package perf

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// Kept is how long windows and series reach back, in steps of ten seconds or longer; those
// of a second reach back five minutes.
const Kept = slots * slotSeconds * time.Second

// Snapshot returns what an operation has counted since its beginning, at the resolution of
// the recorder. It reads the counters themselves, whether the monitor runs or not.
func (m *Monitor) Snapshot(name string) (*Snapshot, error) {
	m.mu.Lock()
	o, err := m.findLocked(name)
	m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var now telemetry.Calls
	o.Read(&now, 0)
	s := &Snapshot{To: time.Now(), Counts: countsOf(&now), sum: now.Took.Total()}
	for i := range s.bucket {
		s.count(i, now.Took.Bucket(i))
	}
	return s, nil
}

// Window returns what an operation did between two times, as far as it is kept. The span
// grows to whole steps of ten seconds: the snapshot says which it is.
func (m *Monitor) Window(name string, from, to time.Time) (*Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, err := m.findLocked(name)
	if err != nil {
		return nil, err
	}
	s := new(Snapshot)
	offset := m.offsetLocked()
	m.windowLocked(o, from.Add(-offset), to.Add(-offset), s)
	s.shift(offset)
	return s, nil
}

// offsetLocked is what callers' times are ahead of the monitor's.
func (m *Monitor) offsetLocked() time.Duration { return time.Duration(m.offset) * time.Second }

// shift gives the span in the time of the wall clock.
func (s *Snapshot) shift(by time.Duration) {
	if !s.To.IsZero() {
		s.From, s.To = s.From.Add(by), s.To.Add(by)
	}
}

func (m *Monitor) windowLocked(o *operation, from, to time.Time, into *Snapshot) {
	first, last, kept := m.slotsLocked(from, to)
	if !kept {
		return
	}
	into.From, into.To = m.spanLocked(first, last)
	if o.data == nil {
		return
	}
	for n := first; n <= last; n++ {
		if o.data.slots.open.number == n {
			into.addOpen(&o.data.slots.open)
		} else if s := o.data.slots.find(n); s != nil {
			into.addSlot(s)
		}
	}
}

// slotsLocked are the numbers of the first and the last slot of a span; kept is false where
// nothing is kept of it.
func (m *Monitor) slotsLocked(from, to time.Time) (first, last int64, kept bool) {
	newest := m.now / slotSeconds
	first = max(floorDiv(from.Unix(), slotSeconds), newest-slots+1)
	last = min(floorDiv(to.Unix()-1, slotSeconds), newest)
	return first, last, !to.Before(from) && last >= first && (last+1)*slotSeconds > m.began
}

func (m *Monitor) spanLocked(first, last int64) (from, to time.Time) {
	return time.Unix(max(first*slotSeconds, m.began), 0), time.Unix(min((last+1)*slotSeconds, m.now+1), 0)
}

// countsLocked is windowLocked without the durations, which take most of its time.
func (m *Monitor) countsLocked(o *operation, from, to time.Time) (c Counts, span float64, kept bool) {
	first, last, kept := m.slotsLocked(from, to)
	if !kept {
		return c, 0, false
	}
	begin, end := m.spanLocked(first, last)
	for n := first; o.data != nil && n <= last; n++ {
		if o.data.slots.open.number == n {
			c = c.plus(o.data.slots.open.Counts)
		} else if s := o.data.slots.find(n); s != nil {
			c = c.plus(s.counts())
		}
	}
	return c, end.Sub(begin).Seconds(), true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Series are measures of an operation over time, aligned: the value of each measure at the
// time of the same index. NaN stands for nothing to be said.
type Series struct {
	From, To time.Time
	Step     time.Duration
	Times    []time.Time // when each step begins
	Measures []string
	Values   [][]float64 // of each measure
}

// Measures lists what a series can be asked for: "rate" in calls a second, "errors" as a
// share, "calls", "failed", "ignored" and "refused" as numbers, "in_flight", the most calls that
// were seen under way at the end of a second, and "mean", "p50", "p90", "p95", "p99" and "p999"
// in seconds.
func Measures() []string {
	return []string{"rate", "errors", "calls", "failed", "ignored", "refused", inFlight, "mean", "p50", "p90", "p95", "p99", "p999"}
}

// maxPoints bounds a series.
const maxPoints = 3600

// Series returns measures of an operation between two times. A step of 0 is chosen: a second
// for spans of at most five minutes that lie within the last five, else as many times ten
// seconds as make at most 360 points. Other steps are a second or a multiple of ten seconds.
// What is asked wrongly is refused with all its faults.
func (m *Monitor) Series(name string, from, to time.Time, step time.Duration, measures ...string) (Series, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, err := m.findLocked(name)
	if err != nil {
		return Series{}, err
	}
	offset := m.offsetLocked()
	if step == 0 {
		step = m.stepLocked(from.Add(-offset), to.Add(-offset))
	}
	if err := checkSeries(name, from, to, step, measures); err != nil {
		return Series{}, err
	}
	from, to = from.Add(-offset), to.Add(-offset)
	s := Series{Step: step, Measures: measures, Values: make([][]float64, len(measures))}
	width := int64(step / time.Second)
	for t := floorDiv(from.Unix(), width) * width; t < to.Unix(); t += width {
		m.pointLocked(o, t, width, &s)
	}
	for i := range s.Times {
		s.Times[i] = s.Times[i].Add(offset)
	}
	s.From, s.To = from.Add(offset).Truncate(step), to.Add(offset)
	if len(s.Times) > 0 {
		s.From, s.To = s.Times[0], s.Times[len(s.Times)-1].Add(step)
	}
	return s, nil
}

func (m *Monitor) stepLocked(from, to time.Time) time.Duration {
	span := to.Sub(from)
	if span <= seconds*time.Second && from.Unix() > m.now-seconds {
		return time.Second
	}
	const most = slots * slotSeconds * time.Second // of a step of ten seconds
	times := max(1, (span+most-1)/most)
	return time.Duration(int64(times) * slotSeconds * int64(time.Second))
}

func checkSeries(name string, from, to time.Time, step time.Duration, measures []string) error {
	var ps fault.Problems
	ps.Require(to.After(from), "to", to.Format(time.RFC3339), "must be after from, %s", from.Format(time.RFC3339))
	ok := step == time.Second || step > 0 && step%(slotSeconds*time.Second) == 0
	ps.Require(ok, "step", step, "must be 1s or a multiple of %ds", slotSeconds)
	if ok && to.After(from) {
		ps.Require((to.Unix()-from.Unix())/int64(step/time.Second) < maxPoints, "step", step, "makes more than %d points of the span; take a longer one", maxPoints)
	}
	ps.Require(len(measures) > 0, "kind", "", "is missing: one or more of %s", strings.Join(Measures(), ", "))
	for i, measure := range measures {
		ps.Require(slices.Contains(Measures(), measure), "kind", measure, "must be one of %s", strings.Join(Measures(), ", "))
		if ps.Require(!slices.Contains(measures[:i], measure), "kind", measure, "is asked for twice"); len(ps) > len(Measures()) {
			break // enough is wrong
		}
	}
	if len(ps) == 0 {
		return nil
	}
	return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Name: name, Message: "there is no such series", Problems: ps})
}

// pointLocked appends the values of one step.
func (m *Monitor) pointLocked(o *operation, t, width int64, s *Series) {
	s.Times = append(s.Times, time.Unix(t, 0))
	value := m.valuesLocked(o, t, width, s.Measures)
	for i, measure := range s.Measures {
		s.Values[i] = append(s.Values[i], value(measure))
	}
}

// valuesLocked returns the values of one step by measure.
func (m *Monitor) valuesLocked(o *operation, t, width int64, measures []string) func(measure string) float64 {
	if width == 1 {
		one, kept := second{}, t <= m.now && t > m.now-seconds
		if o.data != nil {
			one, kept = o.data.seconds.get(t, m.now)
		}
		return func(measure string) float64 {
			if kept && measure == inFlight {
				return o.busy(one.inFlight)
			}
			return one.measure(measure, kept)
		}
	}
	from, to := time.Unix(t, 0), time.Unix(t+width, 0)
	if !slices.ContainsFunc(measures, ofDurations) {
		c, span, kept := m.countsLocked(o, from, to)
		return func(measure string) float64 {
			switch {
			case !kept:
				return math.NaN()
			case measure == inFlight:
				return m.busyLocked(o, from, to)
			}
			return c.measure(measure, span)
		}
	}
	var w Snapshot
	m.windowLocked(o, from, to, &w)
	return func(measure string) float64 {
		if measure == inFlight && !w.To.IsZero() {
			return m.busyLocked(o, from, to)
		}
		return w.measure(measure)
	}
}

// inFlight is the one measure that is no count of what has ended.
const inFlight = "in_flight"

// busy is a number of calls under way, NaN where the part cannot tell.
func (o *operation) busy(n uint16) float64 {
	if o.Kind == ownKind {
		return math.NaN()
	}
	return float64(n)
}

func (m *Monitor) busyLocked(o *operation, from, to time.Time) float64 {
	first, last, _ := m.slotsLocked(from, to)
	if o.data == nil {
		return o.busy(0)
	}
	return o.busy(o.data.busy.max(first, last))
}

// ofDurations reports whether a measure is about how long calls took.
func ofDurations(measure string) bool {
	_, _, is := quantileOf(measure)
	return is || measure == "mean"
}

func (c Counts) measure(name string, span float64) float64 {
	switch name {
	case "rate":
		return float64(c.Calls()) / span
	case "calls":
		return float64(c.Calls())
	case "failed":
		return float64(c.Failed)
	case "ignored":
		return float64(c.Ignored)
	case "refused":
		return float64(c.Refused)
	case "errors":
		if c.Calls() > 0 {
			return c.ErrorRatio()
		}
	}
	return math.NaN()
}

// quantileOf returns the number of a quantile by its name.
func quantileOf(name string) (i int, q float64, is bool) {
	i = slices.Index([]string{"p50", "p90", "p95", "p99", "p999"}, name)
	if i < 0 {
		return 0, 0, false
	}
	return i, Quantiles()[i], true
}

func (s *second) measure(name string, kept bool) float64 {
	if !kept {
		return math.NaN()
	}
	if i, _, is := quantileOf(name); is && s.quantile[i] > 0 {
		return s.took(i).Seconds()
	}
	return s.counts().measure(name, 1)
}

func (s *Snapshot) measure(name string) float64 {
	if s.To.IsZero() {
		return math.NaN() // not kept
	}
	if _, q, is := quantileOf(name); is && s.n > 0 {
		return s.Quantile(q).Seconds()
	}
	if name == "mean" && s.n > 0 {
		return s.Mean().Seconds()
	}
	return s.Counts.measure(name, s.To.Sub(s.From).Seconds())
}
