package shared

import (
	"context"
	"sync"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
)

// memory is a limiter for each rule, asked by a clock of its own.
type memory struct {
	now func() time.Duration

	mu    sync.Mutex // guards rules
	rules map[string]*ratelimit.Limiter
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
	return &memory{now: now, rules: make(map[string]*ratelimit.Limiter)}
}

// Take implements [Store].
func (m *memory) Take(ctx context.Context, rule Rule, key ratelimit.Key, cost int64) (ratelimit.Decision, error) {
	now := clock.Instant(m.now())
	l, err := m.limiter(ctx, rule, now)
	if err != nil {
		return ratelimit.Decision{}, err
	}
	var d ratelimit.Decision
	_, err = l.Admit(ctx, &d, now, &key, cost, -1)
	return d, err
}

// Peek implements [Store].
func (m *memory) Peek(ctx context.Context, rule Rule, key ratelimit.Key, cost int64) (ratelimit.Decision, error) {
	now := clock.Instant(m.now())
	l, err := m.limiter(ctx, rule, now)
	if err != nil {
		return ratelimit.Decision{}, err
	}
	return l.PeekAt(now, key, cost), nil
}

// Reset implements [Store].
func (m *memory) Reset(ctx context.Context, rule Rule, key ratelimit.Key) error {
	l, err := m.limiter(ctx, rule, clock.Instant(m.now()))
	if err != nil {
		return err
	}
	return l.Reset(key, "")
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
func (m *memory) Refund(ctx context.Context, rule Rule, _ ratelimit.Key, d ratelimit.Decision) error {
	now := clock.Instant(m.now())
	if _, err := m.limiter(ctx, rule, now); err != nil {
		return err
	}
	d.RefundAt(now)
	return nil
}

// limiter returns the limiter of a rule as the rule is given now.
func (m *memory) limiter(ctx context.Context, rule Rule, now clock.Instant) (*ratelimit.Limiter, error) {
	if ctx.Err() != nil {
		return nil, fault.New(fault.Spec{Code: fault.Canceled, Component: "rate_limiter", Name: rule.Name, Cause: context.Cause(ctx)})
	}
	c := rule.Config
	c.Parts, c.MaxKeys, c.Mode = 0, 0, mode.Enforce
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.rules[rule.Name]; l != nil {
		err := l.ReconfigureAt(now, c)
		return l, err
	}
	l, err := ratelimit.New(rule.Name, c)
	if err == nil {
		m.rules[rule.Name] = l
	}
	return l, err
}
