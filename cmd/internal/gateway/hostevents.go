package gateway

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

const eventPrefix = telemetry.Prefix + "gateway."

// UpstreamEjected says that one of several hosts of a route gets no requests for a while.
type UpstreamEjected struct {
	Route    string
	Upstream string
	Cause    string // "failures" or "rate", by the name of the setting
	Row      int    // failures in a row
	Failures int    // of Attempts, within the window
	Attempts int
	Until    time.Time
	Class    string // of the last failure
	Error    string
	Out      int // hosts that get nothing now
	Hosts    int
}

// UpstreamReturned says that a host gets requests again: its ejection is over, or its check
// passes again. Its share grows for a while.
type UpstreamReturned struct {
	Route    string
	Upstream string
	Cause    string // "ejection_over" or "check_passed"
	Out      int
	Hosts    int
}

// UpstreamCheckFailed says that a host gets no requests because its check fails.
type UpstreamCheckFailed struct {
	Route    string
	Upstream string
	Error    string
	Out      int
	Hosts    int
}

// UpstreamsPanicked says that more than half of the hosts of a route are out, so that all of
// them get requests as if none were; or that this is over.
type UpstreamsPanicked struct {
	Route string
	Over  bool
	Out   int
	Hosts int
}

// LookupChanged says that the hosts of a route are others because the DNS says so, or that it
// answers again.
type LookupChanged struct {
	Route          string
	Name           string
	Added, Removed int
	Hosts          int
	Left           int           // addresses that are not used, because there are too many
	Recovered      time.Duration // for how long there was no good answer; 0 if there was none missing
}

// LookupFailed says that the hosts of a route cannot be looked up. Those that were found before
// stay.
type LookupFailed struct {
	Route string
	Name  string
	Hosts int // that were found before
	Error string
}

// EventName implements [telemetry.Event].
func (UpstreamEjected) EventName() string { return eventPrefix + "upstream_ejected" }

// EventName implements [telemetry.Event].
func (UpstreamReturned) EventName() string { return eventPrefix + "upstream_returned" }

// EventName implements [telemetry.Event].
func (UpstreamCheckFailed) EventName() string { return eventPrefix + "upstream_check_failed" }

// EventName implements [telemetry.Event].
func (UpstreamsPanicked) EventName() string { return eventPrefix + "upstreams_panicked" }

// EventName implements [telemetry.Event].
func (LookupChanged) EventName() string { return eventPrefix + "lookup_changed" }

// EventName implements [telemetry.Event].
func (LookupFailed) EventName() string { return eventPrefix + "lookup_failed" }

// Edge implements [telemetry.Edge].
func (e UpstreamEjected) Edge() (string, fault.Severity) { return e.Route, fault.SeverityWarning }

// Edge implements [telemetry.Edge].
func (e UpstreamReturned) Edge() (string, fault.Severity) { return e.Route, fault.SeverityInfo }

// Edge implements [telemetry.Edge].
func (e UpstreamCheckFailed) Edge() (string, fault.Severity) { return e.Route, fault.SeverityWarning }

// Edge implements [telemetry.Edge].
func (e UpstreamsPanicked) Edge() (string, fault.Severity) {
	if e.Over {
		return e.Route, fault.SeverityInfo
	}
	return e.Route, fault.SeverityError
}

// Edge implements [telemetry.Edge].
func (e LookupChanged) Edge() (string, fault.Severity) {
	if e.Left > 0 {
		return e.Route, fault.SeverityWarning
	}
	return e.Route, fault.SeverityInfo
}

// Edge implements [telemetry.Edge].
func (e LookupFailed) Edge() (string, fault.Severity) { return e.Route, fault.SeverityWarning }

// topics are where the gateway tells of its hosts. The zero value is silent.
type topics struct {
	ejected  telemetry.Topic[UpstreamEjected]
	returned telemetry.Topic[UpstreamReturned]
	unwell   telemetry.Topic[UpstreamCheckFailed]
	panicked telemetry.Topic[UpstreamsPanicked]
	changed  telemetry.Topic[LookupChanged]
	failed   telemetry.Topic[LookupFailed]
}

// Announce makes the gateway emit its events on b from now on.
func (g *Gateway) Announce(b *telemetry.Bus) {
	g.topics.Store(&topics{
		ejected: telemetry.TopicOf[UpstreamEjected](b), returned: telemetry.TopicOf[UpstreamReturned](b), unwell: telemetry.TopicOf[UpstreamCheckFailed](b),
		panicked: telemetry.TopicOf[UpstreamsPanicked](b), changed: telemetry.TopicOf[LookupChanged](b), failed: telemetry.TopicOf[LookupFailed](b),
	})
}

func (g *Gateway) events() *topics {
	if t := g.topics.Load(); t != nil {
		return t
	}
	return &topics{}
}

// teller emits the changes of the hosts of a route.
func (g *Gateway) teller(route string) func(upstreams.Change) {
	return func(c upstreams.Change) {
		t, ctx := g.events(), context.Background()
		switch c.Kind {
		case upstreams.Ejecting:
			t.ejected.Emit(ctx, UpstreamEjected{
				Route: route, Upstream: c.Host, Cause: c.Cause, Row: c.Row, Failures: c.Failures, Attempts: c.Attempts, Until: c.Until,
				Class: c.Error.Class, Error: c.Error.Reason, Out: c.Out, Hosts: c.Hosts,
			})
		case upstreams.Returning:
			t.returned.Emit(ctx, UpstreamReturned{Route: route, Upstream: c.Host, Cause: "ejection_over", Out: c.Out, Hosts: c.Hosts})
		case upstreams.CheckPassing:
			t.returned.Emit(ctx, UpstreamReturned{Route: route, Upstream: c.Host, Cause: "check_passed", Out: c.Out, Hosts: c.Hosts})
		case upstreams.CheckFailing:
			t.unwell.Emit(ctx, UpstreamCheckFailed{Route: route, Upstream: c.Host, Error: c.Check, Out: c.Out, Hosts: c.Hosts})
		case upstreams.Panicking, upstreams.Calm:
			t.panicked.Emit(ctx, UpstreamsPanicked{Route: route, Over: c.Kind == upstreams.Calm, Out: c.Out, Hosts: c.Hosts})
		}
	}
}
