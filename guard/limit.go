package guard

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// limit returns the context for the attempt that begins: with the guard's deadline, unless
// the caller's is not later, or there is none.
func (v *visit) limit(ctx context.Context, c *Call) context.Context {
	if !v.rev.limitsTime || c.Untimed {
		return ctx
	}
	d, cause := v.allowed(c)
	if d == 0 || v.callersFirst(ctx, d) {
		return ctx
	}
	limited, cancel := context.WithTimeoutCause(ctx, d, cause)
	v.cancel, v.timed = cancel, true
	return limited
}

// allowed is how long the attempt that begins may run, and what is the cause of its end
// then; 0 if nothing bounds it. One context has the limit of the call and that of the
// attempt, whichever ends first.
func (v *visit) allowed(c *Call) (time.Duration, *fault.Error) {
	d, cause := v.rev.config.Timeout, v.rev.expired
	if v.tries != nil && d > 0 {
		d = max(1, d-v.began.Sub(v.tries.began))
	}
	r := v.rev.retry
	if r == nil {
		return d, cause
	}
	if a := r.policy.AttemptTimeout; a > 0 && c.Idempotent && !v.detached && (d == 0 || a < d) {
		return a, r.expired
	}
	return d, cause
}

// callersFirst reports whether the deadline of ctx is not later than that of an attempt
// that may run for d, which then has nothing to end.
func (v *visit) callersFirst(ctx context.Context, d time.Duration) bool {
	end, ok := ctx.Deadline()
	return ok && clock.Of(end) <= v.began.Add(d)
}

// allowance is what [Token.Timeout] returns, for the call as it begins.
func (v *visit) allowance(ctx context.Context, c *Call) time.Duration {
	d := v.rev.config.Timeout
	if !v.rev.limitsTime || !c.Untimed || d == 0 || v.callersFirst(ctx, d) {
		return 0
	}
	return d
}

// attemptAllowance is what [Token.AttemptTimeout] returns, for the attempt that begins.
func (v *visit) attemptAllowance(ctx context.Context, c *Call) time.Duration {
	if !v.rev.limitsTime || !c.Untimed {
		return 0
	}
	d, _ := v.allowed(c)
	if d == 0 || v.callersFirst(ctx, d) {
		return 0
	}
	return d
}
