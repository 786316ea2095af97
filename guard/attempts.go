package guard

import (
	"context"
	"errors"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/retry"
)

// A guarded call has two halves. The call itself passes memory, concurrency and the rate
// limit, has the timeout, and is counted and recorded: once. An attempt has a permit of
// the breaker, a worker, and one run of the operation: each attempt has its own. An
// attempt that another follows is settled before the wait, by endAttempt; the last one is
// settled together with the call.

// retrying is what a revision knows of attempts; nil if every call is made once.
type retrying struct {
	policy retry.Config // with its defaults filled in
	// expired is the cause of contexts that the time limit of an attempt ended.
	expired *fault.Error
}

func newRetrying(name string, cfg *Config) *retrying {
	if cfg.Retry == nil || cfg.Mode != mode.Enforce {
		return nil
	}
	return &retrying{
		policy:  *cfg.Retry,
		expired: fault.New(fault.Spec{Code: fault.CallTimeout, Component: component, Name: name, Message: "the attempt ran past its time limit"}),
	}
}

// attempts is the part of a visit that there is once its call is tried again. The times
// and the wait of the visit are then those of the latest attempt.
type attempts struct {
	made  int           // those that have begun
	began clock.Instant // of the call
	wait  time.Duration // of the attempts that have ended
}

// callBegan is when the call began, which is with its first attempt.
func (v *visit) callBegan() clock.Instant {
	if v.tries != nil {
		return v.tries.began
	}
	return v.began
}

// attempted is how many attempts have begun.
func (v *visit) attempted() int {
	if v.tries != nil {
		return v.tries.made
	}
	return 1
}

// retrial is the question whether an attempt is followed by another, and its answer.
type retrial struct {
	cause  retry.Cause
	reason retry.Reason
	wait   time.Duration
	budget *retry.Budget // out of which a retry was taken, if any was
	taken  clock.Instant
}

func (r *retrial) granted() bool { return r.reason == retry.Granted }

// again goes from an attempt that ended, with w, to the next one. It reports whether there
// is one, and else returns the error to end the call with.
func (v *visit) again(ctx context.Context, c *Call, now clock.Instant, w verdict, err error, fate pool.Fate) (bool, error) {
	r, asked := v.further(ctx, c, now, w, err)
	if !asked {
		return false, err
	}
	if r.granted() {
		v.endAttempt(now, w, err, fate)
		r.reason = v.look(c, now)
	}
	if r.granted() && !clock.Sleep(ctx, r.wait) {
		r.reason = retry.Gone(ctx)
	}
	if r.granted() {
		r.reason = v.admitAgain(ctx, c)
	}
	v.guard.tellRetrial(ctx, c, &r, v.attempted())
	return r.granted(), retry.Ended(err, r.reason)
}

// further asks the policy and the budget whether there is another attempt. It reports
// false if the question does not arise, because nothing failed.
func (v *visit) further(ctx context.Context, c *Call, now clock.Instant, w verdict, err error) (r retrial, asked bool) {
	if r.cause, asked = causeOf(w, err); !asked {
		return r, false
	}
	p := &v.rev.retry.policy
	if r.reason = retry.Gone(ctx); r.reason != retry.Granted {
		return r, true
	}
	d := p.Next(retry.State{Attempts: v.attempted(), Deadline: v.deadline(ctx)}, retry.Event{
		Cause: r.cause, Need: min(now.Sub(v.began), v.rev.config.DeadlineFloor),
		After: retry.Delay(err), Final: retry.IsFinal(err), Random: v.guard.random(),
	}, now)
	r.reason, r.wait = d.Reason, d.Wait
	switch budget := v.rev.budgets.of(c.Target); {
	case !r.granted():
	case !c.Idempotent:
		r.reason = retry.NotIdempotent
	case !budget.Take(now, v.rev.share):
		r.reason = retry.OutOfBudget
	default:
		r.budget, r.taken = budget, now
	}
	return r, true
}

