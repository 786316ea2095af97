package ratelimit

import (
	"math"

	"github.com/elixirscope/foundation/clock"
)

// slotBytes is what a slot of a table takes.
const slotBytes = 24

// Trim drops keys that are as if they had never been used, makes the table as small as the
// others allow, and returns about how many bytes that has freed. No answer changes. Tables of
// rules that keep more than a word of a key shrink by themselves: there only the keys go.
func (l *Limiter) Trim() (freed int64) {
	now := clock.Now()
	for e := range l.setup.Load().engines() {
		if e.words != nil {
			freed += e.words.trim(e, now)
		} else {
			freed += e.cells.trim(e, now)
		}
	}
	return freed
}

func (t *words) trim(e *engine, now clock.Instant) (freed int64) {
	for i := range t.shards {
		freed += t.shards[i].trim(e, now)
	}
	return freed
}

// trim replaces the table of a shard if most of it is empty. The lock is held for as long as
// the shard takes to grow.
func (s *wordShard) trim(e *engine, now clock.Instant) (freed int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	table := s.table.Load()
	if table == nil || s.sealed {
		return 0
	}
	s.moveLocked(e, now.Add(-spentMargin), math.MaxInt)
	s.sweepLocked(e, now.Add(-spentMargin), math.MaxInt)
	before := len(table.slots)
	for n := before; n > leastSlots && 4*(s.live+1) <= n; n = len(s.table.Load().slots) { // it shrinks to an eighth at most at once
		s.replaceLocked(e, now)
		s.moveLocked(e, now.Add(-spentMargin), math.MaxInt)
	}
	return int64(before-len(s.table.Load().slots)) * slotBytes
}

// cellBytes is about what a key takes in a table of cells, without what is logged of it.
const cellBytes = 96

func (t *cells) trim(e *engine, now clock.Instant) (freed int64) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for dropped := 1; dropped > 0 && !s.sealed; { // a round passes over what took the place of a dropped cell
			dropped = s.sweepLocked(e, now.Add(-spentMargin), math.MaxInt)
			freed += int64(dropped) * cellBytes
		}
		s.mu.Unlock()
	}
	return freed
}
