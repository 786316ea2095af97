package guard

import (
	"context"
	"errors"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/exhausted"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
)

// admit takes the call through the stages, in one transaction: it holds all that
// they give, or nothing and the error to answer with.
func (v *visit) admit(ctx context.Context, c *Call) error {
	by, err := v.pass(ctx, c)
	for err != nil && v.overtaken(by, err) {
		v.undo(clock.Now())
		v.shadowed, v.refusedBy, v.refusal = false, stageNone, 0
		v.rev = v.guard.revision.Load()
		by, err = v.pass(ctx, c)
	}
	if err != nil {
		return v.refuse(ctx, c, by, err)
	}
	v.phase = running
	v.guard.stats.admitted.Add(1)
	if b := v.rev.budgets; b != nil {
		b.of(c.Target).First(v.began)
	}
	return nil
}

// pass asks the protections in their order. In shadow mode, after one that would
// have refused, it skips the rest and gives back what the others gave: a refused call
// holds nothing.
func (v *visit) pass(ctx context.Context, c *Call) (stage, error) {
	r := v.rev
	v.start = clock.Now()
	v.began = v.start
	if ctx.Err() != nil || r.gone != nil || v.bound != r.hasPool {
		return stageEntry, v.noCall(ctx)
	}
	v.choose(c)
	if r.config.Mode == mode.Off {
		return v.checkout(ctx, c, breaker.Permit{})
	}
	by, err := v.protect(ctx, c)
	if err == nil || r.config.Mode == mode.Enforce || by == stagePool {
		return by, err
	}
	v.wouldRefuse(by, codeOf(err))
	v.shadowed = true
	kept := v.holds & worker
	v.holds &^= worker
	v.undo(v.start)
	if v.holds = kept; kept != 0 {
		return 0, nil
	}
	return v.checkout(ctx, c, breaker.Permit{})
}

// choose has the balancer name the member that the attempt goes to, whatever the mode.
func (v *visit) choose(c *Call) {
	if c.Targets != nil {
		v.member = c.Targets.Next(v.rev.admits)
	}
}

// overtaken tells that the call came to a pool that was closed because newer
// settings have another one: such a call begins again under those, so that no
// call is lost to a change.
func (v *visit) overtaken(by stage, err error) bool {
	return by == stagePool && errors.Is(err, fault.Closed) && v.guard.revision.Load() != v.rev
}

// noCall says why there can be no call, before anything is taken.
func (v *visit) noCall(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return v.guard.canceled(ctx)
	case v.rev.gone != nil:
		return v.rev.gone
	default:
		return v.guard.misused(v.bound)
	}
}

func (v *visit) protect(ctx context.Context, c *Call) (stage, error) {
	if v.rev.refusing.Load() != 0 || v.rev.bounded || v.detached {
		if by, err := v.enter(ctx, c); err != nil {
			return by, err
		}
	}
	b := v.rev.breaker(c, v.member)
	if b == nil {
		if err := v.takeTokens(ctx, c); err != nil {
			return stageRateLimit, err
		}
		return v.checkout(ctx, c, breaker.Permit{})
	}
	if v.rev.takesBeforePermit {
		if by, err := v.lookAndTake(ctx, c, b); err != nil {
			return by, err
		}
	}
	v.permit = b.AllowAt(v.began)
	if !v.permit.OK() {
		return stageBreaker, v.permit.Err()
	}
	v.holds |= permitted
	if v.permit.WouldRefuse() {
		v.wouldRefuse(stageBreaker, fault.CircuitOpen)
	}
	return 0, nil
}

// enter is what comes before the dependency is looked at: memory, concurrency. It is for
// the call, not for each attempt.
func (v *visit) enter(ctx context.Context, c *Call) (stage, error) {
	if v.tries != nil {
		return 0, nil
	}
	cfg := &v.rev.config
	if v.rev.refusing.Load() != 0 && !c.ReleasesMemory {
		asked := *c
		asked.Priority = v.rev.priority(ctx, c)
		if refusal := cfg.Admission.Admit(ctx, asked); refusal != nil {
			return stageMemory, refusal
		}
	}
	if v.detached && v.guard.detached.Load() >= int64(cfg.MaxDetached) {
		return stageConcurrency, v.guard.tooManyDetached(cfg.MaxDetached)
	}
	if v.rev.bounded {
		if bound, ok := v.takeSlot(ctx, c); !ok {
			return stageConcurrency, v.tooManyInFlight(bound)
		}
	}
	return 0, nil
}

