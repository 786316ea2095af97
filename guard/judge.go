package guard

import (
	"context"
	"errors"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/errtree"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
)

// Neutral returns err marked as saying nothing about the dependency: the guard
// passes it on and counts the call as [Ignored]. errors.Is and errors.As see
// through the mark. Neutral(nil) is nil.
func Neutral(err error) error {
	if err == nil {
		return nil
	}
	return &neutral{err}
}

// IsNeutral reports whether err, or one that it wraps, was marked with [Neutral]. An
// error that joins several, as errors.Join makes, is neutral only if each of them is.
func IsNeutral(err error) bool { return marked(err) && errtree.All(err, marked) }

func marked(err error) bool {
	_, ok := errors.AsType[*neutral](err)
	return ok
}

type neutral struct{ error }

// Unwrap returns the marked error.
func (n *neutral) Unwrap() error { return n.error }

// verdict is what a call's end means. It has few fields on purpose: with a fifth one the
// compiler would no longer keep it in registers, which every token would pay for.
type verdict struct {
	outcome outcome.Outcome
	result  Result
	past    timeLimit // which of the guard's time limits ended it
}

// timeLimit is a time limit of a guard.
type timeLimit uint8

const (
	noLimit      timeLimit = iota
	callLimit              // that of the call ended it
	attemptLimit           // that of the attempt did
	shadowLimit            // that of the call would have, had the guard enforced
)

// late reports whether a time limit of the guard ended the call.
func (w verdict) late() bool { return w.past == callLimit || w.past == attemptLimit }

var (
	// good is the verdict on nearly every call.
	good = verdict{outcome: outcome.Success, result: Succeeded}
	// abandoned is the verdict on a call that ended without one.
	abandoned = verdict{outcome: outcome.Failure, result: Failed}
	// pastLimit is the verdict on a call that shadow mode let run past the time limit.
	pastLimit = verdict{outcome: outcome.Failure, result: TimedOut, past: shadowLimit}
)

// judge says what the end of a call means. ctx is the caller's context, limited
// the one that the call saw, and ask judges what is the dependency's own; nil
// means the configured classifier.
func (v *visit) judge(ctx, limited context.Context, now clock.Instant, err error, ask func(error) outcome.Outcome) verdict {
	if v.pastShadow(ctx, now) {
		return pastLimit
	}
	return v.judgeError(ctx, limited, now, err, ask)
}

// judgeError is judge without the question whether shadow mode has let the call run
// past its time. Between two attempts no context has ended the call, and limited is nil.
func (v *visit) judgeError(ctx, limited context.Context, now clock.Instant, err error, ask func(error) outcome.Outcome) verdict {
	neutral := marked(err)
	if neutral && errtree.All(err, marked) {
		return verdictOf(outcome.Ignored, err)
	}
	if err != nil {
		if limited != nil {
			if w, settled := v.judgeTime(ctx, limited, now, err); settled {
				return w
			}
		}
		if (neutral || refusedFurtherIn(err)) && errtree.All(err, quiet) {
			return verdictOf(outcome.Ignored, err)
		}
		if !errtree.All(err, notUnmade) {
			return verdictOf(outcome.Failure, err)
		}
	}
	return verdictOf(v.ask(err, ask), err)
}

// pastShadow reports whether a guard with a time limit would have ended the call, had
// it enforced. One that it would have refused before was counted then.
func (v *visit) pastShadow(ctx context.Context, now clock.Instant) bool {
	c := &v.rev.config
	if c.Mode != mode.Shadow || c.Timeout == 0 || v.shadowed {
		return false
	}
	ran := time.Duration(v.answered.Load())
	if ran == 0 {
		ran = now.Sub(v.began)
	}
	return ran >= c.Timeout && !v.callersFirst(ctx, c.Timeout)
}

// judgeTime tells the errors that are about time or about the caller.
func (v *visit) judgeTime(ctx, limited context.Context, now clock.Instant, err error) (verdict, bool) {
	if past := v.ranOut(limited); past != noLimit {
		return verdict{outcome: outcome.Failure, result: TimedOut, past: past}, true
	}
	gone := ctx.Err()
	if gone == nil || !errors.Is(err, gone) && !errors.Is(err, context.Cause(ctx)) {
		return verdict{}, false
	}
	if !errors.Is(gone, context.DeadlineExceeded) {
		return verdict{outcome: outcome.Ignored, result: CallerLeft}, true
	}
	if now.Sub(v.began) < v.rev.config.DeadlineFloor {
		return verdict{outcome: outcome.Ignored, result: CallerLeft}, true
	}
	return verdict{outcome: outcome.Failure, result: TimedOut}, true
}

// ranOut returns which of the guard's own time limits ended limited. Identity is meant: the
// limit of a guard further out is another error.
func (v *visit) ranOut(limited context.Context) timeLimit {
	if !v.timed {
		return noLimit
	}
	cause := context.Cause(limited)
	switch {
	case v.rev.retry != nil && cause == error(v.rev.retry.expired): //nolint:errorlint // see above
		return attemptLimit
	case cause == error(v.rev.expired): //nolint:errorlint // see above
		return callLimit
	}
	return noLimit
}

// quiet reports whether err, which joins no others, says nothing about the dependency:
// it is marked as neutral, or a refusal further in.
func quiet(err error) bool { return marked(err) || refusedFurtherIn(err) }

// refusedFurtherIn reports whether err is a refusal by a guard, or another part,
// that the call itself went through, and not about the dependency.
func refusedFurtherIn(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Code().Refusal() && (f.Code() != fault.WorkerFailed || !dependencyFailed(err))
}

// notUnmade reports whether err, which joins no others, is anything but the one refusal
// further in that is about the dependency: a worker could not be made. A classifier is
// asked about neither kind of refusal.
func notUnmade(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return !ok || f.Code() != fault.WorkerFailed || marked(err) || !dependencyFailed(err)
}

func (v *visit) ask(err error, ask func(error) outcome.Outcome) outcome.Outcome {
	switch {
	case ask != nil:
		return ask(err)
	case err == nil:
		return outcome.Success
	case v.rev.config.Classify != nil:
		return v.rev.config.Classify(err)
	default:
		return outcome.Failure
	}
}

// verdictOf is the verdict of an outcome that somebody else has judged. An
// unknown one counts as a failure.
func verdictOf(o outcome.Outcome, err error) verdict {
	switch o {
	case outcome.Success:
		return good
	case outcome.Ignored:
		if errors.Is(err, context.Canceled) || errors.Is(err, fault.Canceled) {
			return verdict{outcome: outcome.Ignored, result: CallerLeft}
		}
		return verdict{outcome: outcome.Ignored, result: Indifferent}
	case outcome.Failure:
	}
	if errors.Is(err, fault.CallTimeout) {
		return verdict{outcome: outcome.Failure, result: TimedOut}
	}
	return verdict{outcome: outcome.Failure, result: Failed}
}
