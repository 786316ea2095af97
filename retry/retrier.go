package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// Retrier retries the calls to one dependency, within one [Budget]. Make one with
// [New] for each dependency; there is nothing to close. It is safe for concurrent use.
type Retrier struct {
	config  Config // with its defaults filled in
	random  func() float64
	budget  Budget
	retried [causeCount]atomic.Uint64
	stopped [reasonCount]atomic.Uint64
}

// Option attaches a retrier to its surroundings; settings belong in [Config].
type Option func(*Retrier)

// WithRandom replaces the source of randomness, for tests. It returns a number in [0, 1)
// and must be safe for concurrent use. nil is legal and changes nothing.
func WithRandom(source func() float64) Option {
	return func(r *Retrier) {
		if source != nil {
			r.random = source
		}
	}
}

// New returns a retrier for one dependency. A bad configuration is refused with all
// its faults at once.
func New(cfg Config, opts ...Option) (*Retrier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Retrier{config: cfg.Effective(), random: rand.Float64}
	for _, opt := range opts {
		opt(r)
	}
	return r, nil
}

// Config returns the policy, with its defaults filled in.
func (r *Retrier) Config() Config { return r.config }

// Do calls fn until it returns nil or an error that is not to be retried, as often and
// with such waits as the policy says. It returns fn's last error: as it is if the
// policy does not retry it, else marked as [Final].
//
// What fn returns is a failure; or a timeout, if the context that fn got had run out by
// [Config.AttemptTimeout]; or refused, if it is a refusal as [fault.IsRefusal] defines
// it. Once ctx is done, nothing is retried. A panic propagates.
func (r *Retrier) Do(ctx context.Context, fn func(context.Context) error) error {
	if fn == nil {
		return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Message: "the function is nil"})
	}
	began := clock.Now()
	r.budget.First(began)
	for attempts := 1; ; attempts++ {
		cause, err := r.attempt(ctx, fn)
		if err == nil {
			return nil
		}
		now := clock.Now()
		d := r.decide(ctx, cause, err, State{attempts, deadlineOf(ctx)}, now, now.Sub(began))
		if d.Reason == Granted && !clock.Sleep(ctx, d.Wait) {
			r.budget.Return(now, clock.Now())
			d.Reason = Canceled
		}
		if d.Reason != Granted {
			return r.stop(d.Reason, err)
		}
		r.retried[cause].Add(1)
		began = clock.Now()
	}
}

// Do is [Retrier.Do] for a function with a result: that of the last attempt.
func Do[T any](ctx context.Context, r *Retrier, fn func(context.Context) (T, error)) (T, error) {
	var result T
	if fn == nil {
		return result, r.Do(ctx, nil)
	}
	err := r.Do(ctx, func(ctx context.Context) (err error) {
		result, err = fn(ctx)
		return err
	})
	return result, err
}

// errAttempt is the cause of contexts that the time limit of an attempt ended.
var errAttempt = errors.New("retry: the attempt ran past its time limit")

func (r *Retrier) attempt(ctx context.Context, fn func(context.Context) error) (Cause, error) {
	limited := ctx
	if d := r.config.AttemptTimeout; d > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, d, errAttempt)
		defer cancel()
	}
	err := fn(limited)
	switch {
	case err == nil:
		return 0, nil
	case context.Cause(limited) == errAttempt: //nolint:errorlint // identity is meant: the limit of a retrier further in is another context's
		return TimedOut, err
	case fault.IsRefusal(err):
		return Refused, err
	}
	return Failed, err
}

// shortNeed bounds how much time a further attempt must have: as much as the last one
// took, but a slow failure is no reason to give up a call that may be answered at once.
const shortNeed = 100 * time.Millisecond

func (r *Retrier) decide(ctx context.Context, cause Cause, err error, s State, now clock.Instant, took time.Duration) Decision {
	if why := Gone(ctx); why != Granted {
		return Decision{Reason: why}
	}
	d := r.config.Next(s, Event{
		Cause: cause, Need: min(took, shortNeed), After: Delay(err), Final: IsFinal(err), Random: r.random(),
	}, now)
	if d.Reason == Granted && !r.budget.Take(now, r.config.Budget) {
		d.Reason = OutOfBudget
	}
	return d
}

func (r *Retrier) stop(why Reason, err error) error {
	r.stopped[why].Add(1)
	return Ended(err, why)
}

func deadlineOf(ctx context.Context) clock.Instant {
	if d, ok := ctx.Deadline(); ok {
		return clock.Of(d)
	}
	return clock.Max
}

// Status describes a [Retrier] at one moment. Counters run from its making.
type Status struct {
	Config  Config            // defaults filled in
	Retried map[Cause]uint64  // retries by how the attempt before ended, also at 0
	Stopped map[Reason]uint64 // calls that ended with an error, by why they were not retried, also at 0
	Budget  BudgetStatus
}

// Status returns a picture of the retrier.
func (r *Retrier) Status() Status {
	s := Status{
		Config: r.config, Retried: make(map[Cause]uint64), Stopped: make(map[Reason]uint64),
		Budget: r.budget.Status(clock.Now(), r.config.Budget),
	}
	for _, c := range Causes() {
		s.Retried[c] = r.retried[c].Load()
	}
	for _, why := range Stops() {
		s.Stopped[why] = r.stopped[why].Load()
	}
	return s
}
