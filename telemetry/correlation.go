package telemetry

import "context"

type correlationKey struct{}

// Correlated is a context that carries an id, and a trace if it was given one with
// [Correlated.SetTrace]. It is there to be embedded in a
// context of one's own, which then carries the id without another allocation;
// [WithCorrelation] is what others use. The zero Correlated has no parent and must
// not be used. Like every context it is safe for concurrent use.
type Correlated struct {
	context.Context //nolint:containedctx // it is a context

	id    string
	trace trace
}

// Correlate returns a context below parent that carries id.
func Correlate(parent context.Context, id string) Correlated {
	return Correlated{Context: parent, id: id}
}

// Value implements [context.Context].
func (c *Correlated) Value(key any) any {
	switch {
	case key == (correlationKey{}):
		return c // a pointer: a string would be copied to the heap to become an any
	case key == (traceKey{}) && c.trace.parent != "":
		return &c.trace
	}
	return c.Context.Value(key)
}

// WithCorrelation returns a context that carries id, which ties together the
// logs, events and answers of one request.
func WithCorrelation(ctx context.Context, id string) context.Context {
	c := Correlate(ctx, id)
	return &c
}

// Correlation returns the id that ctx carries, or "".
func Correlation(ctx context.Context) string {
	if c, ok := ctx.Value(correlationKey{}).(*Correlated); ok {
		return c.id
	}
	return ""
}
