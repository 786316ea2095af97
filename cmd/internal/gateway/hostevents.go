package gateway

import (
	"context"
	"log/slog"
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

// teller emits the changes of the hosts of a route, and logs each in a line.
func (g *Gateway) teller(route string) func(upstreams.Change) {
	return func(c upstreams.Change) {
		t, ctx := g.events(), context.Background()
		switch c.Kind {
		case upstreams.Ejecting:
			g.tellHost(slog.LevelWarn, "an upstream is ejected", route, &c, slog.String("cause", c.Cause), slog.Int("failures_in_a_row", c.Row),
				slog.Time("until", c.Until), slog.String("class", c.Error.Class), slog.String("error", c.Error.Reason))
			t.ejected.Emit(ctx, UpstreamEjected{
				Route: route, Upstream: c.Host, Cause: c.Cause, Row: c.Row, Failures: c.Failures, Attempts: c.Attempts, Until: c.Until,
				Class: c.Error.Class, Error: c.Error.Reason, Out: c.Out, Hosts: c.Hosts,
			})
		case upstreams.Returning, upstreams.CheckPassing:
			cause := map[upstreams.Kind]string{upstreams.Returning: "ejection_over", upstreams.CheckPassing: "check_passed"}[c.Kind]
			g.tellHost(slog.LevelInfo, "an upstream has returned", route, &c, slog.String("cause", cause))
			t.returned.Emit(ctx, UpstreamReturned{Route: route, Upstream: c.Host, Cause: cause, Out: c.Out, Hosts: c.Hosts})
		case upstreams.CheckFailing:
			g.tellHost(slog.LevelWarn, "an upstream fails its check", route, &c, slog.String("error", c.Check))
			t.unwell.Emit(ctx, UpstreamCheckFailed{Route: route, Upstream: c.Host, Error: c.Check, Out: c.Out, Hosts: c.Hosts})
		case upstreams.Panicking:
			g.tellHost(slog.LevelError, "most upstreams of a route are out: all of them get requests", route, &c)
			t.panicked.Emit(ctx, UpstreamsPanicked{Route: route, Out: c.Out, Hosts: c.Hosts})
		case upstreams.Calm:
			g.tellHost(slog.LevelInfo, "enough upstreams of a route are back", route, &c)
			t.panicked.Emit(ctx, UpstreamsPanicked{Route: route, Over: true, Out: c.Out, Hosts: c.Hosts})
		}
	}
}

func (g *Gateway) tellHost(level slog.Level, message, route string, c *upstreams.Change, more ...slog.Attr) {
	attrs := []slog.Attr{slog.String("route", route)}
	if c.Host != "" {
		attrs = append(attrs, slog.String("upstream", c.Host))
	}
	attrs = append(attrs, more...)
	g.log.LogAttrs(context.Background(), level, message, append(attrs, slog.Int("out", c.Out), slog.Int("hosts", c.Hosts))...) //nolint:sloglint // one of this file's
}

// tellLookupFailed logs and emits that a name cannot be looked up.
func (g *Gateway) tellLookupFailed(e LookupFailed) {
	g.log.LogAttrs(context.Background(), slog.LevelWarn, "the upstreams of a route cannot be looked up: those that were found last stay",
		slog.String("route", e.Route), slog.String("name", e.Name), slog.Int("hosts", e.Hosts), slog.String("error", e.Error))
	g.events().failed.Emit(context.Background(), e)
}

// tellLookupChanged logs and emits that the hosts of a name are others, or found again.
func (g *Gateway) tellLookupChanged(e LookupChanged) {
	level := slog.LevelInfo
	if e.Left > 0 {
		level = slog.LevelWarn
	}
	g.log.LogAttrs(context.Background(), level, "the upstreams of a route were looked up", slog.String("route", e.Route), slog.String("name", e.Name),
		slog.Int("hosts", e.Hosts), slog.Int("added", e.Added), slog.Int("removed", e.Removed), slog.Int("unused", e.Left), slog.Float64("recovered_after_seconds", e.Recovered.Seconds()))
	g.events().changed.Emit(context.Background(), e)
}
