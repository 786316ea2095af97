package guard

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
)

// visit is one call's way through the guard: what it holds, and how far it has
// come. It stands on the caller's stack, or in a token. One goroutine at a time
// changes it.
//
// Its accounts are in two parts, which end together in Do and apart for a token:
// the outcome (permit, tokens, statistics) and the occupancy (slot, worker).
//
// It has no pointer to the call's description, which its methods get beside it:
// whatever a visit points to moves to the heap, because parts behind interfaces
// see some of it.
type visit struct {
	guard    *Guard
	rev      *revision
	phase    phase
	holds    holds
	bound    bool // the caller can use a worker
	detached bool // the call runs in a goroutine of its own
	hedge    bool // it is that of an attempt beside another, see [visit.beside]

	start clock.Instant // of the admission, once the call is tried again that of the latest attempt
	began clock.Instant // of the call itself, or of that attempt
	wait  time.Duration // for a turn of a leaky bucket and for a worker

	refusedBy stage // the stage that refused, or would have
	refusal   fault.Code
	refused   bool // it did refuse
	shadowed  bool // it would have, had the guard enforced: the call would not have run
	result    Result
	took      time.Duration
	member    string       // of the call's target, that the attempt goes to; empty without [Call.Targets]
	found     int64        // calls in flight with this one, where a bound counts them
	timed     bool         // the call's context has the guard's deadline
	tries     *attempts    // nil until the call is tried again
	answered  atomic.Int64 // how long the call took, where [Token.Answered] told it

	permit   breaker.Permit
	decision ratelimit.Decision
	loan     pool.Loan
	cancel   context.CancelFunc
}

// phase is how far a visit has come. It moves before the accounts of a phase are
// settled, so that whatever interrupts the settling (a handler's Goexit, a panic
// of a user's part) cannot make it happen twice.
type phase uint8

const (
	admitting phase = iota
	running
	decided // the outcome is settled
	leaving // the occupancy is being settled
	over    // everything is settled
)

// holds is a set of what is to be given back.
type holds uint8

const (
	slot holds = 1 << iota
	tokensTaken
	permitted
	worker
)

func (v *visit) has(h holds) bool { return v.holds&h != 0 }

// begin enters the newest revision of g with a visit that is zero. It does not
// return one: 350 bytes would be copied to a token.
func (v *visit) begin(g *Guard, bound bool) { v.guard, v.rev, v.bound = g, g.revision.Load(), bound }

// finish ends a visit that did not end by itself: a stage, the call, a classifier or
// a method of its error panicked or ended its goroutine. It is deferred.
func (v *visit) finish(ctx context.Context, c *Call) {
	if v.phase != over {
		v.breakOff(ctx, c)
	}
}

// breakOff goes on from where the visit stands. What it calls may panic or end the
// goroutine in its turn; every step is noted before it is taken, so the rest is done
// nevertheless, and nothing twice.
func (v *visit) breakOff(ctx context.Context, c *Call) {
	defer v.finish(ctx, c)
	switch v.phase {
	case admitting:
		v.undo(clock.Now())
		v.phase = over
	case running:
		v.decide(clock.Now(), abandoned, errAbandoned)
	case decided, leaving:
		v.leave(ctx, c, pool.Destroy)
	case over:
	}
}

// errAbandoned stands for the error of a call that returned none. A breaker lists it
// under the code operation_failed; its own Do lists such a call as "panic or goexit".
var errAbandoned = fault.New(fault.Spec{
	Code: fault.OperationFailed, Component: component, Message: "the call panicked, ended its goroutine, or never told its outcome",
})

// undo gives back what the stages of a refused or interrupted admission took. The
// permit is not among it: it comes last.
func (v *visit) undo(now clock.Instant) {
	held := v.holds
	v.holds &= worker
	if held&slot != 0 {
		v.guard.slots.giveBack()
	}
	if held&tokensTaken != 0 {
		v.decision.RefundAt(clock.Now()) // the stage that refused may have waited
	}
	v.decision = ratelimit.Decision{} // for another attempt
	v.holds = 0
	if held&worker != 0 {
		v.returnWorker(now, pool.Reuse)
	}
}

// decide settles the outcome: exactly once, when the phase moves on.
func (v *visit) decide(now clock.Instant, w verdict, err error) {
	v.phase = decided
	v.sample(now, w.result)
	if v.tries != nil {
		v.began, v.wait = v.tries.began, v.wait+v.tries.wait
	}
	v.result, v.took = w.result, max(0, now.Sub(v.began))
	v.guard.stats.ended(w.result, v.took)
	if w.past == shadowLimit {
		v.guard.stats.would.add(fault.CallTimeout)
	}
	v.refundFailure(now, w.outcome)
	if v.has(permitted) { // last: a handler of the breaker's events may end this goroutine
		v.permit.SettleAt(now, w.outcome, err)
	}
}

// revoke turns an outcome that was settled as a success into a failure, for the
// parts that can take it back.
func (v *visit) revoke(now clock.Instant, err error) {
	v.refundFailure(now, outcome.Failure)
	if v.has(permitted) {
		v.permit.SettleAt(now, outcome.Failure, err)
	}
}

func (v *visit) refundFailure(now clock.Instant, o outcome.Outcome) {
	if o == outcome.Failure && v.has(tokensTaken) && v.rev.config.RefundOnFailure {
		v.decision.RefundAt(now)
	}
}

// leave settles the occupancy and reports the call. The context ends before the
// worker is lent again: what the call left behind must not meet the next borrower.
func (v *visit) leave(ctx context.Context, c *Call, fate pool.Fate) {
	v.phase = leaving
	if v.has(slot) {
		v.holds &^= slot
		v.guard.slots.giveBack()
	}
	if cancel := v.cancel; cancel != nil {
		v.cancel = nil
		cancel() // asks the caller's context, which may be of any type
	}
	if v.has(worker) {
		v.holds &^= worker
		v.returnWorker(v.began.Add(v.took), fate)
	}
	v.phase = over
	if v.rev.config.Recorder != nil || v.guard.executed.Active() {
		v.report(ctx, c)
	}
}

// fateAfter is what becomes of the worker of a call that returned. limited is the
// context that the call saw.
func fateAfter(limited context.Context, err error) pool.Fate {
	switch {
	case err == nil:
		return pool.Reuse
	case limited.Err() != nil:
		return pool.Destroy
	default:
		return pool.Suspect
	}
}

func (v *visit) returnWorker(now clock.Instant, fate pool.Fate) {
	v.loan.Ended = now
	v.rev.config.Pool.Return(v.loan, fate)
}
