package foundation

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/internal/sampler"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/perf"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
	"github.com/elixirscope/foundation/supervise"
	"github.com/elixirscope/foundation/telemetry"
)

// edgeLog writes one line when a part comes into another state, and none for a call.
// What the parts log themselves it leaves out: changes of the configuration, the level of
// memory and its cleaners, leases, detached calls.
type edgeLog struct {
	f   *Foundation
	log *slog.Logger

	mu       sync.Mutex // guards the fields below; nothing is called under it
	opened   map[string]openedBreaker
	samplers map[string]*sampler.Sampler // of what may come in masses, by kind and name
}

// openedBreaker is a breaker that was opened.
type openedBreaker struct {
	at      time.Time
	refused uint64 // before that
}

// edgeLogID is the handler's name on the bus. Of several layers on one bus the first that
// has a logger writes the lines.
const edgeLogID = "foundation.log"

// logEdges begins to log edges, if there is a logger, and returns how to end that.
func (f *Foundation) logEdges() (end func(), err error) {
	if f.options.Logger == nil {
		return func() {}, nil
	}
	l := &edgeLog{f: f, log: f.log, opened: make(map[string]openedBreaker), samplers: make(map[string]*sampler.Sampler)}
	s, err := f.bus.SubscribeEdges(edgeLogID, l.note)
	if errors.Is(err, fault.AlreadyExists) {
		return func() {}, nil
	}
	return s.Cancel, err
}

// line is what an edge says.
type line struct {
	message string
	attrs   []slog.Attr
	// sampled lets one line a second through, and the next says how many were left out.
	sampled bool
}

// note logs an edge.
func (l *edgeLog) note(ctx context.Context, e telemetry.Edge) {
	name, severity := e.Edge()
	level, known := map[fault.Severity]slog.Level{fault.SeverityInfo: slog.LevelInfo, fault.SeverityWarning: slog.LevelWarn, fault.SeverityError: slog.LevelError}[severity]
	if !known || !l.log.Enabled(ctx, level) {
		return
	}
	said, ok := l.line(name, e)
	if !ok {
		return
	}
	if said.sampled {
		omitted, allowed := l.sampler(e.EventName() + "/" + name).Allow(time.Now())
		if !allowed {
			return
		}
		if omitted > 0 {
			said.attrs = append(said.attrs, slog.Uint64("omitted", omitted))
		}
	}
	if id := telemetry.Correlation(ctx); id != "" {
		said.attrs = append(said.attrs, slog.String("correlation", id))
	}
	l.log.LogAttrs(ctx, level, said.message, said.attrs...) //nolint:sloglint // one of this file's
}

// mostSamplers bounds what is remembered of names.
const mostSamplers = 1 << 10

func (l *edgeLog) sampler(of string) *sampler.Sampler {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.samplers[of]
	if !ok {
		if len(l.samplers) >= mostSamplers {
			clear(l.samplers)
		}
		s = new(sampler.Sampler)
		l.samplers[of] = s
	}
	return s
}

// line says what an edge is about; false where there is nothing to be said.
func (l *edgeLog) line(name string, e telemetry.Edge) (line, bool) {
	switch e := e.(type) {
	case breaker.StateChanged:
		return l.breakerLine(e), e.Name != ownShared // whose store says by itself that it is away, once
	case pool.WorkerFailed:
		return poolLine(e)
	case pool.WorkerStarted:
		return line{message: "pool has recovered: workers can be made again", attrs: []slog.Attr{slog.String("pool", e.Pool), slog.Int("failures", e.Recovered)}}, true
	case pool.WorkerLeaked:
		return line{message: "pool worker was not returned", sampled: true, attrs: []slog.Attr{
			slog.String("pool", e.Pool), slog.Duration("held", e.Held), slog.Bool("reclaimed", e.Reclaimed), slog.String("stack", e.Stack),
		}}, true
	case health.StatusChanged:
		return healthLine(name, e), true
	case perf.AlertTriggered, perf.AlertResolved, perf.AlertSilenced:
		return alertLine(e), true
	case supervise.ServiceFailed, supervise.ServiceStarted:
		return serviceLine(e)
	case memory.RequestShed:
		return line{message: "calls were refused because memory is short", attrs: []slog.Attr{
			slog.String("priority", name), slog.String("level", e.Level.String()), slog.Uint64("calls", e.Calls), slog.Duration("over", e.Over),
		}}, true
	}
	return otherLine(name, e)
}

