package telemetry

// Prefix begins the name of every event of the layer.
const Prefix = "elixir_scope.foundation.infra."

// Event is something that happened. Implementations are structs that are passed
// by value; EventName is called on their zero value and must return a constant
// that begins with [Prefix] for events of the layer.
type Event interface {
	EventName() string
}
