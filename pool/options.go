package pool

import "github.com/elixirscope/foundation/telemetry"

// Option attaches a pool to its surroundings; settings belong in [Config].
type Option func(*options)

type options struct {
	bus *telemetry.Bus
}

// WithBus makes the pool emit its events on bus; a nil bus is silent.
func WithBus(bus *telemetry.Bus) Option {
	return func(o *options) { o.bus = bus }
}

func gather(opts []Option) options {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	return o
}