// lookAndTake takes tokens and a worker unless a look at the breaker shows that
// it would be for nothing.
func (v *visit) lookAndTake(ctx context.Context, c *Call, b *breaker.Breaker) (stage, error) {
	look := b.LookAt(v.start)
	if !look.OK() {
		return stageBreaker, look.Err()
	}
	if err := v.takeTokens(ctx, c); err != nil {
		return stageRateLimit, err
	}
	return v.checkout(ctx, c, look)
}

func (v *visit) takeTokens(ctx context.Context, c *Call) error {
	l := v.rev.config.RateLimit
	if l == nil || v.has(tokensTaken) { // the call's, which hold for all its attempts
		return nil
	}
	v.holds |= tokensTaken // before: a handler of the limiter's events may end this goroutine
	if err := v.askLimit(ctx, l, c); err != nil {
		v.holds &^= tokensTaken
		return err
	}
	if v.decision.WouldRefuse() {
		v.wouldRefuse(stageRateLimit, v.decision.Code())
	}
	return nil
}

// dependencyFailed reports whether a refusal is about the dependency: a worker could
// not be made, and not because this machine lacks what it takes.
func dependencyFailed(refusal error) bool {
	if !errors.Is(refusal, fault.WorkerFailed) {
		return false
	}
	_, own := exhausted.By(refusal)
	return !own
}

// askLimit asks the rule. A call waits for its turn at a leaky bucket, but not in
// shadow mode, which delays nothing.
func (v *visit) askLimit(ctx context.Context, l *ratelimit.Limiter, c *Call) error {
	d := &v.decision
	if v.rev.config.Mode == mode.Shadow {
		if _, err := l.Admit(ctx, d, v.start, &c.Key, c.cost(), -1); err != nil || d.OK {
			return err
		}
		return d.Code() // nobody sees the error: spare it the evidence
	}
	patience := v.rev.config.Timeout
	if v.hedge {
		patience = -1
	}
	waited, err := l.Admit(ctx, d, v.start, &c.Key, c.cost(), patience)
	if waited {
		v.began = clock.Now() // the wait is none of the dependency's
		if err != nil || !v.rev.hasPool {
			v.waited(v.began)
		}
	}
	if err == nil && !d.OK {
		return d.Err()
	}
	return err
}

// checkout borrows a worker. One that cannot be made is the dependency's failure,
// which the look counts; the zero Permit, of a call that holds no place in the
// breaker's accounts, counts nothing.
func (v *visit) checkout(ctx context.Context, c *Call, look breaker.Permit) (stage, error) {
	if !v.rev.hasPool {
		return 0, nil
	}
	if err := v.borrow(ctx, c); err != nil {
		now := clock.Now()
		if !v.hedge {
			v.waited(now)
		}
		if dependencyFailed(err) {
			look.SettleAt(now, outcome.Failure, err)
		}
		return stagePool, err
	}
	v.holds |= worker
	if v.loan.Waited > 0 || v.began != v.start {
		v.began = clock.Now()
		v.waited(v.began)
	}
	return 0, nil
}

func (v *visit) borrow(ctx context.Context, c *Call) (err error) {
	o := pool.CheckoutOptions{Timeout: v.rev.config.CheckoutTimeout, At: v.began}
	if t := c.CheckoutTimeout; t != 0 {
		o.Timeout, o.NoWait = max(t, 0), t < 0
	}
	v.loan, err = v.rev.config.Pool.Checkout(ctx, o)
	if err == nil && v.loan.Item == nil {
		err = v.guard.noItem(v.rev.config.Pool)
	}
	return err
}

func (v *visit) waited(now clock.Instant) {
	v.wait = max(0, now.Sub(v.start))
	v.guard.stats.wait.record(v.wait)
}

// wouldRefuse counts a refusal that shadow mode keeps to itself.
func (v *visit) wouldRefuse(by stage, code fault.Code) {
	v.refusedBy, v.refusal = by, code
	v.guard.stats.would.add(v.refusal)
}
