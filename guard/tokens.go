package guard

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/stripe"
)

// tokens holds the places of all open tokens, so that those that were forgotten
// can be taken back. Places are reused; they belong to the guard and not to a
// package-level pool, which would tie synctest bubbles together.
//
// Nobody watches the leases: whoever needs a slot, opens a token, or looks at the
// guard takes back what has expired by then.
type tokens struct {
	shards [stripe.Lanes]shard
}

type shard struct {
	// earliest is not later than the end of any lease in the shard, so one load
	// tells that there is nothing to take back. It may be too early, which costs a
	// look at the places once in a lease's time.
	earliest atomic.Int64

	mu   sync.Mutex // guards the fields below; nothing is called under it
	free []*place
	all  []*place
	_    [64]byte
}

// place is where an open token's accounts stand.
type place struct {
	shard *shard
	// state is the serial of the token that the place belongs to, and its stage.
	// Who moves it from opened or settled to busy has the rest of the place alone.
	state   atomic.Uint64
	expires atomic.Int64

	visit        visit
	call         Call
	ctx, limited context.Context //nolint:containedctx // of the call that the token stands for
}

// The stages of a place, below its serial.
const (
	busy    uint64 = iota // somebody has it alone, or it is free
	closing               // the same, and whoever has it is to close it
	looked                // somebody looks at an opened one, for a moment
	opened                // the outcome is not known
	settled               // the outcome is settled, the token is not closed

	stageBits = 3
)

// at is the state of a place that belongs to the token with that serial.
func at(serial, stage uint64) uint64 { return serial<<stageBits | stage }

func (p *place) serial() uint64 { return p.state.Load() >> stageBits }

// claim takes the place for its token alone if it is in stage from.
func (p *place) claim(serial, from uint64) bool { return p.move(serial, from, busy) }

// look takes an opened place for a moment, in which nothing of a user's may run:
// others wait. Its end is [place.open].
func (p *place) look(serial uint64) bool { return p.move(serial, opened, looked) }

func (p *place) move(serial, from, to uint64) bool {
	from, to = at(serial, from), at(serial, to)
	for {
		switch p.state.Load() {
		case from:
			if p.state.CompareAndSwap(from, to) {
				return true
			}
		case at(serial, looked):
			runtime.Gosched()
		default:
			return false
		}
	}
}

// bequeath leaves the closing of a place that somebody has to him.
func (p *place) bequeath(serial uint64) bool {
	return p.state.CompareAndSwap(at(serial, busy), at(serial, closing))
}

// open lets the token's holder, and the end of the lease, have the place.
func (p *place) open(expires clock.Instant) {
	p.expires.Store(int64(expires))
	p.state.Store(at(p.serial(), opened))
	p.shard.lower(expires)
}

// keep gives the place of a settled token back to its holder, unless he has closed
// the token meanwhile. Leases are those of opened tokens, so there is none any more.
func (p *place) keep() {
	serial := p.serial()
	if !p.state.CompareAndSwap(at(serial, busy), at(serial, settled)) {
		p.close()
	}
}

// close ends a token whose outcome is settled. The caller has the place.
func (p *place) close() {
	defer p.recycle()
	p.endTrail()
}

// recycle ends the token and frees the place.
func (p *place) recycle() {
	p.visit = visit{}
	p.call = Call{} // on its own: beside others it would be made elsewhere and copied
	p.ctx, p.limited = nil, nil
	p.state.Store(at(p.serial()+1, busy))
	s := p.shard
	s.mu.Lock()
	s.free = append(s.free, p)
	s.mu.Unlock()
}

// get returns a place that the caller has alone.
func (t *tokens) get() *place {
	s := &t.shards[stripe.Lane()]
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		p := s.free[n-1]
		s.free = s.free[:n-1]
		return p
	}
	p := &place{shard: s}
	s.all = append(s.all, p)
	return p
}

func (t *tokens) init() {
	for i := range t.shards {
		t.shards[i].earliest.Store(int64(clock.Max))
	}
}

// due reports whether a lease may have expired by now.
func (s *shard) due(now clock.Instant) bool { return int64(now) >= s.earliest.Load() }

// lower notes a lease that ends at the given instant.
func (s *shard) lower(end clock.Instant) {
	for {
		earliest := s.earliest.Load()
		if int64(end) >= earliest || s.earliest.CompareAndSwap(earliest, int64(end)) {
			return
		}
	}
}

// expire takes back every token whose lease has ended by now, and returns their
// number.
func (t *tokens) expire(g *Guard, now clock.Instant) int {
	count := 0
	for i := range t.shards {
		if s := &t.shards[i]; s.due(now) {
			count += s.expire(now)
		}
	}
	if count > 0 {
		g.tellExpired(count)
	}
	return count
}

func (s *shard) expire(now clock.Instant) int {
	lost := s.claimExpired(now)
	takeBack(lost)
	return len(lost)
}

// takeBack ends all of the claimed places, also if a recorder panics at one of
// them or a handler ends the goroutine: nobody else would ever come for the rest.
func takeBack(lost []*place) {
	defer func() {
		if len(lost) > 0 {
			takeBack(lost)
		}
	}()
	for len(lost) > 0 {
		p := lost[0]
		lost = lost[1:]
		p.takeBack()
	}
}

func (p *place) takeBack() {
	defer p.recycle()
	p.visit.guard.stats.leases.Add(1)
	p.visit.finish(p.ctx, &p.call)
}

// claimExpired finds the expired places and sets the next time to look. A token
// that is opened meanwhile lowers that time itself, also if it comes first: it
// cannot find its own end undercut by a place that ends earlier.
func (s *shard) claimExpired(now clock.Instant) (lost []*place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.earliest.Store(int64(clock.Max))
	for _, p := range s.all {
		state := p.state.Load()
		if state&(1<<stageBits-1) != opened {
			continue
		}
		end := clock.Instant(p.expires.Load())
		if end > now {
			s.lower(end)
			continue
		}
		if p.claim(state>>stageBits, opened) {
			lost = append(lost, p)
		}
	}
	return lost
}

func (g *Guard) tellExpired(count int) {
	g.log.LogAttrs(context.Background(), slog.LevelWarn, "tokens were open for longer than their lease: they count as failures",
		slog.String("guard", g.name), slog.Int("count", count))
	if g.expired.Active() {
		g.expired.Emit(context.Background(), LeasesExpired{Guard: g.name, Count: count})
	}
}
