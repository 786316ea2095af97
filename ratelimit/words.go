package ratelimit

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// words is the table for rules whose states fit a word: open addressing, the
// word beside the 128-bit hash, 24 bytes a slot and no pointers. A key that is in
// the table is decided without a lock by compare-and-swap of its word; the lock
// of a shard is taken to let a key in, to drop one, and to replace the table.
//
// # Why readers need no lock
//
// A slot belongs to one key as long as its table lives. Its hash is written once,
// the low half and the word before the high half: who sees the high half by an
// atomic load sees the others. So a word that a reader has found can only ever
// be that key's, and a swap can only fail or be right; a dropped key's slot is
// marked dead and not given to another key, which is what makes a stale reader
// harmless.
//
// A table is replaced when it is full of keys or of dead slots, or when its base
// is too far back. The new one is published with a pointer to the old one, and
// slots move a few at a time under the shard's lock: the old word is frozen by a
// swap, which makes every later swap of it fail, and only then does its value
// appear in the new table. So at every moment a key has at most one word that can
// be swapped. A reader looks into the new table first and then into the old one.
// Whoever finds its slot frozen or dead, or no slot, or a word that cannot hold
// the answer, takes the lock, under which nothing moves, and looks again.
//
// Readers may hold a table that has been replaced twice; all its words are frozen
// or dead. No key is ever let into any table but the newest.
type words struct {
	shards []wordShard
	shift  int // the high bits of the hash choose the shard, the low bits the slot
}

type wordShard struct {
	table atomic.Pointer[wordTable] // the newest; nil while there was no key

	// mu guards the fields below, all slots' hashes, and the moving and dropping
	// of words. Nothing that belongs to a user runs under it.
	mu     sync.Mutex
	used   int // slots of the newest table that are taken, the dead included
	live   int // keys, in both tables
	sweep  int // the next slot of the newest table that a sweep looks at
	moved  int // slots of the old table before it have moved
	sealed bool
	_      [8]byte
}

type wordTable struct {
	slots []slot
	base  int64
	old   atomic.Pointer[wordTable] // whose words move here; nil when they have
}

type slot struct {
	hi   atomic.Uint64 // 0 while the slot is free
	lo   uint64
	word atomic.Uint64
}

const (
	leastShards  = 8
	keysPerShard = 8192 // a shard's table is replaced within a fraction of a millisecond
	leastSlots   = 8
	moveStep     = 32
)

func newWords(shards int) *words {
	n := shardBits(shards)
	return &words{shards: make([]wordShard, 1<<n), shift: 64 - n}
}

// shardBits returns how many bits tell at least so many shards apart.
func shardBits(shards int) int { return bits.Len64(uint64(shards - 1)) }

func (t *words) shard(h key.Hash) *wordShard { return &t.shards[h.Hi>>t.shift] }

// find returns the slot of h, or nil.
func (t *wordTable) find(h key.Hash) *slot {
	mask := uint64(len(t.slots) - 1)
	for i := h.Lo; ; i++ {
		s := &t.slots[i&mask]
		switch hi := s.hi.Load(); {
		case hi == h.Hi && s.lo == h.Lo:
			return s
		case hi == 0:
			return nil
		}
	}
}

// ask decides a call of a key that is in the table. It reports false if that
// needs the lock.
func (t *words) ask(e *engine, q *question, v *verdict) bool {
	s := t.shard(q.hash)
	table := s.table.Load()
	if table == nil {
		return false
	}
	at, moving := table.find(q.hash), false
	if at == nil {
		if table = table.old.Load(); table == nil {
			return false
		}
		if at = table.find(q.hash); at == nil {
			return false
		}
		moving = true
	}
	sum := e.refunds.sum(q.hash) // before the word: see engine.refund
	for {
		w := at.word.Load()
		if w >= dead {
			return false
		}
		after, ok := e.rule.askWord(table.base, w, q, v)
		if !ok {
			return false
		}
		if !v.ok || at.word.CompareAndSwap(w, after) {
			break
		}
	}
	v.mark = marked(v.mark, sum)
	if moving {
		s.help(e, q.now)
	}
	return true
}

// help moves a few slots if nobody else is at it, so that a table is replaced in
// time even while no new keys arrive.
func (s *wordShard) help(e *engine, now clock.Instant) {
	if s.mu.TryLock() {
		s.moveLocked(e, now.Add(-spentMargin), moveStep)
		s.mu.Unlock()
	}
}

// visit is [cells.visit] for this table. Readers may change the word meanwhile:
// then fn is called again.
func (t *words) visit(e *engine, h key.Hash, now clock.Instant, fn visitor) visited {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return tableSealed
	}
	s.prepareLocked(e, now)
	if at := s.bringLocked(e, h); at != nil {
		s.changeLocked(e, at, fn)
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
	s.insertLocked(e, h, e.rule.word(s.table.Load().base, st), now)
	s.live++
	s.sweepLocked(e, now.Add(-spentMargin), sweepStep)
	return visitDone
}

