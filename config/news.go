package config

import (
	"context"
	"log/slog"
	"sync"

	"github.com/elixirscope/foundation/telemetry"
)

// news logs and delivers the events of changes in the order of the revisions, outside
// every lock: a handler may change the configuration itself.
type news struct {
	log      *slog.Logger
	applied  telemetry.Topic[Applied]
	rejected telemetry.Topic[Rejected]

	// mu guards the fields below. It is held for moments, never while a handler runs.
	mu         sync.Mutex
	waiting    []telemetry.Event
	delivering bool // somebody delivers, also what others add meanwhile
}

func (n *news) init(bus *telemetry.Bus, log *slog.Logger) {
	n.log = log
	n.applied, n.rejected = telemetry.TopicOf[Applied](bus), telemetry.TopicOf[Rejected](bus)
}

func (n *news) add(e telemetry.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting = append(n.waiting, e)
}

// deliver delivers what waits, unless somebody does already: then a change made by
// a handler is told after the one that it handles.
func (n *news) deliver() {
	for e, ok := n.next(false); ok; e, ok = n.next(true) {
		n.emit(e)
	}
}

// next takes the oldest event, claiming the delivery first if it is not held.
func (n *news) next(held bool) (telemetry.Event, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.delivering && !held {
		return nil, false
	}
	if n.delivering = len(n.waiting) > 0; !n.delivering {
		return nil, false
	}
	e := n.waiting[0]
	n.waiting = n.waiting[1:]
	return e, true
}

// emit emits one event. If a handler ends the goroutine, the rest is delivered by
// the deferred function.
func (n *news) emit(e telemetry.Event) {
	returned := false
	defer func() {
		if !returned {
			n.release()
			n.deliver()
		}
	}()
	// Handlers of a change that was made must run even if its caller gave up since.
	ctx := context.Background()
	switch e := e.(type) {
	case Applied:
		n.log.Info("configuration applied",
			slog.String("source", e.Source), slog.Uint64("revision", e.Revision), slog.Int("changes", len(e.Changes)))
		for _, w := range e.Warnings {
			n.log.Warn("the configuration is legal and very likely not meant", slog.String("warning", w.String()))
		}
		n.applied.Emit(ctx, e)
	case Rejected:
		n.log.Warn("configuration refused, the old one stays in force",
			slog.String("source", e.Source), slog.Uint64("revision", e.Revision), slog.String("error", e.Err.Error()))
		n.rejected.Emit(ctx, e)
	}
	returned = true
}

func (n *news) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delivering = false
}
