package perf

import (
	"github.com/elixirscope/foundation/telemetry"
)

var _ telemetry.Source = (*Monitor)(nil)

// The metrics of a monitor.
var (
	descFiring = &telemetry.Desc{
		Name: "foundation_alert_firing", Help: "1 while the operation has an alert of this kind that somebody is to look at: neither silenced nor below another.", Kind: telemetry.Gauge, Labels: []string{"operation", "kind"},
	}
	descTriggered = &telemetry.Desc{
		Name: "foundation_alerts_triggered_total", Help: "Alerts that were triggered, by kind.", Kind: telemetry.Counter, Labels: []string{"kind"},
	}
	descStandings = &telemetry.Desc{
		Name: "foundation_operations", Help: "Operations that are watched, by what is known of them.", Kind: telemetry.Gauge, Labels: []string{"state"},
	}
	descOwnCalls = &telemetry.Desc{
		Name: "foundation_operation_calls_total", Help: "Calls of operations that the program counts by itself, and of routes, by how they ended.", Kind: telemetry.Counter, Labels: []string{"operation", "outcome"},
	}
	descOwnDuration = &telemetry.Desc{
		Name: "foundation_operation_duration_seconds", Help: "Duration of those calls that succeeded.", Kind: telemetry.Histogram, Labels: []string{"operation"},
	}
	descDeliveries = &telemetry.Desc{
		Name: "foundation_webhook_deliveries_total", Help: "Alerts for the webhook, by what became of them.", Kind: telemetry.Counter, Labels: []string{"result"},
	}
	descWaiting = &telemetry.Desc{
		Name: "foundation_webhook_waiting", Help: "Alerts that wait for the webhook.", Kind: telemetry.Gauge,
	}
)

// Collect implements [telemetry.Source]. Guards and pools have metrics of their own.
func (m *Monitor) Collect(emit func(telemetry.Sample)) {
	m.collectAlerts(emit)
	s := m.webhook.status()
	for _, r := range []struct {
		result string
		n      uint64
	}{{"delivered", s.Delivered}, {"failed", s.Failed}, {"dropped", s.Dropped}} {
		emit(telemetry.Sample{Desc: descDeliveries, Labels: []string{r.result}, Value: float64(r.n)})
	}
	emit(telemetry.Sample{Desc: descWaiting, Value: float64(s.Waiting)})
	for _, o := range m.counted() {
		var now telemetry.Calls
		o.Read(&now, 0)
		calls := func(outcome string, n uint64) {
			emit(telemetry.Sample{Desc: descOwnCalls, Labels: []string{o.Name, outcome}, Value: float64(n)})
		}
		calls("success", now.Succeeded)
		calls("failure", now.Failed)
		calls("ignored", now.Ignored)
		emit(telemetry.Sample{Desc: descOwnDuration, Labels: []string{o.Name}, Distribution: &now.Took})
	}
}

// counted lists the operations that have no metrics elsewhere.
func (m *Monitor) counted() (out []Source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.order {
		if o.Kind == ownKind || o.Kind == routeKind {
			out = append(out, o.Source)
		}
	}
	return out
}

// collectAlerts gathers under the lock and emits outside of it.
func (m *Monitor) collectAlerts(emit func(telemetry.Sample)) {
	m.mu.Lock()
	order := m.order
	firing := make([][kindCount]bool, len(order))
	standings := map[Standing]int{}
	for i, o := range order {
		standings[o.standing()]++
		for k := range o.watches.alerts {
			firing[i][k] = o.watches.alerts[k].on && o.watches.alerts[k].alert.State == Firing
		}
	}
	triggered := m.counts
	m.mu.Unlock()
	for i, o := range order {
		for _, k := range Kinds() {
			v := 0.0
			if firing[i][k] {
				v = 1
			}
			emit(telemetry.Sample{Desc: descFiring, Labels: []string{o.Name, k.String()}, Value: v})
		}
	}
	for _, k := range Kinds() {
		emit(telemetry.Sample{Desc: descTriggered, Labels: []string{k.String()}, Value: float64(triggered[k])})
	}
	for _, s := range []Standing{Idle, Learning, Normal, Alerting} {
		emit(telemetry.Sample{Desc: descStandings, Labels: []string{string(s)}, Value: float64(standings[s])})
	}
}
