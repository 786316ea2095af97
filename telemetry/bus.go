package telemetry

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/elixirscope/foundation/fault"
)

// Bus connects emitters and handlers of events. Make one with [NewBus]; a nil
// *Bus is legal everywhere and has no handlers.
type Bus struct {
	failures atomic.Uint64

	// mu guards the fields below. It is held while topics rebuild their handler
	// lists and never while a handler runs.
	mu            sync.Mutex
	subscriptions []*Subscription // in the order of subscribing
	topics        map[reflect.Type]rebuilder
}

// rebuilder is a topic of any event type.
type rebuilder interface {
	rebuildLocked(subscriptions []*Subscription)
}

// NewBus returns a bus without handlers.
func NewBus() *Bus {
	return &Bus{topics: make(map[reflect.Type]rebuilder)}
}

// HandlerFailures counts how often a handler panicked or ended its goroutine.
func (b *Bus) HandlerFailures() uint64 {
	if b == nil {
		return 0
	}
	return b.failures.Load()
}

// Subscription is one handler's registration.
type Subscription struct {
	bus    *Bus
	id     string
	prefix string       // for a prefix subscription
	edges  bool         // of those with the prefix, the edges alone
	event  reflect.Type // for a typed subscription, else nil
	handle any          // func(context.Context, E) or func(context.Context, Event)
	health quarantine
}

// ID returns the name under which the handler subscribed.
func (s *Subscription) ID() string { return s.id }

// Cancel removes the handler. Calls that already began may still finish after
// Cancel returns. Canceling twice, or a nil subscription, does nothing.
func (s *Subscription) Cancel() {
	if s == nil || s.bus == nil {
		return
	}
	s.bus.remove(s)
}

// Subscribe registers fn for events of type E under id, which must be unique on
// the bus; a taken id is refused with [fault.AlreadyExists]. Subscribing to a
// nil bus succeeds and never delivers.
func Subscribe[E Event](b *Bus, id string, fn func(context.Context, E)) (*Subscription, error) {
	if fn == nil {
		return nil, invalidHandler(id)
	}
	return b.add(&Subscription{bus: b, id: id, event: reflect.TypeFor[E](), handle: fn})
}

// SubscribePrefix registers fn for all events whose name begins with prefix,
// also for those of types that are emitted for the first time later. The rules
// of [Subscribe] hold; each event is boxed once for all such handlers.
func (b *Bus) SubscribePrefix(prefix, id string, fn func(context.Context, Event)) (*Subscription, error) {
	if fn == nil {
		return nil, invalidHandler(id)
	}
	return b.add(&Subscription{bus: b, id: id, prefix: prefix, handle: fn})
}

// SubscribeEdges registers fn for all events that are an [Edge], also for those of types
// that are emitted for the first time later. The rules of [Subscribe] hold. Topics of
// other events stay without a handler, and cost what they cost without one.
func (b *Bus) SubscribeEdges(id string, fn func(context.Context, Edge)) (*Subscription, error) {
	if fn == nil {
		return nil, invalidHandler(id)
	}
	return b.add(&Subscription{bus: b, id: id, edges: true, handle: func(ctx context.Context, e Event) {
		fn(ctx, e.(Edge)) //nolint:forcetypeassert,errcheck // wants has chosen them
	}})
}

func invalidHandler(id string) error {
	return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: "telemetry", Name: id, Message: "the handler is nil"})
}

func (b *Bus) add(s *Subscription) (*Subscription, error) {
	if b == nil {
		return s, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := slices.ContainsFunc(b.subscriptions, func(o *Subscription) bool { return o.id == s.id })
	if taken {
		return nil, fault.New(fault.Spec{
			Code: fault.AlreadyExists, Component: "telemetry", Name: s.id,
			Message: "a handler with this id is subscribed; cancel it first or choose another id",
		})
	}
	b.subscriptions = append(b.subscriptions, s)
	b.rebuildLocked()
	return s, nil
}

func (b *Bus) remove(s *Subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subscriptions = slices.DeleteFunc(b.subscriptions, func(o *Subscription) bool { return o == s })
	b.rebuildLocked()
}

func (b *Bus) rebuildLocked() {
	for _, t := range b.topics {
		t.rebuildLocked(b.subscriptions)
	}
}

func (s *Subscription) wants(event reflect.Type, name string) bool {
	if s.event != nil {
		return s.event == event
	}
	return strings.HasPrefix(name, s.prefix) && (!s.edges || event.Implements(edgeType))
}

var edgeType = reflect.TypeFor[Edge]()