// breakerLine says why a breaker has changed, with the numbers of the rule.
func (l *edgeLog) breakerLine(e breaker.StateChanged) line {
	said := line{message: "breaker is " + e.To.String(), sampled: e.Member != "", attrs: []slog.Attr{slog.String("breaker", e.Name)}}
	text := func(key, value string) {
		if value != "" {
			said.attrs = append(said.attrs, slog.String(key, value))
		}
	}
	text("member", e.Member)
	said.attrs = append(said.attrs, slog.String("from", e.From.String()), slog.String("cause", e.Cause))
	text("evidence", evidenceText(e.Evidence))
	status := l.statusOf(e)
	if e.To == breaker.StateOpen {
		text("errors", errorsText(status.LastErrors))
	}
	text("actor", e.Actor)
	text("reason", e.Reason)
	if e.Shadow {
		said.attrs = append(said.attrs, slog.Bool("shadow", true))
	}
	if !e.RetryAt.IsZero() {
		said.attrs = append(said.attrs, slog.Time("retry_at", e.RetryAt))
	}
	if e.Missed > 0 {
		said.attrs = append(said.attrs, slog.Uint64("missed", e.Missed))
	}
	said.attrs = append(said.attrs, l.outage(e, status.Totals.Rejected)...)
	return said
}

// statusOf looks up what an event does not say; it is zero for a breaker that has gone.
func (l *edgeLog) statusOf(e breaker.StateChanged) breaker.Status {
	if e.Member != "" {
		g, err := l.f.BreakerGroup(e.Name)
		if err != nil {
			return breaker.Status{}
		}
		if b, ok := g.Lookup(ratelimit.ParseKey(e.Member)); ok {
			return b.Status()
		}
		return breaker.Status{}
	}
	b, err := l.f.Breaker(e.Name)
	if err != nil {
		return breaker.Status{}
	}
	return b.Status()
}

// outage counts what was refused from the opening of a breaker until it closes.
func (l *edgeLog) outage(e breaker.StateChanged, refused uint64) []slog.Attr {
	key := e.Name + "\x00" + e.Member
	l.mu.Lock()
	defer l.mu.Unlock()
	before, was := l.opened[key]
	switch {
	case e.To == breaker.StateOpen && !was:
		if len(l.opened) < mostSamplers {
			l.opened[key] = openedBreaker{e.At, refused}
		}
	case e.To == breaker.StateClosed && was:
		delete(l.opened, key)
		return []slog.Attr{slog.Duration("lasted", e.At.Sub(before.at)), slog.Uint64("refused", refused-min(before.refused, refused))}
	}
	return nil
}

func evidenceText(facts []fault.Fact) string {
	parts := make([]string, len(facts))
	for i, f := range facts {
		parts[i] = f.String()
	}
	return strings.Join(parts, ", ")
}

// errorsText lists the classes of the last failures, which hold no message of anybody.
func errorsText(classes []breaker.ErrorClass) string {
	var parts []string
	for _, c := range classes {
		parts = append(parts, c.Class+" ×"+strconv.FormatUint(c.Count, 10))
	}
	return strings.Join(parts, ", ")
}

// poolLine tells in full why a worker cannot be made, at the beginning of an outage and
// ever more rarely while it lasts.
func poolLine(e pool.WorkerFailed) (line, bool) {
	return line{message: "pool cannot make a worker", attrs: []slog.Attr{
		slog.String("pool", e.Pool), slog.Int("failures", e.Failures), slog.Duration("next_attempt_in", e.Pause), slog.Any("error", e.Err),
	}}, e.Failures&(e.Failures-1) == 0
}

func healthLine(name string, e health.StatusChanged) line {
	said := line{message: "health has changed", attrs: []slog.Attr{
		slog.String("component", name), slog.String("from", e.From.String()), slog.String("to", e.To.String()), slog.Int("score", e.Score),
	}}
	if e.Output != "" {
		said.attrs = append(said.attrs, slog.String("output", e.Output))
	}
	if len(e.Causes) > 0 {
		said.attrs = append(said.attrs, slog.String("causes", strings.Join(e.Causes, ", ")))
	}
	if e.Flapping {
		said.attrs = append(said.attrs, slog.Bool("flapping", true))
	}
	return said
}

