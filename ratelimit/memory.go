package ratelimit

import (
	"context"
	"sync"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// MemoryStore is the reference [Store]: one map under one lock, in this process.
// It shows what the contract means, serves tests of code that takes a Store, and
// is what a shared store can be compared with. It is safe for concurrent use.
type MemoryStore struct {
	now func() time.Duration

	mu   sync.Mutex // guards keys
	keys map[storeKey]*storeEntry
}

type storeKey struct{ rule, key string }

type storeEntry struct {
	rule     *rule
	state    state
	refunded refunded
	until    clock.Instant // when nothing that was taken can be given back any more
	since    clock.Instant // when the rule came into force: earlier receipts are void
}

// NewMemoryStore returns an empty store. Now reads its clock, as a time since
// any fixed moment; nil means the monotonic clock of the process.
func NewMemoryStore(now func() time.Duration) *MemoryStore {
	if now == nil {
		now = func() time.Duration { return time.Duration(clock.Now()) }
	}
	return &MemoryStore{now: now, keys: make(map[storeKey]*storeEntry)}
}

// Take implements [Store].
func (m *MemoryStore) Take(ctx context.Context, rule Rule, key Key, cost int64) (Decision, error) {
	if err := checkTake(ctx, rule); err != nil {
		return Decision{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := clock.Instant(m.now())
	return m.entryLocked(rule, key, now).take(now, cost), nil
}

// TakeAll implements [Store].
func (m *MemoryStore) TakeAll(ctx context.Context, takes []Take) ([]Decision, error) {
	out := make([]Decision, len(takes))
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
func (m *MemoryStore) Refund(ctx context.Context, rule Rule, key Key, d Decision) error {
	if err := checkTake(ctx, rule); err != nil || d.Taken == 0 {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := clock.Instant(m.now())
	e := m.entryLocked(rule, key, now)
	if d.at >= e.since {
		e.state, e.refunded = e.rule.refund(e.state, now, given{d.at, d.Taken, d.Mark}, e.refunded)
	}
	return nil
}

func checkTake(ctx context.Context, rule Rule) error {
	if ctx.Err() != nil {
		return fault.New(fault.Spec{Code: fault.Canceled, Component: component, Name: rule.Name, Cause: context.Cause(ctx)})
	}
	ps := rule.Config.problems()
	ps.CheckName(rule.Name)
	return ps.Err(component, rule.Name)
}

// entryLocked returns the entry of a key, under the rule as it is given now.
func (m *MemoryStore) entryLocked(given Rule, key Key, now clock.Instant) *storeEntry {
	id := storeKey{given.Name, key.Text()}
	e := m.keys[id]
	if e == nil {
		m.sweepLocked(now)
		e = &storeEntry{newRule(given.Config, nil), unused(), refunded{turns: clock.Min}, clock.Min, clock.Min}
		m.keys[id] = e
		return e
	}
	if r := newRule(given.Config, e.rule); !r.same(e.rule) {
		e.state, e.rule, e.since = r.inherit(e.rule, e.state, now), r, now+1
	}
	return e
}

// sweepLocked looks at two keys, of Go's choosing, and drops those that are spent
// and have no receipts: what is remembered of refunds is needed as long as these.
func (m *MemoryStore) sweepLocked(now clock.Instant) {
	looks := 0
	for id, e := range m.keys {
		if before := now.Add(-spentMargin); e.rule.spent(e.state, before) && e.until <= before {
			delete(m.keys, id)
		}
		if looks++; looks == 2 {
			return
		}
	}
}

func (e *storeEntry) take(now clock.Instant, cost int64) Decision {
	d := Decision{Limit: e.rule.capacity, at: now, cost: cost, kind: costKind(e.rule, cost)}
	if d.kind != admitted {
		if e.rule.capacity > 0 {
			_, v := e.rule.ask(e.state, now, 0, 0)
			d.Remaining, d.ResetAfter = v.remaining, v.reset
		}
		return d
	}
	after, v := e.rule.ask(e.state, now, cost, 0)
	d.OK, d.kind, d.Remaining, d.RetryAfter, d.ResetAfter = v.ok, kindOf(v), v.remaining, v.retry, v.reset
	if v.ok {
		e.rule.record(after, now, cost)
		e.state, d.Taken, d.Mark = after, cost, marked(v.mark, e.refunded.sum)
		e.until = max(e.until, now.Add(v.reset))
	}
	return d
}

var _ Store = (*MemoryStore)(nil)
