package ratelimit

import (
	"sync"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// cells is the table that holds any rule's state, under a lock for each shard.
// It serves the sliding log and rules whose numbers do not fit the table of
// [words].
type cells struct {
	shards []cellShard
	shift  int // the high bits of the hash choose the shard
}

const cellShards = 64

type cellShard struct {
	// mu guards the fields below. Nothing that belongs to a user runs under it.
	mu    sync.Mutex
	byKey map[key.Hash]*cell
	// order holds the same cells; hand is the next one that a sweep looks at.
	order  []*cell
	hand   int
	sealed bool
}

type cell struct {
	hash  key.Hash
	index int // in order
	state state
}

func newCells(shards int) *cells {
	n := shardBits(shards)
	return &cells{shards: make([]cellShard, 1<<n), shift: 64 - n}
}

func (t *cells) shard(h key.Hash) *cellShard { return &t.shards[h.Hi>>t.shift] }

// visit calls fn with the state of a key under the lock of its shard and stores
// what fn returns. A key that is not there is unused; it enters only if fn says
// so and the limiter has room. It reports full if there was none, and sealed if
// the table is being replaced.
func (t *cells) visit(e *engine, h key.Hash, now clock.Instant, fn visitor) visited {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return tableSealed
	}
	if c := s.byKey[h]; c != nil {
		if after, keep := fn(c.state); keep {
			c.state = after
		}
		return visitDone
	}
	if !e.holds(h) {
		return tableSealed
	}
	st, known := e.inherited(h, now)
	if !known && !e.admitKey() {
		return tableFull
	}
	st, keep := fn(st)
	if !keep && !known {
		e.forgetKey()
		return visitDone
	}
	s.insertLocked(h, st)
	s.sweepLocked(e, now.Add(-spentMargin), sweepStep)
	return visitDone
}

func (s *cellShard) insertLocked(h key.Hash, st state) {
	if s.byKey == nil {
		s.byKey = make(map[key.Hash]*cell)
	}
	c := &cell{h, len(s.order), st}
	s.byKey[h] = c
	s.order = append(s.order, c)
}

func (s *cellShard) removeLocked(c *cell) {
	delete(s.byKey, c.hash)
	last := len(s.order) - 1
	s.order[c.index] = s.order[last]
	s.order[c.index].index = c.index
	s.order[last] = nil
	s.order = s.order[:last]
}

// sweepLocked looks at the next n cells and drops those that were spent at the
// given instant.
func (s *cellShard) sweepLocked(e *engine, before clock.Instant, n int) (dropped int) {
	for range min(n, len(s.order)) {
		s.hand++
		if s.hand >= len(s.order) {
			s.hand = 0
		}
		if c := s.order[s.hand]; e.rule.spent(c.state, before) {
			s.removeLocked(c)
			e.evicted()
			dropped++
		}
	}
	return dropped
}

// sweepSome sweeps a part of one shard if nobody is using it.
func (t *cells) sweepSome(e *engine, i uint64, before clock.Instant, n int) (looked, dropped int) {
	s := &t.shards[i%uint64(len(t.shards))]
	if !s.mu.TryLock() {
		return 0, 0
	}
	defer s.mu.Unlock()
	looked = min(n, len(s.order))
	return looked, s.sweepLocked(e, before, n)
}

// forget removes a key wherever it is, once: also from the table that this one
// takes over.
func (t *cells) forget(e *engine, h key.Hash) visited {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return tableSealed
	}
	e.forgetInherited(h)
	if c := s.byKey[h]; c != nil {
		s.removeLocked(c)
		e.forgetKey()
	}
	return visitDone
}

// remove takes a key away, also from a sealed table, and returns its state.
func (t *cells) remove(h key.Hash) (state, bool) {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byKey[h]
	if c == nil {
		return unused(), false
	}
	s.removeLocked(c)
	return c.state, true
}

func (t *cells) seal() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.sealed = true
		s.mu.Unlock()
	}
}

// each calls fn for every key, some at a time, and holds no lock while it does.
// REQUIRES: the table is sealed and fn removes the key.
func (t *cells) each(fn func(key.Hash)) {
	for i := range t.shards {
		for hashes := t.shards[i].some(); len(hashes) > 0; hashes = t.shards[i].some() {
			for _, h := range hashes {
				fn(h)
			}
		}
	}
}

func (s *cellShard) some() []key.Hash {
	s.mu.Lock()
	defer s.mu.Unlock()
	hashes := make([]key.Hash, 0, eachStep)
	for _, c := range s.order[:min(len(s.order), eachStep)] {
		hashes = append(hashes, c.hash)
	}
	return hashes
}

const (
	// sweepStep is how many cells each new key sweeps: more than one, so that
	// the sweep gets ahead of the keys that arrive.
	sweepStep = 4
	// sweepFull is how many cells of a shard a new key sweeps when the limiter is
	// full, and sweepLooks of how many it looks in all until it finds one to drop.
	sweepFull  = 64
	sweepLooks = 8 * sweepFull
	// spentMargin is how long a key must have been spent before it is dropped,
	// for callers whose reading of the clock is older than the sweep. A limiter
	// that is full has no room for keys that are as if they had never been used:
	// there it is fullMargin.
	spentMargin = time.Second
	fullMargin  = 10 * time.Millisecond
)
