package telemetry

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
)

// Topic emits events of one type. It is a small value, resolved once with
// [TopicOf]; the zero Topic has no handlers. It is safe for concurrent use.
type Topic[E Event] struct {
	topic *topic[E]
}

type topic[E Event] struct {
	bus      *Bus
	name     string
	handlers atomic.Pointer[[]handler[E]] // nil while nobody listens
}

type handler[E Event] struct {
	subscription *Subscription
	typed        func(context.Context, E)     // or
	any          func(context.Context, Event) // one of the two
}

// TopicOf returns the topic of E on b; on a nil bus the topic stays silent.
func TopicOf[E Event](b *Bus) Topic[E] {
	if b == nil {
		return Topic[E]{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := reflect.TypeFor[E]()
	if known, ok := b.topics[key].(*topic[E]); ok {
		return Topic[E]{known}
	}
	var zero E
	t := &topic[E]{bus: b, name: zero.EventName()}
	b.topics[key] = t
	t.rebuildLocked(b.subscriptions)
	return Topic[E]{t}
}

func (t *topic[E]) rebuildLocked(subscriptions []*Subscription) {
	var handlers []handler[E]
	for _, s := range subscriptions {
		if !s.wants(reflect.TypeFor[E](), t.name) {
			continue
		}
		h := handler[E]{subscription: s}
		h.typed, _ = s.handle.(func(context.Context, E))
		h.any, _ = s.handle.(func(context.Context, Event))
		handlers = append(handlers, h)
	}
	if len(handlers) == 0 {
		t.handlers.Store(nil)
		return
	}
	t.handlers.Store(&handlers)
}

// Active reports whether anybody listens: one atomic load. Emitters ask it
// before they build an event that costs something to build.
func (t Topic[E]) Active() bool {
	return t.topic != nil && t.topic.handlers.Load() != nil
}

// Emit calls every handler of the type, in order, and returns when the last one
// has returned. It never panics because of a handler.
func (t Topic[E]) Emit(ctx context.Context, event E) {
	if t.topic == nil {
		return
	}
	if handlers := t.topic.handlers.Load(); handlers != nil {
		t.topic.deliver(ctx, event, *handlers)
	}
}

// deliver calls the handlers one after the other. A handler that calls
// runtime.Goexit ends this goroutine; the handlers behind it are then called by
// the deferred function, so one handler cannot silence another.
func (t *topic[E]) deliver(ctx context.Context, event E, handlers []handler[E]) {
	for i := range handlers {
		if !t.call(ctx, event, handlers, i) {
			return // the deferred function of call has delivered to the rest
		}
	}
}

func (t *topic[E]) call(ctx context.Context, event E, handlers []handler[E], i int) (more bool) {
	h := &handlers[i]
	if !h.subscription.health.mayRun() {
		return true
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		cause := recover()
		defer func() {
			if !more { // runtime.Goexit, of the handler or of what is told of its failure: nothing after this frame runs
				t.deliver(ctx, event, handlers[i+1:])
			}
		}()
		t.failed(ctx, h.subscription, cause)
		more = cause != nil
	}()
	if h.typed != nil {
		h.typed(ctx, event)
	} else {
		h.any(ctx, event)
	}
	returned = true
	h.subscription.health.recovered()
	return true
}

func (t *topic[E]) failed(ctx context.Context, s *Subscription, cause any) {
	t.bus.failures.Add(1)
	pause := s.health.failed(clock.Now())
	reason := "the handler ended its goroutine"
	if cause != nil {
		reason = fmt.Sprintf("panic: %.200v", cause)
	}
	if t.name == (HandlerFailed{}).EventName() {
		return // whoever listens to failures and fails is counted, not reported: no recursion
	}
	TopicOf[HandlerFailed](t.bus).Emit(ctx, HandlerFailed{Handler: s.id, Event: t.name, Reason: reason, Pause: pause})
}
