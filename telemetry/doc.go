// Package telemetry carries what the parts of the layer have to say: events, as
// they happen, over a [Bus]; and measurements, when somebody asks, through the
// pull contract [Source].
//
// # Usage
//
// A part resolves one [Topic] for each of its event types when it is made, and
// emits through it. A user subscribes to one type, without boxing, or to
// everything below a prefix:
//
//	telemetry.Subscribe(bus, "pager", func(ctx context.Context, e breaker.StateChanged) { … })
//	bus.SubscribePrefix("elixir_scope.foundation.infra.", "log", func(ctx context.Context, e telemetry.Event) { … })
//
// # Concurrency
//
// Everything is safe for concurrent use. Handlers run in the goroutine that
// emits, in the order in which they subscribed, outside every lock of the layer:
// a handler may call any part. A slow handler delays the emitter. While nobody
// listens to a type, emitting it costs one atomic load and the event is not even
// built if the emitter asks [Topic.Active] first.
//
// # Handlers that fail
//
// A handler that panics, or ends its goroutine, does not harm the emitter's
// accounts or the other handlers: it is counted, reported as [HandlerFailed],
// left out for a while that doubles at each further failure, and tried again.
//
// # What is not promised
//
// No order between events that different goroutines emit, and no delivery to a
// handler in quarantine. The bus keeps nothing: what must not be lost belongs in
// an event store.
package telemetry
