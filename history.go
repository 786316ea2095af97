package foundation

import (
	"context"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/supervise"
)

// guardedHistory is the history of a storage that may not be there yet, written through a
// guard of the layer's own.
type guardedHistory struct {
	storage *lateStorage
	guard   *guard.Guard
}

var _ config.History = guardedHistory{}

// Add implements [config.History].
func (h guardedHistory) Add(ctx context.Context, r config.Record) error {
	return through(ctx, h.guard, func(ctx context.Context) error {
		s, err := h.storage.there()
		if err != nil {
			return err
		}
		return s.History.Add(ctx, r)
	})
}

// List implements [config.History].
func (h guardedHistory) List(ctx context.Context, before uint64, limit int) ([]config.Record, error) {
	s, err := h.storage.there()
	if err != nil {
		return nil, err
	}
	return s.History.List(ctx, before, limit)
}

// Revision implements [config.History].
func (h guardedHistory) Revision(ctx context.Context, number uint64) (config.Record, error) {
	s, err := h.storage.there()
	if err != nil {
		return config.Record{}, err
	}
	return s.History.Revision(ctx, number)
}

// Close implements [config.History]. The storage is closed as a whole, with the layer.
func (h guardedHistory) Close() error { return nil }

// keepHistory writes what waits for a history that was away. The server of the
// configuration is closed before the services are stopped: its return is no failure then.
func (f *Foundation) keepHistory(ctx context.Context) error {
	if err := f.config.Serve(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// superviseHistory keeps the history in step where there is one outside of memory.
func (f *Foundation) superviseHistory() error {
	if f.records.storage == nil {
		return nil
	}
	return f.Supervise("history", supervise.Func(f.keepHistory))
}
