package breaker

import (
	"context"
	"errors"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
)

// expired is the cause of a context that ends by the timeout of one breaker; it
// names the breaker, for an outer one's timeout reaches the calls of inner ones.
type expired struct{ by *Breaker }

var errCallTimeout = fault.New(fault.Spec{Code: fault.CallTimeout, Component: component})

func (e expired) Error() string { return errCallTimeout.Error() }
func (e expired) Unwrap() error { return errCallTimeout }

// Do calls fn unless the breaker refuses, counts the outcome, and returns fn's
// error as it is. It does not block by itself.
//
// A refused call returns a *[fault.Error] and fn does not run. A ctx that is done
// at entry is refused with [fault.Canceled] before anything is taken. If
// CallTimeout ends the call, its error is wrapped in [fault.CallTimeout]; Do
// still returns only when fn does.
//
// A nil error is a success. An error is ignored if the caller canceled ctx and
// the error says so, or if it is a refusal by another protection and nothing
// besides, see [fault.IsRefusal]; every other error is a failure, and so is a panic,
// which goes on to the caller, and runtime.Goexit. Classify in [Config] replaces the
// judgement of errors.
func (b *Breaker) Do(ctx context.Context, fn func(context.Context) error) error {
	if fn == nil {
		return b.nilOperation()
	}
	return b.run(ctx, fn)
}

// Do is [Breaker.Do] for a function with a result. If the call is refused, the
// result is the zero value. A result that is wrong although its error is nil can
// count as a failure by [Breaker.Allow], or if fn makes an error of it.
func Do[T any](ctx context.Context, b *Breaker, fn func(context.Context) (T, error)) (T, error) {
	var result T
	if fn == nil {
		return result, b.nilOperation()
	}
	err := b.run(ctx, func(ctx context.Context) (err error) {
		result, err = fn(ctx)
		return err
	})
	return result, err
}

func (b *Breaker) nilOperation() error {
	return fault.New(fault.Spec{
		Code: fault.InvalidArgument, Component: component, Name: b.name, Message: "the operation is nil",
	})
}

// run calls fn and nothing else with it: it is neither stored nor started in a
// goroutine, or every caller's closure would move to the heap.
func (b *Breaker) run(ctx context.Context, fn func(context.Context) error) error {
	if ctx.Err() != nil {
		return b.canceled(ctx)
	}
	p := b.begin(ctx)
	if !p.OK() {
		return p.refusal
	}
	defer p.abandon(ctx)
	if p.era.rules.bounded() {
		return p.runTimed(ctx, fn)
	}
	err := fn(ctx)
	p.settle(ctx, unread, p.era.rules.judge(ctx, err), err)
	return err
}

// begin is Allow with a context for the events.
func (b *Breaker) begin(ctx context.Context) Permit {
	if e := b.era.Load(); e.fast && !b.executed.Active() {
		return Permit{era: e, flags: permitOK}
	}
	return b.allow(ctx, clock.Now())
}

// abandon settles a call that ended by a panic or by Goexit.
func (p *Permit) abandon(ctx context.Context) {
	if p.flags&permitSpent == 0 {
		p.settle(ctx, unread, outcome.Failure, errAbandoned)
	}
}

func (p *Permit) runTimed(ctx context.Context, fn func(context.Context) error) error {
	b := p.era.breaker
	limited, cancel := context.WithTimeoutCause(ctx, p.era.rules.CallTimeout, expired{b})
	defer cancel()
	err := fn(limited)
	if err != nil && context.Cause(limited) == error(expired{b}) { //nolint:errorlint // identity: whose timeout it was
		err = b.timedOut(p.era, err)
	}
	p.settle(ctx, unread, p.era.rules.judge(ctx, err), err)
	return err
}

func (b *Breaker) timedOut(e *era, cause error) error {
	return fault.New(fault.Spec{
		Code: fault.CallTimeout, Component: component, Name: b.name, Cause: cause,
		Evidence: []fault.Fact{fault.Measure("call_timeout", e.rules.CallTimeout.Seconds(), "seconds")},
	})
}

func (b *Breaker) canceled(ctx context.Context) error {
	return fault.New(fault.Spec{
		Code: fault.Canceled, Component: component, Name: b.name, Cause: ctx.Err(),
		Message: "the context was done before the call",
	})
}

func (c *Config) judge(ctx context.Context, err error) outcome.Outcome {
	switch {
	case c.Classify != nil:
		return c.Classify(err)
	case err == nil:
		return outcome.Success
	default:
		return classify(ctx, err)
	}
}

// classify is the default judgement of an error that is not nil.
func classify(ctx context.Context, err error) outcome.Outcome {
	if errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled) {
		return outcome.Ignored
	}
	if fault.IsRefusal(err) {
		return outcome.Ignored
	}
	return outcome.Failure
}
