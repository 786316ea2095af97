package guard

import (
	"container/heap"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/stripe"
)

// leases holds the open tokens that have a lease, so that those that were forgotten
// are taken back when it ends.
//
// Timers are started and never stopped or reset, which costs a call nothing: a timer
// that finds no expired lease starts the next one. Usually there is one. Stopping is
// also what a test could not do: a guard that lives longer than a synctest bubble
// would panic.
type leases struct {
	lanes [stripe.Lanes]lane
	// next is when the first of the timers fires, [clock.Max] if there is none.
	next atomic.Int64

	mu     sync.Mutex      // guards timers; nothing is called under it
	timers []clock.Instant // when those that run fire, the first one last
}

// lane holds the leases of some of the tokens.
type lane struct {
	mu   sync.Mutex // guards open and the index of its tokens; nothing is called under it
	open byExpiry
	_    [96]byte
}

// byExpiry is a heap of tokens, with the lease that ends first on top.
type byExpiry []*Token

func (h byExpiry) Len() int           { return len(h) }
func (h byExpiry) Less(i, j int) bool { return h[i].expires < h[j].expires }

func (h byExpiry) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i), int32(j)
}

func (h *byExpiry) Push(x any) {
	t := x.(*Token) //nolint:errcheck,forcetypeassert // ours
	t.index = int32(len(*h))
	*h = append(*h, t)
}

func (h *byExpiry) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = notLeased
	return t
}

// notLeased is the index of a token that no lane holds.
const notLeased = -1

func (l *leases) init() { l.next.Store(int64(clock.Max)) }

// add gives t, which is opened now, a lease.
func (l *leases) add(g *Guard, t *Token, now, expires clock.Instant) {
	s := &l.lanes[stripe.Lane()]
	t.lane, t.expires = s, expires
	s.mu.Lock()
	heap.Push(&s.open, t)
	s.mu.Unlock()
	if next := clock.Instant(l.next.Load()); expires < next || next < now {
		l.start(g, expires)
	}
}

// end ends the lease of t, if it has one.
func (t *Token) endLease() {
	s := t.lane
	if s == nil {
		return
	}
	s.mu.Lock()
	if t.index != notLeased {
		heap.Remove(&s.open, int(t.index))
	}
	s.mu.Unlock()
}

// start makes sure that a timer fires no later than at the given instant. A timer
// whose time has passed is not relied on: it is about to fire and does not know of
// later leases, or belongs to a test that has ended.
func (l *leases) start(g *Guard, at clock.Instant) {
	now := clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropTimers(now)
	if n := len(l.timers); n > 0 && l.timers[n-1] <= at {
		return
	}
	l.timers = append(l.timers, at)
	l.next.Store(int64(at))
	time.AfterFunc(at.Sub(now), func() { l.expire(g) })
}

// dropTimers forgets the timers that have fired by now. REQUIRES: l.mu.
func (l *leases) dropTimers(now clock.Instant) {
	n := len(l.timers)
	for n > 0 && l.timers[n-1] <= now {
		n--
	}
	l.timers = l.timers[:n]
	next := clock.Max
	if n > 0 {
		next = l.timers[n-1]
	}
	l.next.Store(int64(next))
}

// expire takes back every token whose lease has ended; a timer calls it. The timers
// that have fired are forgotten before the leases are looked at: a token that is
// opened meanwhile is seen here or starts a timer itself.
func (l *leases) expire(g *Guard) {
	now := clock.Now()
	l.mu.Lock()
	l.dropTimers(now)
	l.mu.Unlock()
	lost, next := l.expired(now)
	if next < clock.Max {
		l.start(g, next)
	}
	count := 0
	defer func() { _ = recover() }()        // of the logger's own panic, which nobody can be told of
	defer func() { g.tellExpired(count) }() // also if a handler ends the goroutine
	g.takeBack(lost, &count)
}

// expired removes the tokens whose lease has ended by now, and returns when the next
// lease ends.
func (l *leases) expired(now clock.Instant) (lost []*Token, next clock.Instant) {
	next = clock.Max
	for i := range l.lanes {
		s := &l.lanes[i]
		s.mu.Lock()
		for len(s.open) > 0 && s.open[0].expires <= now {
			lost = append(lost, s.open[0])
			heap.Pop(&s.open)
		}
		if len(s.open) > 0 {
			next = min(next, s.open[0].expires)
		}
		s.mu.Unlock()
	}
	return lost, next
}

// takeBack ends all of the given tokens that are still open, also if a recorder
// panics at one of them or a handler ends the goroutine: nobody else would ever end
// the rest. Nobody is there for a panic to go on to, so it is recovered and logged.
func (g *Guard) takeBack(lost []*Token, count *int) {
	defer func() {
		if len(lost) > 0 {
			g.takeBack(lost, count)
		}
	}()
	defer func() {
		if cause := recover(); cause != nil {
			g.log.LogAttrs(context.Background(), slog.LevelError, "a handler panicked when a token was taken back",
				slog.String("guard", g.name), slog.String("panic", fmt.Sprintf("%.200v", cause)), slog.String("stack", string(debug.Stack())))
		}
	}()
	for len(lost) > 0 {
		t := lost[0]
		lost = lost[1:]
		if t.record(&report{verdict: abandoned, err: errAbandoned, at: clock.Now(), ends: true, expired: true}) {
			*count++
			g.stats.leases.Add(1)
			t.work()
		}
	}
}

func (g *Guard) tellExpired(count int) {
	if count == 0 {
		return
	}
	g.log.LogAttrs(context.Background(), slog.LevelWarn, "tokens were open for longer than their lease: they count as failures",
		slog.String("guard", g.name), slog.Int("count", count))
	if g.expired.Active() {
		g.expired.Emit(context.Background(), LeasesExpired{Guard: g.name, Count: count})
	}
}