// causeOf tells an end that may be followed by another attempt from one that may not: of
// a call that went well, whose caller has left, or that is neutral.
func causeOf(w verdict, err error) (retry.Cause, bool) {
	switch {
	case w.outcome == outcome.Failure && w.result == TimedOut:
		return retry.TimedOut, true
	case w.outcome == outcome.Failure:
		return retry.Failed, true
	case w.outcome == outcome.Ignored && w.result == Indifferent && err != nil && !marked(err):
		f, ok := errors.AsType[*fault.Error](err)
		return retry.Refused, ok && f.Code().Refusal() && f.Code().Retryable() || retry.Delay(err) > 0
	}
	return 0, false
}

// deadline is when the call has to be over: by its caller, or by the guard.
func (v *visit) deadline(ctx context.Context) clock.Instant {
	end := clock.Max
	if t := v.rev.config.Timeout; t > 0 {
		end = v.callBegan().Add(t)
	}
	if d, ok := ctx.Deadline(); ok {
		end = min(end, clock.Of(d))
	}
	return end
}

// endAttempt settles an attempt that another may follow. What belongs to the call stays:
// the slot, and the tokens unless the policy counts attempts. The context ends before
// the worker is lent again, and the permit comes last, as in [visit.leave] and [visit.decide].
func (v *visit) endAttempt(now clock.Instant, w verdict, err error, fate pool.Fate) {
	if v.tries == nil {
		v.tries = &attempts{made: 1, began: v.began}
	}
	v.sample(now, w.result)
	v.found = 0 // the wait that follows is no part of an attempt
	v.tries.wait += v.wait
	v.wait = 0
	if cancel := v.cancel; cancel != nil {
		v.cancel = nil
		cancel()
	}
	if v.has(worker) {
		v.holds &^= worker
		v.returnWorker(now, fate)
	}
	if v.rev.countsAttempts() {
		v.refundFailure(now, w.outcome)
		v.holds &^= tokensTaken
		v.decision = ratelimit.Decision{}
	}
	if v.has(permitted) {
		v.holds &^= permitted
		v.permit.SettleAt(now, w.outcome, err)
	}
}

// look spares a call the wait for an attempt that an open circuit would refuse. Which of
// several members the next attempt goes to is not known before it begins.
func (v *visit) look(c *Call, now clock.Instant) retry.Reason {
	if c.Targets != nil {
		return retry.Granted
	}
	if b := v.rev.breaker(c, ""); b != nil {
		if look := b.LookAt(now); !look.OK() {
			return retry.CircuitOpen
		}
	}
	return retry.Granted
}

// admitAgain takes what another attempt needs, in one transaction as admit does. It waits
// for a turn or a worker for no longer than the call has time.
func (v *visit) admitAgain(ctx context.Context, c *Call) retry.Reason {
	v.start = clock.Now()
	v.began, v.timed = v.start, false
	if v.rev.takesBeforePermit && v.rev.config.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, v.deadline(ctx).Sub(v.start))
		defer cancel()
	}
	v.choose(c)
	by, err := v.protect(ctx, c)
	switch {
	case err == nil:
		v.tries.made++
		v.found = v.guard.slots.used.Load()
		return retry.Granted
	case by == stageBreaker:
		v.undoAttempt()
		return retry.CircuitOpen
	default:
		v.undoAttempt()
		return retry.AttemptRefused
	}
}

// undoAttempt gives back what an attempt took that was then refused, and nothing that
// belongs to the call.
func (v *visit) undoAttempt() {
	kept, decision := v.holds&slot, v.decision
	if !v.rev.countsAttempts() {
		kept |= v.holds & tokensTaken
	}
	v.holds &^= kept
	v.undo(clock.Now())
	v.holds = kept
	if kept&tokensTaken != 0 {
		v.decision = decision
	}
}

// tellRetrial counts what became of a retrial, after it is decided.
func (g *Guard) tellRetrial(ctx context.Context, c *Call, r *retrial, attempt int) {
	if !r.granted() {
		if r.budget != nil {
			r.budget.Return(r.taken, clock.Now())
		}
		g.stats.stopped[r.reason].Add(1)
		return
	}
	g.stats.retried[r.cause].Add(1)
	if g.retried.Active() {
		g.retried.Emit(ctx, Retried{Guard: g.name, Op: c.Op, Target: c.Target, Attempt: attempt, Cause: r.cause, Wait: r.wait})
	}
}
