package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/telemetry"
)

// LogLevelChanged is emitted when somebody has changed the level of the log, and when it has
// gone back by itself, for which Actor is empty.
type LogLevelChanged struct {
	From, To string // debug, info, warn or error
	Actor    string
	Reason   string
	Until    time.Time // when it goes back by itself; the zero time: it stays
}

// EventName implements [telemetry.Event].
func (LogLevelChanged) EventName() string { return telemetry.Prefix + "admin.log_level_changed" }

// Edge implements [telemetry.Edge].
func (LogLevelChanged) Edge() (string, fault.Severity) { return "log_level", fault.SeverityInfo }

// logLevel is the level of the program's log, and what somebody has made of it.
type logLevel struct {
	level      *slog.LevelVar // nil: the program offers none
	configured slog.Level
	changed    telemetry.Topic[LogLevelChanged]
	log        *slog.Logger

	mu     sync.Mutex // guards the fields below; no event is emitted under it
	by     LogLevelChanged
	since  time.Time
	timer  *time.Timer // that ends it; nil if it stays
	turn   uint64      // of the change that the timer belongs to
	closed bool
}

func newLogLevel(level *slog.LevelVar, bus *telemetry.Bus, log *slog.Logger) *logLevel {
	l := &logLevel{level: level, changed: telemetry.TopicOf[LogLevelChanged](bus), log: log}
	if level != nil {
		l.configured = level.Level()
	}
	return l
}

// set changes the level for a time, 0 for good. The configured level ends what was set.
func (l *logLevel) set(ctx context.Context, to slog.Level, actor, reason string, lasting time.Duration) {
	l.mu.Lock()
	now := time.Now()
	if to == l.configured {
		lasting = 0
	}
	if l.closed { // it has gone back for good
		l.mu.Unlock()
		return
	}
	l.stopLocked()
	l.by, l.since = LogLevelChanged{From: levelText(l.level.Level()), To: levelText(to), Actor: actor, Reason: reason}, now
	if lasting > 0 {
		l.by.Until = now.Add(lasting)
		turn := l.turn
		l.timer = time.AfterFunc(lasting, func() { l.expire(turn) })
	}
	e := l.by
	l.level.Set(to)
	l.mu.Unlock()
	l.tell(ctx, to, e)
}

// stopLocked forgets the timer of the change before.
func (l *logLevel) stopLocked() {
	l.turn++
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// expire goes back to the configured level, unless another change came meanwhile.
func (l *logLevel) expire(turn uint64) {
	l.mu.Lock()
	if turn != l.turn {
		l.mu.Unlock()
		return
	}
	l.stopLocked()
	e := LogLevelChanged{From: levelText(l.level.Level()), To: levelText(l.configured), Reason: "the time for which it was set is over"}
	l.by, l.since = LogLevelChanged{}, time.Now()
	l.level.Set(l.configured)
	l.mu.Unlock()
	l.tell(context.Background(), l.configured, e)
}

// tell logs at a level that is seen before the change or after it, and emits the event.
func (l *logLevel) tell(ctx context.Context, level slog.Level, e LogLevelChanged) {
	l.log.LogAttrs(ctx, max(level, slog.LevelInfo), "log level changed", slog.String("from", e.From), slog.String("to", e.To),
		slog.String("actor", e.Actor), slog.String("reason", e.Reason), slog.Time("until", e.Until))
	l.changed.Emit(ctx, e)
}

// close goes back to the configured level and ends the timer.
func (l *logLevel) close() {
	if l.level == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.stopLocked()
	l.level.Set(l.configured)
}

func (l *logLevel) view() adminapi.LogLevel {
	v := adminapi.LogLevel{APIVersion: adminapi.Version}
	if l.level == nil {
		return v
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	v.Level, v.Configured = levelText(l.level.Level()), levelText(l.configured)
	if v.Level != v.Configured {
		v.Actor, v.Reason, v.Since, v.Until = l.by.Actor, l.by.Reason, l.since, l.by.Until
	}
	if !v.Until.IsZero() {
		v.RemainingSeconds = max(0, time.Until(v.Until).Seconds())
	}
	return v
}

// levelText is the name of a level as the command line and the API write it.
func levelText(level slog.Level) string { return strings.ToLower(level.String()) }

// longestLogLevel bounds for how long a level is set; a debug log that was forgotten for
// longer would fill a disk.
const longestLogLevel = 7 * 24 * time.Hour

func (a *api) getLogLevel(*http.Request) (any, error) {
	if a.level.level == nil {
		return nil, noLogLevel()
	}
	return a.level.view(), nil
}

func noLogLevel() error {
	return refuse(fault.NotFound, "this program offers no level of its log that could be changed")
}

func (a *api) putLogLevel(r *http.Request) (any, error) {
	if a.level.level == nil {
		return nil, noLogLevel()
	}
	var request adminapi.LogLevelRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(request.Level)); err != nil {
		return nil, refuse(fault.InvalidArgument, fmt.Sprintf("level must be debug, info, warn or error, and not %q", request.Level))
	}
	lasting, err := durationOf(request.ForSeconds)
	if err != nil {
		return nil, err
	}
	if lasting > longestLogLevel {
		return nil, refuse(fault.InvalidArgument, "for_seconds must be at most a week; 0 is for good")
	}
	if err := checkReason(request.Reason); err != nil {
		return nil, err
	}
	a.level.set(r.Context(), level, actorOf(r.Context()), request.Reason, lasting)
	return a.level.view(), nil
}
