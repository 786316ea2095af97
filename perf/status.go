package perf

import (
	"cmp"
	"slices"
	"time"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

// Status is what a monitor knows at one moment.
type Status struct {
	Config                 Config // in force, with defaults
	Running                bool
	Operations             int
	Learning, Normal, Idle int // of them; the others have alerts
	Firing                 int // alerts
	Webhook                WebhookStats
	WebhookSet             bool
	UnknownNames           []string // that the settings name and no operation has
}

// Standing is what is known of an operation.
type Standing string

// The standings of an operation.
const (
	Idle     Standing = "idle"     // it was never called
	Learning Standing = "learning" // what is normal is not known yet
	Normal   Standing = "normal"
	Alerting Standing = "alerting"
)

// OperationStatus is what is known of one operation, and what it did in a window.
type OperationStatus struct {
	Name   string
	Kind   string // "guard", "route", "pool" or "operation"
	Within []string
	State  Standing
	// WarmUpLeft is for how much longer it must have calls before it is judged; 0 once it is.
	WarmUpLeft time.Duration
	// NormalLatency, NormalErrors and NormalRate are what is normal: a high quantile of the
	// durations, a share, calls a second. They are 0 while they are learned.
	NormalLatency time.Duration
	NormalErrors  float64
	NormalRate    float64
	Threshold     *Threshold // set by hand, with defaults
	Objectives    []ObjectiveStatus
	Alerts        []Alert // that are on
	Window        *Snapshot
	// Latest is what it did in the last [LatestSpan], as far as seconds are kept.
	Latest Counts
	// Reasons are why calls of the window did not succeed, as far as the source of the
	// operation tells and for at most the last [ReasonsKept].
	Reasons []ReasonCount
}

// ObjectiveStatus is one half of an objective: how many calls it allows to break it, and how
// many have.
type ObjectiveStatus struct {
	Measure string // "success" or "latency"
	Target  float64
	Bound   time.Duration // of the latency
	Period  time.Duration
	// Spent is the share of what is allowed in the period that its calls have used up: above
	// 1 the objective is missed.
	Spent float64
	// Burn is how many times faster than allowed it is used up at present, by the shortest
	// window.
	Burn float64
}

// Status returns a picture of the monitor.
func (m *Monitor) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{Config: m.config, Running: m.running, Operations: len(m.order), Webhook: m.webhook.status(), WebhookSet: m.webhook.isSet()}
	for _, o := range m.order {
		switch o.standing() {
		case Learning:
			s.Learning++
		case Normal:
			s.Normal++
		case Idle:
			s.Idle++
		case Alerting:
		}
	}
	for _, a := range m.currentLocked() {
		if a.State == Firing {
			s.Firing++
		}
	}
	for _, name := range m.config.Names() {
		if _, known := m.known[name]; !known {
			s.UnknownNames = append(s.UnknownNames, name)
		}
	}
	return s
}

func (o *operation) standing() Standing {
	switch {
	case o.watches.alerting():
		return Alerting
	case o.data == nil:
		return Idle
	case o.watches.phases[detect.KindLatency] == detect.Learning && o.watches.phases[detect.KindErrors] == detect.Learning:
		return Learning
	}
	return Normal
}

// LatestSpan is how far back [OperationStatus.Latest] reaches: long enough for a rate that does
// not jump, short enough to be now.
const LatestSpan = 5 * time.Second

// EachOperation calls yield with each operation as [Monitor.Operations] lists them, in no
// order. What it hands out is used again: it is valid until yield returns. So a look at a
// thousand operations, once a second, makes no garbage of a thousand histograms.
func (m *Monitor) EachOperation(window time.Duration, yield func(*OperationStatus)) {
	m.mu.Lock()
	order := m.order
	m.mu.Unlock()
	snapshot := new(Snapshot)
	for _, o := range order {
		*snapshot = Snapshot{}
		m.mu.Lock()
		s := m.statusLocked(o, window, snapshot)
		m.mu.Unlock()
		yield(&s)
	}
}

