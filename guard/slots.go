package guard

import "sync/atomic"

// slots counts the calls that hold a place of the concurrency bound. The count
// survives revisions: a lowered bound is reached by attrition. Calls that began
// while there was no bound hold no place.
type slots struct {
	_    [128]byte // a line of its own: every bounded call writes it
	used atomic.Int64
	_    [120]byte
}

// take takes a place if fewer than bound are taken, and returns how many are then; else
// it returns 0. It compares and swaps instead
// of adding and looking: an add that is taken back would refuse others meanwhile
// for whom there is a place.
func (s *slots) take(bound int64) (taken int64) {
	for {
		used := s.used.Load()
		if used >= bound {
			return 0
		}
		if s.used.CompareAndSwap(used, used+1) {
			return used + 1
		}
	}
}

func (s *slots) giveBack() { s.used.Add(-1) }