// changeLocked applies fn to a live word of the newest table.
func (s *wordShard) changeLocked(e *engine, at *slot, fn visitor) {
	base := s.table.Load().base
	for {
		w := at.word.Load()
		st, keep := fn(e.rule.unpacked(base, w))
		if !keep || at.word.CompareAndSwap(w, e.rule.word(base, st)) {
			return
		}
	}
}

// insertLocked lets a key in that is in no table.
func (s *wordShard) insertLocked(e *engine, h key.Hash, w uint64, now clock.Instant) {
	if table := s.table.Load(); 4*(s.used+1) > 3*len(table.slots) {
		st := e.rule.unpacked(table.base, w)
		s.replaceLocked(e, now)
		w = e.rule.word(s.table.Load().base, st)
	}
	s.placeLocked(s.table.Load(), h, w)
}

// placeLocked writes a key's word into a free slot, or into its own dead one.
func (s *wordShard) placeLocked(table *wordTable, h key.Hash, w uint64) *slot {
	mask := uint64(len(table.slots) - 1)
	for i := h.Lo; ; i++ {
		at := &table.slots[i&mask]
		hi := at.hi.Load()
		if hi == h.Hi && at.lo == h.Lo {
			at.word.Store(w) // dead: nobody swaps it
			return at
		}
		if hi == 0 {
			s.used++
			at.lo = h.Lo
			at.word.Store(w)
			at.hi.Store(h.Hi) // last: this publishes the slot
			return at
		}
	}
}

// sweepLocked looks at the next n slots and drops keys that were spent at the
// given instant. While slots move there is no need: the moving drops them.
func (s *wordShard) sweepLocked(e *engine, before clock.Instant, n int) {
	table := s.table.Load()
	if table == nil || table.old.Load() != nil || s.sealed {
		return
	}
	for range min(n, len(table.slots)) {
		at := &table.slots[s.sweep&(len(table.slots)-1)]
		s.sweep++
		w := at.word.Load()
		if at.hi.Load() == 0 || w >= dead || !e.rule.spent(e.rule.unpacked(table.base, w), before) {
			continue
		}
		if at.word.CompareAndSwap(w, w|dead) {
			s.live--
			e.evicted()
		}
	}
}

// sweepSome sweeps a part of one shard if nobody is using it.
func (t *words) sweepSome(e *engine, i uint64, before clock.Instant, n int) (looked, dropped int) {
	s := &t.shards[i%uint64(len(t.shards))]
	if !s.mu.TryLock() {
		return 0, 0
	}
	defer s.mu.Unlock()
	table, live := s.table.Load(), s.live
	if table == nil {
		return 0, 0
	}
	s.moveLocked(e, before, n)
	s.sweepLocked(e, before, n)
	return min(n, len(table.slots)), live - s.live
}

// forget removes a key wherever it is, once: also from the table that this one
// takes over.
func (t *words) forget(e *engine, h key.Hash) visited {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return tableSealed
	}
	e.forgetInherited(h)
	if _, ok := s.removeLocked(e.rule, h); ok {
		e.forgetKey()
	}
	return visitDone
}

// remove takes a key away, also from a sealed table, and returns its state.
func (t *words) remove(r *rule, h key.Hash) (state, bool) {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.removeLocked(r, h)
}

func (s *wordShard) removeLocked(r *rule, h key.Hash) (state, bool) {
	for table := s.table.Load(); table != nil; table = table.old.Load() {
		if at := table.find(h); at != nil {
			if w, live := at.retire(dead); live {
				s.live--
				return r.unpacked(table.base, w), true
			}
		}
	}
	return unused(), false
}

func (t *words) seal() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.sealed = true
		s.mu.Unlock()
	}
}

// each calls fn for every key, some at a time, and holds no lock while it does.
// REQUIRES: the table is sealed.
func (t *words) each(fn func(key.Hash)) {
	hashes := make([]key.Hash, 0, eachStep)
	for i := range t.shards {
		s := &t.shards[i]
		for table := s.table.Load(); table != nil; table = table.old.Load() {
			for from := 0; from < len(table.slots); from += eachStep {
				s.mu.Lock()
				hashes = table.live(hashes[:0], from)
				s.mu.Unlock()
				for _, h := range hashes {
					fn(h)
				}
			}
		}
	}
}

const eachStep = 256

func (t *wordTable) live(to []key.Hash, from int) []key.Hash {
	for i := range t.slots[from:min(from+eachStep, len(t.slots))] {
		at := &t.slots[from+i]
		if at.hi.Load() != 0 && at.word.Load() < dead {
			to = append(to, key.Hash{Hi: at.hi.Load(), Lo: at.lo})
		}
	}
	return to
}

const maxInt = int(^uint(0) >> 1)
