package ratelimit

import (
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// engine is one rule and the keys that are counted under it. A limiter has one at a
// time, and one for each set of numbers that overrides give to some keys. A change of
// the rule makes another, which takes over the keys.
type engine struct {
	lim     *Limiter
	rule    *rule
	maxKeys int64
	since   clock.Instant // when the rule came into force
	special bool          // holds keys that have an override, and no others

	words    *words // one of the two is the table
	cells    *cells
	overflow overflow
	refunds  refunds

	keys     *atomic.Int64             // in the tables, the previous engine's included; both count in one
	hand     atomic.Uint64             // where sweepFull continues
	prev     atomic.Pointer[origin]    // while keys move over, else nil
	returned atomic.Pointer[returnees] // keys whose receipts from before they came back are void
	spill    atomic.Bool               // new keys are sent to the overflow buckets
}

func newEngine(l *Limiter, r *rule, maxKeys int64, now clock.Instant) *engine {
	e := newEngineFor(l, r, maxKeys, now)
	e.makeTable(int(max(maxKeys/keysPerShard, leastShards)), cellShards)
	return e
}

// newEngineFor returns an engine that has no table yet.
func newEngineFor(l *Limiter, r *rule, maxKeys int64, now clock.Instant) *engine {
	return &engine{lim: l, rule: r, maxKeys: maxKeys, since: now, keys: new(atomic.Int64)}
}

// makeTable makes the table that the rule needs, with as many shards of either kind.
func (e *engine) makeTable(words, cells int) {
	if e.rule.pack.fits {
		e.words = newWords(words)
	} else {
		e.cells = newCells(cells)
	}
}

// question is one call that an engine decides about.
type question struct {
	hash     key.Hash
	now      clock.Instant
	cost     int64
	patience int64 // nanoseconds
}

// visited says how a visit of a key in a table ended.
type visited uint8

const (
	visitDone   visited = iota
	tableFull           // the key is not there and the limiter has no room
	tableSealed         // the table is being replaced: ask the limiter's newest
)

// visitor decides what becomes of a key's state; keep is whether to store it. It
// may be called again with another state.
type visitor func(st state) (after state, keep bool)

// ask decides one call. It reports false if the engine was replaced meanwhile.
func (e *engine) ask(q *question) (v verdict, ok bool) {
	if e.words != nil && e.words.ask(e, q, &v) {
		return v, true
	}
	return e.askLocked(q)
}

// askLocked is ask for keys that are not in the table yet, and for tables that
// need the lock.
func (e *engine) askLocked(q *question) (v verdict, ok bool) {
	sum := e.refunds.sum(q.hash)
	done := e.visit(q.hash, q.now, func(st state) (state, bool) {
		after, answer := e.rule.ask(st, q.now, q.cost, time.Duration(q.patience))
		if v = answer; !v.ok {
			return st, false
		}
		e.rule.record(after, q.now, q.cost)
		return after, true
	})
	v.mark = marked(v.mark, sum)
	return v, done != tableSealed
}

// peek answers what ask would and takes nothing. The numbers are those of before
// such a call, and all of one moment.
func (e *engine) peek(q *question) (v verdict, ok bool) {
	done := e.look(q.hash, q.now, func(st state) {
		_, would := e.rule.ask(st, q.now, q.cost, time.Duration(q.patience))
		_, v = e.rule.ask(st, q.now, 0, 0)
		v.ok, v.retry = would.ok, would.retry
	})
	return v, done != tableSealed
}

// refund gives back what a call took, as far as it still counts. It reports false
// if the engine was replaced meanwhile.
//
// The refund is noted before the state is stored, once for each attempt, and a call
// reads the notes before the state. One that misses the note may yet see the state
// after it: then a refund of its own is smaller than it could be. One that sees the
// note and the state before it makes the attempt fail, and the next is noted again.
func (e *engine) refund(h key.Hash, now clock.Instant, g given) bool {
	done := e.visit(h, now, func(st state) (state, bool) {
		past := e.refunds.of(h)
		after, noted := e.rule.refund(st, now, g, past)
		e.refunds.note(h, past, noted)
		return after, after != st || st.log != nil
	})
	return done != tableSealed
}

// look shows fn the state of a key wherever it is kept.
func (e *engine) look(h key.Hash, now clock.Instant, fn func(state)) visited {
	see := func(st state) (state, bool) {
		fn(st)
		return st, false
	}
	done := e.visitTable(h, now, see)
	if done == tableFull {
		return e.overflow.visit(h, see)
	}
	return done
}

// visit runs fn on the state of a key wherever it is kept.
func (e *engine) visit(h key.Hash, now clock.Instant, fn visitor) visited {
	done := e.visitTable(h, now, fn)
	if done == tableFull && e.makeRoom(now) {
		done = e.visitTable(h, now, fn)
	}
	if done == tableFull {
		e.lim.spilled(e)
		return e.overflow.visit(h, fn)
	}
	return done
}

func (e *engine) visitTable(h key.Hash, now clock.Instant, fn visitor) visited {
	if e.words != nil {
		return e.words.visit(e, h, now, fn)
	}
	return e.cells.visit(e, h, now, fn)
}

// inherited returns what a key that enters the table begins with: its state
// under the previous rule, or that of the overflow bucket it was counted in, so
// that entering the table gives no free quota. Known is whether the key was in
// the previous table and therefore has its room already.
func (e *engine) inherited(h key.Hash, now clock.Instant) (st state, known bool) {
	if o := e.prev.Load(); o != nil {
		if st, known = o.leave(e, h); known {
			return st, true
		}
		if st, ok := o.spilled(e, h); ok && !e.rule.spent(st, now) {
			return st, false
		}
	}
	if st, ok := e.overflow.copy(h); ok && !e.rule.spent(st, now) {
		return st, false
	}
	return unused(), false
}

// admitKey takes room for one more key, after sweeping a little if there is none.
func (e *engine) admitKey() bool {
	if e.keys.Add(1) <= e.maxKeys {
		e.spill.Store(false)
		return true
	}
	e.keys.Add(-1)
	return false
}

func (e *engine) forgetKey() { e.keys.Add(-1) }

func (e *engine) evicted() {
	e.keys.Add(-1)
	e.lim.evictions.Add(1)
}

// makeRoom sweeps a little, of one part of the table after the other. It runs
// before a key that found no room is sent to the overflow buckets.
func (e *engine) makeRoom(now clock.Instant) bool {
	var shards int
	if e.words != nil {
		shards = len(e.words.shards)
	} else {
		shards = len(e.cells.shards)
	}
	for looks := 0; looks < sweepLooks && shards > 0; shards-- {
		looked, dropped := e.sweepSome(e.hand.Add(1), now.Add(-fullMargin))
		if dropped > 0 {
			return true
		}
		looks += looked + 1
	}
	return false
}

func (e *engine) sweepSome(i uint64, before clock.Instant) (looked, dropped int) {
	if e.words != nil {
		return e.words.sweepSome(e, i, before, sweepFull)
	}
	return e.cells.sweepSome(e, i, before, sweepFull)
}

func (e *engine) remove(h key.Hash) (state, bool) {
	if e.words != nil {
		return e.words.remove(e.rule, h)
	}
	return e.cells.remove(h)
}

func (e *engine) seal() {
	if e.words != nil {
		e.words.seal()
		return
	}
	e.cells.seal()
}

// each calls fn for every key of a sealed table.
func (e *engine) each(fn func(key.Hash)) {
	if e.words != nil {
		e.words.each(fn)
		return
	}
	e.cells.each(fn)
}

// reset forgets what a key has taken. It reports false if the engine was replaced
// meanwhile.
func (e *engine) reset(h key.Hash) bool {
	if e.words != nil {
		return e.words.forget(e, h) != tableSealed
	}
	return e.cells.forget(e, h) != tableSealed
}

// forgetInherited removes a key that has not moved over yet.
func (e *engine) forgetInherited(h key.Hash) {
	if o := e.prev.Load(); o != nil {
		if _, ok := o.leave(e, h); ok {
			e.forgetKey()
		}
	}
}
