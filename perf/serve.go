package perf

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Serve pulls every second, judges every tick and sends to the webhook, until ctx ends. One
// call at a time may run; another is refused with [fault.Conflict].
func (m *Monitor) Serve(ctx context.Context) error {
	select {
	case m.serving <- struct{}{}:
		defer func() { <-m.serving }()
	default:
		return fault.New(fault.Spec{Code: fault.Conflict, Component: component, Message: "the monitor runs already"})
	}
	m.begin(time.Now())
	defer m.end()
	sending, stop := context.WithCancel(ctx)
	sent := make(chan struct{})
	go func() { defer close(sent); m.webhook.run(sending) }()
	defer func() { stop(); <-sent }()
	return m.watch(ctx)
}

func (m *Monitor) watch(ctx context.Context) error {
	// Seconds are counted from one reading of the wall clock on: a step of it must not make
	// seconds that never were. They never go back, also where it was set back before this.
	start := time.Now()
	ahead := m.ahead(start)
	timer := time.NewTimer(untilNext(start))
	defer timer.Stop()
	m.pull(0) // what was counted before is none of the first second
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		now := time.Now()
		m.step(now, start.Add(now.Sub(start)).Unix()+ahead-1)
		timer.Reset(untilNext(start.Add(time.Since(start))))
	}
}

// untilNext is how long it is to the next whole second.
func untilNext(now time.Time) time.Duration {
	return now.Truncate(time.Second).Add(time.Second).Sub(now)
}

func (m *Monitor) begin(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.began == 0 {
		m.began = now.Unix()
	}
	m.running, m.last, m.partial = true, 0, true
	for _, o := range m.known {
		o.rebase = true
	}
}

func (m *Monitor) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = false
}

// ahead is how many seconds those of the monitor are ahead of the wall clock.
func (m *Monitor) ahead(now time.Time) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(0, m.now+1-now.Unix())
}

// leastStep is from how many seconds on the wall clock is taken to have been set: below, it is
// the time between its second and the monitor's.
const leastStep = 2

// stepped notes by how much the wall clock was set since the monitor began to count seconds.
func (m *Monitor) stepped(now time.Time, second int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if by := now.Unix() - 1 - second; by-m.offset >= leastStep || m.offset-by >= leastStep {
		m.offset = by
	}
}

// step pulls the second that has just ended, and judges the tick if that is over.
func (m *Monitor) step(now time.Time, second int64) {
	m.stepped(now, second)
	m.pull(second)
	m.tell(m.tick(now, second))
}

// pull asks all sources what they have counted.
func (m *Monitor) pull(second int64) {
	m.mu.Lock()
	order := m.order
	m.now = max(m.now, second)
	m.mu.Unlock()
	for _, o := range order {
		if o.pull(&m.pulled, &m.second) {
			m.put(o, second)
		}
	}
}

func (m *Monitor) put(o *operation, second int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o.data == nil {
		o.data = new(recording)
	}
	o.data.put(second, &m.second)
	o.watches.add(second, &m.second)
}

// tick judges what all operations did since the last one, if a tick is over with this
// second, and returns the alerts that began or ended.
func (m *Monitor) tick(now time.Time, second int64) []Alert {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.overLocked(second) {
		return nil
	}
	whole := !m.partial
	m.partial = false
	m.expireSilencesLocked(now)
	var told []Alert
	for _, o := range m.order {
		var tick *open
		if o.data != nil {
			tick = &o.data.tick
		}
		switch {
		case !whole:
			o.watches.skip()
		case tick != nil || o.watches.set() || o.watches.alerting():
			told = append(told, m.judgeLocked(o, tick, now, second)...)
		}
		if tick != nil {
			*tick = open{}
		}
	}
	return told
}

// overLocked reports whether a tick is over with this second.
func (m *Monitor) overLocked(second int64) bool {
	length := int64(m.config.Tick / time.Second)
	number := (second + 1) / length
	if number == m.last || m.last == 0 && (second+1)%length != 0 {
		m.last = number
		return false
	}
	m.last = number
	return true
}

func (m *Monitor) judgeLocked(o *operation, tick *open, now time.Time, second int64) (told []Alert) {
	o.watches.judge(now, second, tick, m)
	for k := range m.judged {
		a := &o.watches.alerts[k]
		ended := a.take(o.Name, Kind(k), m.judged[k].all())
		switch {
		case ended && a.announced:
			told = append(told, m.endLocked(a, now))
		case ended:
			*a = alerting{}
		case a.on:
			told = append(told, m.raiseLocked(o, a, now)...)
		}
	}
	return told
}

// raiseLocked decides who is told of an alert that is on.
func (m *Monitor) raiseLocked(o *operation, a *alerting, now time.Time) []Alert {
	parent, near := m.parentLocked(o, a.alert.Kind)
	silence, silenced := m.silenceOfLocked(o.Name, a.alert.Kind)
	before := a.alert.SuppressedBy
	a.alert.Silence, a.alert.SuppressedBy = silence, ""
	switch {
	case !a.announced && parent != "":
		a.alert.State, a.alert.SuppressedBy = Suppressed, parent
		return nil
	case !a.announced && near != "":
		// The one that it is a part of looks as if it would follow: one alert says it.
		a.alert.State, a.alert.SuppressedBy = Suppressed, near
		return nil
	case !a.announced && before != "" && !a.hot:
		// The other has ended, and this one is about to: it is no alert of its own.
		a.alert.State, a.alert.SuppressedBy = Suppressed, before
		return nil
	case silenced:
		a.alert.State = Silenced
	default:
		a.alert.State = Firing
	}
	if a.announced && (a.notified || silenced) {
		return nil
	}
	if !a.announced {
		a.alert.TriggeredAt = now
		m.counts[a.alert.Kind]++
	}
	first := !a.announced
	a.announced, a.notified = true, !silenced
	if !silenced {
		m.webhook.put(a.alert)
	}
	if !first {
		return nil // the silence is over, and its event was told
	}
	return []Alert{a.alert}
}

// parentLocked returns the operation that this one is a part of and that has the same
// alert, or is about to.
func (m *Monitor) parentLocked(o *operation, k Kind) (firing, near string) {
	for _, name := range o.Within {
		parent, known := m.known[name]
		if !known {
			continue
		}
		switch a := &parent.watches.alerts[k]; {
		case a.on && a.announced:
			return name, ""
		case a.on:
			return a.alert.SuppressedBy, ""
		case a.near:
			near = name
		}
	}
	return "", near
}

// endLocked ends an alert that was announced.
func (m *Monitor) endLocked(a *alerting, now time.Time) Alert {
	a.alert.State, a.alert.ResolvedAt = Resolved, now
	ended := a.alert
	if a.notified {
		m.webhook.put(ended)
	}
	*a = alerting{}
	if len(m.past) >= pastAlerts {
		m.past = append(m.past[:0], m.past[1:]...)
	}
	m.past = append(m.past, ended)
	return ended
}

// tell emits the events of alerts, outside every lock.
func (m *Monitor) tell(alerts []Alert) {
	for i := range alerts {
		if alerts[i].State == Resolved {
			m.topics.resolved.Emit(context.Background(), resolved(&alerts[i]))
		} else {
			m.topics.triggered.Emit(context.Background(), triggered(&alerts[i]))
		}
	}
}