func alertLine(e telemetry.Edge) line {
	switch e := e.(type) {
	case perf.AlertTriggered:
		return line{message: "alert", attrs: []slog.Attr{
			slog.String("operation", e.Operation), slog.String("kind", e.Kind), slog.String("text", e.Text),
			slog.Time("since", e.Since), slog.Uint64("calls", e.Calls), slog.Bool("silenced", e.Silenced),
		}}
	case perf.AlertResolved:
		return line{message: "alert has ended", attrs: []slog.Attr{
			slog.String("operation", e.Operation), slog.String("kind", e.Kind), slog.String("text", e.Text), slog.Duration("lasted", e.Lasted), slog.Uint64("calls", e.Calls),
		}}
	case perf.AlertSilenced:
		return line{message: "alerts are silenced", attrs: []slog.Attr{
			slog.String("operation", e.Operation), slog.String("kind", e.Kind), slog.String("actor", e.Actor), slog.String("reason", e.Reason), slog.Time("until", e.Until),
		}}
	}
	return line{}
}

// serviceLine leaves out the first start of a service, which is none.
func serviceLine(e telemetry.Edge) (line, bool) {
	switch e := e.(type) {
	case supervise.ServiceFailed:
		message := "service has failed and is started again"
		if e.Final {
			message = "service has failed and is not started again by itself"
		}
		said := line{message: message, attrs: []slog.Attr{
			slog.String("service", e.Service), slog.Uint64("incarnation", e.Incarnation), slog.Duration("ran", e.Ran), slog.Any("error", e.Err),
		}}
		if e.Stack != "" {
			said.attrs = append(said.attrs, slog.String("stack", e.Stack))
		}
		return said, true
	case supervise.ServiceStarted:
		return line{message: "service was started again", attrs: []slog.Attr{
			slog.String("service", e.Service), slog.Uint64("incarnation", e.Incarnation), slog.Uint64("failures", e.Recovered),
		}}, e.Incarnation > 1
	}
	return line{}, false
}

func otherLine(name string, e telemetry.Edge) (line, bool) {
	switch e := e.(type) {
	case ratelimit.KeyReset:
		return line{message: "rate limit was reset for a key", sampled: true, attrs: []slog.Attr{slog.String("rate_limit", name), slog.String("key", e.Key), slog.String("actor", e.Actor)}}, true
	case ratelimit.KeysOverflowed:
		return line{message: "rate limit has no room for more keys: they share what is left", attrs: []slog.Attr{slog.String("rate_limit", name), slog.Int("max_keys", e.MaxKeys)}}, true
	case eventstore.Dropped:
		return line{message: "events were lost while the storage was away", attrs: []slog.Attr{slog.Uint64("events", e.Events)}}, true
	case shared.StoreFailed:
		return storeLine(e), true
	case shared.StoreRecovered:
		return line{message: "the shared store is back: rate limits are decided by it again", attrs: []slog.Attr{
			slog.Duration("away", e.Away), slog.Uint64("decided_without_it", e.Fallback),
		}}, true
	case telemetry.HandlerFailed:
		return line{message: "handler of events has failed", sampled: true, attrs: []slog.Attr{
			slog.String("handler", e.Handler), slog.String("event", e.Event), slog.String("error", e.Reason), slog.Duration("pause", e.Pause),
		}}, true
	}
	return line{}, false
}

// storeLine names the rules by what becomes of their calls meanwhile.
func storeLine(e shared.StoreFailed) line {
	said := line{message: "the shared store is away: rate limits are decided without it", attrs: []slog.Attr{slog.String("cause", e.Cause)}}
	for _, rules := range []struct {
		become string
		names  []string
	}{{"counted_locally", e.Local}, {"not_limited", e.Allowed}, {"refused", e.Denied}} {
		if len(rules.names) > 0 {
			said.attrs = append(said.attrs, slog.String(rules.become, strings.Join(rules.names, ", ")))
		}
	}
	return said
}
