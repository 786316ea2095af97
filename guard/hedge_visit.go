package guard

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
)

// A hedge is an attempt beside another one of the same call. Its accounts (permit, worker,
// tokens where attempts count) are a visit of their own, which holds nothing of what belongs
// to the call. The visit of the call has the accounts of one of the attempts that run:
// [visit.exchange] makes them those of another.

// lost is the verdict on an attempt that another one of its call has overtaken: whatever it
// returns says nothing about the dependency, for it was canceled.
var lost = verdict{outcome: outcome.Ignored, result: CallerLeft}

// beside admits a hedge of the call, whose attempt under way began the delay ago. It waits
// for nothing: a hedge that stood in a queue would take what a first attempt is waiting for.
// If there is none, it says why.
func (v *visit) beside(ctx context.Context, c *Call, delay time.Duration) (*visit, HedgeRefusal) {
	now, g := clock.Now(), v.guard
	budget := v.rev.budgets.of(c.Target)
	switch {
	case ctx.Err() != nil || v.deadline(ctx).Sub(now) <= min(delay, v.rev.config.DeadlineFloor):
		return nil, HedgeNoTime
	case g.losers.Load() >= int64(v.rev.config.MaxDetached):
		return nil, HedgeLosersLate
	case !budget.TakeHedge(now, v.rev.share):
		return nil, HedgeNoBudget
	}
	h := v.newHedge(now)
	admitted := false
	defer func() {
		if !admitted {
			defer budget.Return(now, clock.Now())
			h.undoAttempt()
		}
	}()
	hurried := *c
	hurried.CheckoutTimeout = -1
	h.choose(&hurried)
	if by, err := h.protect(ctx, &hurried); err != nil {
		if by == stageBreaker {
			return nil, HedgeCircuitOpen
		}
		return nil, HedgeNotAdmitted
	}
	admitted = true
	h.holds &^= callsTokens(v)
	v.tries.made++
	return h, 0
}

// callsTokens is what h.holds has of the tokens if they are the call's.
func callsTokens(v *visit) holds {
	if v.rev.countsAttempts() {
		return 0
	}
	return tokensTaken
}

// newHedge is the visit of a hedge that has nothing yet. That tokens are taken is noted
// where the call's hold for it, so that none are taken for it.
func (v *visit) newHedge(now clock.Instant) *visit {
	if v.tries == nil {
		v.tries = &attempts{made: 1, began: v.began}
	}
	return &visit{
		guard: v.guard, rev: v.rev, bound: v.bound, phase: running, holds: v.holds & callsTokens(v), hedge: true, start: now, began: now,
		found: v.guard.slots.used.Load(), tries: &attempts{made: v.tries.made + 1, began: v.tries.began},
	}
}

// exchange gives h the accounts of the attempt that v stands for, and v those of h.
func (v *visit) exchange(h *visit) {
	attempts := permitted | worker
	if v.rev.countsAttempts() {
		attempts |= tokensTaken
		v.decision, h.decision = h.decision, v.decision
	}
	mine, its := v.holds&attempts, h.holds&attempts
	v.holds, h.holds = v.holds&^attempts|its, h.holds&^attempts|mine
	v.permit, h.permit = h.permit, v.permit
	v.loan, h.loan = h.loan, v.loan
	v.cancel, h.cancel = h.cancel, v.cancel
	v.start, h.start = h.start, v.start
	v.began, h.began = h.began, v.began
	v.timed, h.timed = h.timed, v.timed
}

// settleHedge settles an attempt that is not the call's last one. What it calls may panic
// or end the goroutine; all of it is done nevertheless, and nothing twice.
func (v *visit) settleHedge(now clock.Instant, w verdict, err error, fate pool.Fate) {
	done := false
	defer func() {
		if !done {
			v.settleHedge(now, w, err, fate)
		}
	}()
	v.endAttempt(now, w, err, fate)
	done = true
}

// countsAttempts reports whether each attempt takes tokens of its own.
func (r *revision) countsAttempts() bool { return r.retry != nil && r.retry.policy.CountAttempts }
