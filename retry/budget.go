package retry

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/stripe"
)

// The window of a budget: the current slice and those before it.
const (
	sliceCount = 10
	slice      = time.Second
	// floor is how many retries a window allows whatever the number of first attempts: 1
	// for each second. Without it a dependency that is called rarely would never be retried.
	floor = sliceCount
)

// Budget bounds the retries to one dependency. In the current second and the nine before
// it, there are at most so many retries as a share of the first attempts and one for
// each second. A fault that is short can use all of that at once. Once a retry was
// refused, each second has its own share alone, until nothing is refused for one: what
// is retried to a dependency that stays dead is a steady part of its load, and no wave every
// ten seconds. Each dependency needs a budget of its own: in one that is shared, the
// retries to a dead dependency would be paid for by the calls to a healthy one.
//
// The zero Budget is ready. It is safe for concurrent use and must not be copied. Counting
// a first attempt takes no lock.
type Budget struct {
	first stripe.Counter // first attempts, ever
	// began is the beginning of the current slice and one nanosecond, 0 before there is any.
	// It is written under mu.
	began atomic.Int64

	mu      sync.Mutex // guards what follows; nothing is called under it
	retries uint64     // ever
	denied  uint64     // ever: those that were refused
	slow    uint64     // ever: hedges that were refused
	refused int64      // the slice in which a retry or a hedge was last refused, if any was
	any     bool       // one was
	marks   [sliceCount]mark
}

// mark holds the counts as they were when a slice began.
type mark struct{ first, retries, denied, slow uint64 }

// First counts a first attempt that begins now.
func (b *Budget) First(now clock.Instant) {
	// One comparison for both ends of the slice: an earlier instant wraps around.
	began := b.began.Load()
	if (began == 0 || uint64(now)-uint64(began-1) >= uint64(slice)) && b.mu.TryLock() {
		b.roll(now)
		b.mu.Unlock()
	}
	b.first.Add(1)
}

// Take takes one retry out of the budget, and reports whether there was one. share is
// [Config.Budget].
func (b *Budget) Take(now clock.Instant, share float64) bool { return b.take(now, share, &b.denied) }

// TakeHedge is Take for a hedge, an attempt beside one that is slow and has not failed. Retries
// and hedges have one budget; only those that were refused are told apart.
func (b *Budget) TakeHedge(now clock.Instant, share float64) bool { return b.take(now, share, &b.slow) }

func (b *Budget) take(now clock.Instant, share float64, denied *uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	if b.left(share) < 1 {
		b.refused, b.any = b.slice(), true
		*denied++
		return false
	}
	b.retries++
	return true
}

// Return puts back the retry that was taken at an instant, because it was not made.
func (b *Budget) Return(taken, now clock.Instant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	b.retries--
	current := b.slice()
	for back := range int64(sliceCount) {
		if k := current - back; k > sliceOf(taken) {
			b.at(k).retries--
		}
	}
}

// BudgetStatus describes a [Budget] at one moment.
type BudgetStatus struct {
	First   uint64 // first attempts in the window
	Retries uint64 // retries and hedges in the window
	Denied  uint64 // retries in the window for which there was none left
	// HedgesDenied is how many hedges there were in the window for which there was none left.
	HedgesDenied uint64
	Left         uint64 // how many more retries and hedges there may be now
}

// Status returns a picture of the budget. share is [Config.Budget].
func (b *Budget) Status(now clock.Instant, share float64) BudgetStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	oldest := b.oldest()
	return BudgetStatus{
		First: b.first.Load() - oldest.first, Retries: b.retries - oldest.retries, Denied: b.denied - oldest.denied,
		HedgesDenied: b.slow - oldest.slow, Left: uint64(max(0, b.left(share))),
	}
}

// Idle reports whether nothing is counted in the window: such a budget gives the same
// answers as a new one.
func (b *Budget) Idle(now clock.Instant) bool {
	s := b.Status(now, 0)
	return s.First+s.Retries+s.Denied+s.HedgesDenied == 0
}

// left is how many retries there may be now. REQUIRES: b.mu.
func (b *Budget) left(share float64) float64 {
	left := b.leftSince(b.oldest(), floor, share)
	if current := b.slice(); b.any && b.refused >= current-1 {
		left = min(left, b.leftSince(b.at(current), 1, share))
	}
	return left
}

// leftSince is what is left of the share of the first attempts since a mark, and of some
// retries beside that.
func (b *Budget) leftSince(since *mark, beside, share float64) float64 {
	return beside + max(0, share)*float64(b.first.Load()-since.first) - float64(b.retries-since.retries)
}

// roll makes the slice of now the current one. A slightly earlier instant, of a goroutine
// that has read the clock and was held up, belongs to the current slice; one that
// is earlier by a window is of another clock, as that of a synctest bubble, and the count
// begins again. REQUIRES: b.mu.
func (b *Budget) roll(now clock.Instant) {
	from, to := b.slice(), sliceOf(now)
	switch {
	case b.began.Load() == 0:
		from = to - sliceCount
	case to > from:
		from = max(from, to-sliceCount)
	case to <= from-sliceCount:
		from = to - sliceCount
	default:
		return
	}
	if to < b.slice() {
		b.any = false // of another clock
	}
	count := mark{b.first.Load(), b.retries, b.denied, b.slow}
	for k := from + 1; k <= to; k++ {
		*b.at(k) = count
	}
	b.began.Store(to*int64(slice) + 1)
}

func (b *Budget) slice() int64         { return sliceOf(clock.Instant(b.began.Load() - 1)) }
func (b *Budget) oldest() *mark        { return b.at(b.slice() + 1) }
func (b *Budget) at(slice int64) *mark { return &b.marks[((slice%sliceCount)+sliceCount)%sliceCount] }

// sliceOf numbers the slices; instants may be negative.
func sliceOf(i clock.Instant) int64 {
	k := int64(i) / int64(slice)
	if int64(i)%int64(slice) < 0 {
		k--
	}
	return k
}
