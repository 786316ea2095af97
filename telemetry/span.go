package telemetry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// SpanStarted says that an operation has begun; see [Span].
type SpanStarted struct {
	ID     string // the same in all events of one span
	Parent string // the ID of the span around it, empty without one
	Name   string
}

// SpanStopped says that an operation has returned.
type SpanStopped struct {
	ID       string
	Parent   string
	Name     string
	Duration time.Duration
	Err      error // what it returned
}

// SpanException says that an operation has panicked or ended its goroutine.
type SpanException struct {
	ID       string
	Parent   string
	Name     string
	Duration time.Duration
	Reason   string // what it panicked with
}

// EventName implements [Event].
func (SpanStarted) EventName() string { return Prefix + "telemetry.span_started" }

// EventName implements [Event].
func (SpanStopped) EventName() string { return Prefix + "telemetry.span_stopped" }

// EventName implements [Event].
func (SpanException) EventName() string { return Prefix + "telemetry.span_exception" }

type spanKey struct{}

// Span runs fn as an operation of this name and returns what fn returns. It emits
// [SpanStarted] before, and [SpanStopped] or [SpanException] after, with one ID and the
// duration; a panic goes on to the caller. A span that is begun with the context of fn has
// this one as its parent. While nobody listens to any of the three, and on a nil bus, Span
// only calls fn. It is safe for concurrent use.
func Span(ctx context.Context, b *Bus, name string, fn func(ctx context.Context) error) error {
	started, stopped, exception := TopicOf[SpanStarted](b), TopicOf[SpanStopped](b), TopicOf[SpanException](b)
	if !started.Active() && !stopped.Active() && !exception.Active() {
		return fn(ctx)
	}
	id := fmt.Sprintf("%016x", rand.Uint64())
	parent, _ := ctx.Value(spanKey{}).(string)
	started.Emit(ctx, SpanStarted{ID: id, Parent: parent, Name: name})
	began := time.Now()
	returned := false
	defer func() {
		if returned {
			return
		}
		reason, cause := "the operation ended its goroutine", recover()
		if cause != nil {
			reason = fmt.Sprintf("panic: %.200v", cause)
		}
		exception.Emit(ctx, SpanException{ID: id, Parent: parent, Name: name, Duration: time.Since(began), Reason: reason})
		if cause != nil {
			panic(cause)
		}
	}()
	err := fn(context.WithValue(ctx, spanKey{}, id))
	returned = true
	stopped.Emit(ctx, SpanStopped{ID: id, Parent: parent, Name: name, Duration: time.Since(began), Err: err})
	return err
}
