package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/pool"
)

// refuse gives back what was taken, counts and reports the refusal.
func (v *visit) refuse(ctx context.Context, c *Call, by stage, err error) error {
	code := codeOf(err) // asks an error of the user's stage: before the visit is over
	v.undo(v.began)     // not v.start: a worker that was waited for was lent at began
	v.phase = over
	v.refusedBy, v.refusal, v.refused = by, code, true
	v.guard.stats.refused.add(v.refusal)
	v.report(ctx, c)
	return err
}

// codeOf is the code that a refusal is counted under. A stage of the user's that
// answers with an error of its own is counted as unavailable.
func codeOf(err error) (code fault.Code) {
	switch f := err.(type) { //nolint:errorlint // the parts' own refusals are never wrapped; this is the hot path
	case *fault.Error:
		code = f.Code()
	case fault.Code:
		code = f
	default:
		if f, ok := errors.AsType[*fault.Error](err); ok {
			code = f.Code()
		}
	}
	return cmp.Or(code, fault.Unavailable)
}

// noItem answers for a lender that gave neither a worker nor an error.
func (g *Guard) noItem(p pool.Lender) error {
	return fault.New(fault.Spec{
		Code: fault.Internal, Component: component, Name: g.name,
		Message: fmt.Sprintf("the pool's Checkout returned neither an item nor an error, which is a defect of %T", p),
	})
}

func (g *Guard) canceled(ctx context.Context) error {
	return fault.New(fault.Spec{
		Code: fault.Canceled, Component: component, Name: g.name, Cause: ctx.Err(),
		Message: "the context was done before the call",
	})
}

func (g *Guard) misused(bound bool) error {
	message := "the guard has a pool, so its calls need a worker: use Bind and DoWith"
	if bound {
		message = "the guard has no pool any more: use Do"
	}
	return g.invalid(message)
}

func (g *Guard) invalid(message string) error {
	return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Name: g.name, Message: message})
}

func (v *visit) tooManyInFlight(bound int64) error {
	g := v.guard
	if v.rev.config.Mode == mode.Shadow {
		return fault.ConcurrencyLimited // nobody sees the error: spare it the evidence
	}
	inFlight := fault.Against("in_flight", float64(g.slots.used.Load()), float64(bound), "")
	spec := fault.Spec{Code: fault.ConcurrencyLimited, Component: component, Name: g.name}
	if f := v.rev.follower; f != nil {
		spec.Evidence, spec.Message = f.evidence(inFlight)
	} else {
		spec.Evidence = []fault.Fact{inFlight}
	}
	return fault.New(spec)
}

func (g *Guard) tooManyDetached(bound int) error {
	return fault.New(fault.Spec{
		Code: fault.ConcurrencyLimited, Component: component, Name: g.name,
		Message:  "too many calls ran past their time and have not ended",
		Evidence: []fault.Fact{fault.Against("detached", float64(g.detached.Load()), float64(bound), "")},
	})
}

// timedOut wraps the error of a call that ran past the guard's limit, or of an attempt that
// ran past its own.
func (v *visit) timedOut(now clock.Instant, w verdict, cause error) error {
	if w.past == attemptLimit {
		return v.guard.timedOut(cause, now.Sub(v.began), v.rev.retry.policy.AttemptTimeout)
	}
	return v.guard.timedOut(cause, now.Sub(v.callBegan()), v.rev.config.Timeout)
}

func (g *Guard) timedOut(cause error, took, limit time.Duration) error {
	return fault.New(fault.Spec{
		Code: fault.CallTimeout, Component: component, Name: g.name, Cause: cause,
		Evidence: []fault.Fact{fault.Against("duration", took.Seconds(), limit.Seconds(), "seconds")},
	})
}
