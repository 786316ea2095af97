package foundation

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// sharedPlaces bounds the calls of the shared store that are in flight. It is not there to limit them: the
// store asks for many in one exchange, and each ends within its time limit.
const sharedPlaces = 1 << 14

// sharedGuard is what the guard of the shared store does. It has no time limit of its own: the counters
// bound each call, and whoever asks less often than a call does. A caller that leaves the store
// less time than that says nothing about the store.
func sharedGuard(b *breaker.Breaker, timeout time.Duration) guard.Config {
	return guard.Config{Breaker: b, Concurrency: sharedPlaces, DeadlineFloor: timeout / 2}
}

// guardedStore asks a store through a guard of the layer's own.
type guardedStore struct {
	store shared.Store
	guard *guard.Guard
}

func newGuardedStore(s shared.Store, g *guard.Guard) *guardedStore { return &guardedStore{s, g} }

var (
	_ shared.Store     = (*guardedStore)(nil)
	_ shared.Fleet     = (*guardedStore)(nil)
	_ shared.Inspector = (*guardedStore)(nil)
)

// ask calls fn, and counts against the store what it cannot do, and not what it was asked wrongly, or what
// somebody else has stored in the place of one key.
func (s *guardedStore) ask(ctx context.Context, fn func(context.Context) error) error {
	asked := false
	var answer error
	err := s.guard.Do(ctx, func(ctx context.Context) error {
		asked = true
		answer = fn(ctx)
		switch {
		case answer == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err() // the guard judges by how long it had
		case shared.Answered(answer):
			return guard.Neutral(answer)
		}
		return errAway
	})
	if asked {
		return answer
	}
	return err
}

// Take implements [shared.Store].
func (s *guardedStore) Take(ctx context.Context, rule shared.Rule, key ratelimit.Key, cost int64) (d ratelimit.Decision, err error) {
	err = s.ask(ctx, func(ctx context.Context) (err error) {
		d, err = s.store.Take(ctx, rule, key, cost)
		return err
	})
	return d, err
}

// TakeAll implements [shared.Store].
func (s *guardedStore) TakeAll(ctx context.Context, takes []shared.Take) (all []ratelimit.Decision, err error) {
	err = s.ask(ctx, func(ctx context.Context) (err error) {
		all, err = s.store.TakeAll(ctx, takes)
		return err
	})
	return all, err
}

// Peek implements [shared.Store].
func (s *guardedStore) Peek(ctx context.Context, rule shared.Rule, key ratelimit.Key, cost int64) (d ratelimit.Decision, err error) {
	err = s.ask(ctx, func(ctx context.Context) (err error) {
		d, err = s.store.Peek(ctx, rule, key, cost)
		return err
	})
	return d, err
}

// Refund implements [shared.Store].
func (s *guardedStore) Refund(ctx context.Context, rule shared.Rule, key ratelimit.Key, d ratelimit.Decision) error {
	return s.ask(ctx, func(ctx context.Context) error { return s.store.Refund(ctx, rule, key, d) })
}

// Reset implements [shared.Store].
func (s *guardedStore) Reset(ctx context.Context, rule shared.Rule, key ratelimit.Key) error {
	return s.ask(ctx, func(ctx context.Context) error { return s.store.Reset(ctx, rule, key) })
}

// Beat implements [shared.Fleet]; of a store that is none it hears of nobody.
func (s *guardedStore) Beat(ctx context.Context, self shared.Instance, ttl time.Duration) (all []shared.Instance, err error) {
	fleet, is := s.store.(shared.Fleet)
	if !is {
		return nil, nil
	}
	err = s.ask(ctx, func(ctx context.Context) (err error) {
		all, err = fleet.Beat(ctx, self, ttl)
		return err
	})
	return all, err
}

// Leave implements [shared.Fleet].
func (s *guardedStore) Leave(ctx context.Context, id string) error {
	fleet, is := s.store.(shared.Fleet)
	if !is {
		return nil
	}
	return s.ask(ctx, func(ctx context.Context) error { return fleet.Leave(ctx, id) })
}

// Inspect implements [shared.Inspector]; a store that is none has nothing to say.
func (s *guardedStore) Inspect(ctx context.Context) (server string, warnings []string, err error) {
	inspector, is := s.store.(shared.Inspector)
	if !is {
		return "", nil, nil
	}
	err = s.ask(ctx, func(ctx context.Context) (err error) {
		server, warnings, err = inspector.Inspect(ctx)
		return err
	})
	return server, warnings, err
}
