package breaker

import (
	"context"
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/stripe"
	"github.com/elixirscope/foundation/outcome"
)

// ledger counts what went through a breaker, or through all members of a group.
// It outlives every era. The frequent counters are striped.
type ledger struct {
	success     stripe.Counter
	refused     stripe.Counter // in shadow mode: would have been
	failure     atomic.Uint64
	ignored     atomic.Uint64
	revoked     atomic.Uint64 // of success: failures after all
	shown       atomic.Uint64 // the most successes that metrics have shown
	shadowed    atomic.Uint64 // of refused: in shadow mode, so they ran
	transitions [3][3]atomic.Uint64
}

// tally counts the same for one member of a group, which may be one of
// thousands: 48 bytes instead of kilobytes.
type tally struct {
	success, revoked, failure, ignored, refused, shadowed atomic.Uint64
}

// Counts are totals since the breaker was made. They only rise, but for Successes,
// which a revoked success leaves for Failures; see [Permit.SettleAt].
type Counts struct {
	Successes uint64
	Failures  uint64
	Ignored   uint64
	// Rejected counts refused calls. They did not run and are in none of the above.
	Rejected uint64
	// WouldReject counts calls that ran because the breaker was in shadow mode.
	WouldReject uint64
}

// count records how a call ended. The frequent case is apart from the others, and
// from those of a group's members, so that it is one comparison and one add.
func (b *Breaker) count(o outcome.Outcome) {
	if o == outcome.Success && b.own == nil {
		b.ledger.success.Add(1)
		return
	}
	b.countSlowly(o)
}

func (b *Breaker) countSlowly(o outcome.Outcome) {
	switch o {
	case outcome.Success:
		b.ledger.success.Add(1)
	case outcome.Ignored:
		b.ledger.ignored.Add(1)
	default:
		b.ledger.failure.Add(1)
	}
	if b.own != nil {
		b.own.count(o)
	}
}

func (t *tally) count(o outcome.Outcome) {
	switch o {
	case outcome.Success:
		t.success.Add(1)
	case outcome.Ignored:
		t.ignored.Add(1)
	default:
		t.failure.Add(1)
	}
}

func (b *Breaker) countRefusal(ctx context.Context, p *Permit, now clock.Instant) {
	b.ledger.refused.Add(1)
	if b.own != nil {
		b.own.refused.Add(1)
	}
	if p.OK() {
		b.ledger.shadowed.Add(1)
		if b.own != nil {
			b.own.shadowed.Add(1)
		}
	}
	if b.rejected.Active() {
		b.emitRejected(ctx, p, now)
	}
}

// countRevoked takes back a success.
func (b *Breaker) countRevoked() {
	b.ledger.revoked.Add(1)
	if b.own != nil {
		b.own.revoked.Add(1)
	}
}

// counts reads the counters. A part of a total (what was revoked or shadowed) is read
// before the whole, so that it cannot exceed it.
func (b *Breaker) counts() Counts {
	if b.own == nil {
		return b.ledger.counts()
	}
	t := b.own
	revoked, shadowed := t.revoked.Load(), t.shadowed.Load()
	return Counts{t.success.Load() - revoked, t.failure.Load(), t.ignored.Load(), t.refused.Load() - shadowed, shadowed}
}

func (l *ledger) counts() Counts {
	revoked, shadowed := l.revoked.Load(), l.shadowed.Load()
	return Counts{l.success.Load() - revoked, l.failure.Load(), l.ignored.Load(), l.refused.Load() - shadowed, shadowed}
}

// rising returns the successes as metrics show them: one that is revoked after it was
// shown is left out of the next ones, because a counter that falls reads as a restart
// of the process.
func (l *ledger) rising(successes uint64) uint64 {
	for {
		shown := l.shown.Load()
		if successes <= shown {
			return shown
		}
		if l.shown.CompareAndSwap(shown, successes) {
			return successes
		}
	}
}