// Operations lists all operations with what they did in the last window, in the order of
// their names.
func (m *Monitor) Operations(window time.Duration) []OperationStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]OperationStatus, 0, len(m.order))
	for _, o := range m.order {
		out = append(out, m.statusLocked(o, window, new(Snapshot)))
	}
	slices.SortFunc(out, func(a, b OperationStatus) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// OperationStatus returns what is known of one operation, and what it did in the last window; [fault.NotFound] if there is none of this name.
func (m *Monitor) OperationStatus(name string, window time.Duration) (OperationStatus, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, err := m.findLocked(name)
	if err != nil {
		return OperationStatus{}, err
	}
	return m.statusLocked(o, window, new(Snapshot)), nil
}

// statusLocked fills the empty snapshot with the window.
func (m *Monitor) statusLocked(o *operation, window time.Duration, into *Snapshot) OperationStatus {
	w := &o.watches
	s := OperationStatus{Name: o.Name, Kind: o.Kind, Within: slices.Clone(o.Within), State: o.standing(), Window: into, Latest: m.latestLocked(o)}
	to := time.Unix(m.now+1, 0)
	m.windowLocked(o, to.Add(-window), to, s.Window)
	s.Reasons = m.reasonsLocked(o, to.Add(-window), to)
	s.Window.shift(m.offsetLocked())
	if w.phases[detect.KindLatency] != detect.Learning {
		s.NormalLatency = time.Duration(w.normal[detect.KindLatency] * float64(time.Second))
	}
	if w.phases[detect.KindErrors] != detect.Learning {
		s.NormalErrors = w.normal[detect.KindErrors]
	}
	if w.phases[detect.KindThroughput] != detect.Learning {
		s.NormalRate = w.normal[detect.KindThroughput]
	}
	if s.State == Learning || s.State == Idle {
		s.WarmUpLeft = max(m.config.Tick, m.config.WarmUp-time.Duration(w.ticks)*m.config.Tick)
	}
	if w.hand != nil {
		t := w.hand.Threshold
		s.Threshold = &t
	}
	for _, p := range w.promises {
		s.Objectives = append(s.Objectives, p.status(m.now))
	}
	for k := range w.alerts {
		if w.alerts[k].on {
			s.Alerts = append(s.Alerts, w.alerts[k].alert)
		}
	}
	return s
}

func (m *Monitor) latestLocked(o *operation) (c Counts) {
	if o.data == nil {
		return c
	}
	for t := m.now - int64(LatestSpan/time.Second) + 1; t <= m.now; t++ {
		if s, kept := o.data.seconds.get(t, m.now); kept {
			c = c.plus(s.counts())
		}
	}
	return c
}

func (p *promise) status(second int64) ObjectiveStatus {
	s := ObjectiveStatus{Measure: p.measure, Target: p.target, Bound: p.bound, Period: p.period, Spent: p.spent(second)}
	if len(p.burns) > 0 {
		ring := &p.burns[0].ring
		ring.advance(second)
		s.Burn = p.rate(ring.sum(burnSlots)) * p.filled(second, p.burns[0].window)
	}
	return s
}

// Alerts lists the alerts that are on, those that want somebody first, and behind them those
// that have ended, the newest first.
func (m *Monitor) Alerts() []Alert {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.currentLocked()
	slices.SortStableFunc(out, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.State, b.State), -a.TriggeredAt.Compare(b.TriggeredAt), cmp.Compare(a.Operation, b.Operation))
	})
	for _, a := range slices.Backward(m.past) {
		out = append(out, a)
	}
	return out
}

func (m *Monitor) currentLocked() (out []Alert) {
	for _, o := range m.order {
		for k := range o.watches.alerts {
			if a := &o.watches.alerts[k]; a.on {
				out = append(out, a.alert)
			}
		}
	}
	return out
}
