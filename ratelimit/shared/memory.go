package shared

import (
	"context"
	"sync"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
)

// memory is the counters of each rule, asked by a clock of its own.
type memory struct {
	now func() time.Duration

	mu    sync.Mutex // guards rules and all below it; the clock is read outside of it
	rules map[string]*counted
}

// NewMemoryStore returns an empty store in the memory of this process: the reference
// that shows what the contract means, serves tests of code that takes a [Store], and
// is what a shared store can be compared with. It tracks 1,000,000 keys of each rule
// one by one, as a limiter does, and is safe for concurrent use.
//
// Now reads its clock, as a time since any fixed moment; nil means the monotonic clock
// of the process.
func NewMemoryStore(now func() time.Duration) Store {
	if now == nil {
		now = func() time.Duration { return time.Duration(clock.Now()) }
	}
	return &memory{now: now, rules: make(map[string]*counted)}
}

// Take implements [Store].
func (m *memory) Take(ctx context.Context, rule Rule, key ratelimit.Key, cost int64) (d ratelimit.Decision, err error) {
	err = m.with(ctx, rule, key, func(l *ratelimit.Limiter, now clock.Instant) error {
		_, err := l.Admit(ctx, &d, now, &key, cost, -1)
		return err
	})
	return d, err
}

// Peek implements [Store].
func (m *memory) Peek(ctx context.Context, rule Rule, key ratelimit.Key, cost int64) (d ratelimit.Decision, err error) {
	err = m.with(ctx, rule, key, func(l *ratelimit.Limiter, now clock.Instant) error {
		d = l.PeekAt(now, key, cost)
		return nil
	})
	return d, err
}

// Reset implements [Store].
func (m *memory) Reset(ctx context.Context, rule Rule, key ratelimit.Key) error {
	return m.with(ctx, rule, key, func(l *ratelimit.Limiter, _ clock.Instant) error { return l.Reset(key, "") })
}

// TakeAll implements [Store].
func (m *memory) TakeAll(ctx context.Context, takes []Take) ([]ratelimit.Decision, error) {
	out := make([]ratelimit.Decision, len(takes))
	for i, t := range takes {
		d, err := m.Take(ctx, t.Rule, t.Key, t.Cost)
		if err != nil {
			return nil, err
		}
		out[i] = d
	}
	return out, nil
}

// Refund implements [Store].
func (m *memory) Refund(ctx context.Context, rule Rule, key ratelimit.Key, d ratelimit.Decision) error {
	return m.with(ctx, rule, key, func(_ *ratelimit.Limiter, now clock.Instant) error {
		d.RefundAt(now)
		return nil
	})
}

// with calls fn with what counts a key by a rule.
func (m *memory) with(ctx context.Context, rule Rule, key ratelimit.Key, fn func(*ratelimit.Limiter, clock.Instant) error) error {
	if ctx.Err() != nil {
		return canceled(ctx, rule.Name)
	}
	now := clock.Instant(m.now())
	rule.Config.Parts, rule.Config.MaxKeys, rule.Config.Mode = 0, 0, mode.Enforce
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.rules[rule.Name]
	if c == nil {
		c = newCounted()
	}
	l, err := c.limiter(rule, key, now)
	if err != nil {
		return err
	}
	m.rules[rule.Name] = c
	return fn(l, now)
}
