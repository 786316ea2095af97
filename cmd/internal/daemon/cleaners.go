package daemon

import (
	"context"

	"github.com/elixirscope/foundation/memory"
)

// cleaners are what the daemon gives up when memory is short, beside what the layer does. How
// much idle connections hold is not known: the garbage collection that follows shows it.
func (d *Daemon) cleaners() []memory.Cleaner {
	return []memory.Cleaner{{Name: "idle_connections", Clean: func(context.Context, int64) (int64, error) {
		d.gateway.CloseIdle()
		return 0, nil
	}}}
}
