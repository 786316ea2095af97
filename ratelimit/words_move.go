package ratelimit

import (
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// prepareLocked makes the first table, or a new one for an outgrown base, and
// moves a few slots on.
func (s *wordShard) prepareLocked(e *engine, now clock.Instant) {
	table := s.table.Load()
	switch {
	case table == nil:
		s.table.Store(newWordTable(e.rule, leastSlots, now))
	case e.rule.outgrown(table.base, now):
		s.replaceLocked(e, now)
	default:
		s.moveLocked(e, now.Add(-spentMargin), moveStep)
	}
}

func newWordTable(r *rule, slots int, now clock.Instant) *wordTable {
	return &wordTable{slots: make([]slot, slots), base: r.baseFor(now)}
}

// replaceLocked begins to move everything to a new table. If a move is under way
// it is finished first; a shard has few enough keys for that.
func (s *wordShard) replaceLocked(e *engine, now clock.Instant) {
	old := s.table.Load()
	s.moveLocked(e, now.Add(-spentMargin), maxInt)
	// Half empty for what is there, and large enough for the keys that can arrive
	// before the last slot of the old table has moved: one for every moveStep.
	slots := leastSlots
	for slots < 2*(s.live+1) || slots < len(old.slots)/8 {
		slots *= 2
	}
	table := newWordTable(e.rule, slots, now)
	table.old.Store(old)
	s.used, s.sweep, s.moved = 0, 0, 0
	s.table.Store(table)
	s.moveLocked(e, now.Add(-spentMargin), moveStep)
}

// moveLocked moves up to n slots of the old table to the newest, if there is an
// old one. Keys that were spent at the given instant stay behind. In a sealed shard nothing moves any
// more: who takes its keys away must find each where it was.
func (s *wordShard) moveLocked(e *engine, before clock.Instant, n int) {
	table := s.table.Load()
	old := table.old.Load()
	if old == nil || s.sealed {
		return
	}
	end := s.moved + min(n, len(old.slots)-s.moved)
	for ; s.moved < end; s.moved++ {
		s.moveSlotLocked(e, table, old, &old.slots[s.moved], before)
	}
	if s.moved == len(old.slots) {
		table.old.Store(nil)
	}
}

func (s *wordShard) moveSlotLocked(e *engine, table, old *wordTable, at *slot, before clock.Instant) {
	if at.hi.Load() == 0 {
		return
	}
	w, live := at.retire(frozen)
	if !live {
		return
	}
	st := e.rule.unpacked(old.base, w)
	if e.rule.spent(st, before) {
		s.live--
		e.evicted()
		return
	}
	s.placeLocked(table, key.Hash{Hi: at.hi.Load(), Lo: at.lo}, e.rule.word(table.base, st))
}

// retire sets a mark that ends the slot's use and returns its last word, or
// false if it was not in use.
func (at *slot) retire(mark uint64) (w uint64, live bool) {
	for {
		w = at.word.Load()
		if w >= dead {
			return w, false
		}
		if at.word.CompareAndSwap(w, w|mark) {
			return w, true
		}
	}
}

// bringLocked returns the slot of h in the newest table, moving it there if it is
// still in the old one, or nil if the key is in neither.
func (s *wordShard) bringLocked(e *engine, h key.Hash) *slot {
	table := s.table.Load()
	if at := table.find(h); at != nil && at.word.Load() < dead {
		return at
	}
	old := table.old.Load()
	if old == nil {
		return nil
	}
	at := old.find(h)
	if at == nil {
		return nil
	}
	w, live := at.retire(frozen)
	if !live {
		return nil
	}
	return s.placeLocked(table, h, e.rule.word(table.base, e.rule.unpacked(old.base, w)))
}
