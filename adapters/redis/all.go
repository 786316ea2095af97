package redis

import (
	"context"

	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// TakeAll implements [shared.Store]. The takes go in one exchange, in as many as there
// are slots among them if the server is a cluster, and in several if they are more than
// 256, or fewer that count by long logs. It does not wait for other calls, nor they for it.
func (s *Store) TakeAll(ctx context.Context, takes []shared.Take) ([]ratelimit.Decision, error) {
	all := make([]*call, len(takes)) // nil for a rule that refuses everything
	byLane := make([][]*call, len(s.lanes))
	for i, t := range takes {
		rule, err := s.counted(ctx, t.Rule)
		if err != nil {
			return nil, err
		}
		if rule.capacity > 0 {
			c, tag := s.newCall(ctx, rule, t, take)
			at := tag % len(byLane)
			all[i], byLane[at] = c, append(byLane[at], c)
		}
	}
	for i, calls := range byLane {
		if len(calls) > 0 && !s.lanes[i].sendAll(calls) {
			return nil, errClosed
		}
	}
	return await(ctx, takes, all)
}

// await waits for calls and returns their decisions.
func await(ctx context.Context, takes []shared.Take, all []*call) ([]ratelimit.Decision, error) {
	out := make([]ratelimit.Decision, len(all))
	for i, c := range all {
		if c == nil {
			out[i].Source = ratelimit.Shared
			continue
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return nil, gone(ctx, c.rule.Name)
		}
		if err := c.problem(); err != nil {
			return nil, err
		}
		out[i] = c.decision(takes[i].Cost)
	}
	return out, nil
}

// sendAll sends calls beside the queue, in their order. It reports false if the lane is
// closed.
func (l *lane) sendAll(calls []*call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.store.work.Go(func() {
		b := batches.Get().(*batch) //nolint:errcheck,forcetypeassert // nothing else is put there
		defer batches.Put(b)
		b.clear()
		for _, c := range calls {
			if !b.add(c) {
				l.store.flushAll(b)
				b.clear()
				b.add(c)
			}
		}
		l.store.flushAll(b)
		b.clear()
	})
	return true
}
