package telemetry

import "context"

// Prefix begins the name of every event of the layer.
const Prefix = "elixir_scope.foundation.infra."

// Event is something that happened. Implementations are structs that are passed
// by value; EventName is called on their zero value and must return a constant
// that begins with [Prefix] for events of the layer.
type Event interface {
	EventName() string
}

type correlationKey struct{}

// WithCorrelation returns a context that carries id, which ties together the
// logs, events and answers of one request.
func WithCorrelation(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, correlationKey{}, id)
}

// Correlation returns the id that ctx carries, or "".
func Correlation(ctx context.Context) string {
	id, _ := ctx.Value(correlationKey{}).(string)
	return id
}
