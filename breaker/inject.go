package breaker

import (
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// injection refuses a share of calls for a test.
type injection struct {
	share   float64
	refusal *fault.Error
	draws   atomic.Uint64
}

func (i *injection) draw() bool { return weyl(&i.draws) < i.share }

// InjectRefusals makes the breaker refuse the given share of the calls that
// arrive, from 0 (none, ends it) to 1 (all), as if it were open: for tests and
// game days that ask how the callers cope. A call that is refused so carries the
// fact "injected" in its evidence, its event says so, and the state machine does
// not learn of it; in shadow mode it runs. The share is spread evenly over the
// calls. A share out of range is refused with [fault.InvalidArgument].
func (b *Breaker) InjectRefusals(share float64) error {
	if !(share >= 0 && share <= 1) {
		var ps fault.Problems
		ps.Add("share", share, "must be from 0 to 1")
		return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Name: b.name, Problems: ps})
	}
	now := clock.Now()
	b.mu.Lock()
	next := *b.era.Load()
	next.injected = b.injectionOf(share)
	b.publishLocked(&next, "", "", now)
	b.mu.Unlock()
	b.deliver()
	return nil
}

func (b *Breaker) injectionOf(share float64) *injection {
	if share == 0 {
		return nil
	}
	facts := []fault.Fact{fault.Measure("injected", share, "ratio")}
	return &injection{share: share, refusal: fault.New(fault.Spec{
		Code: fault.CircuitOpen, Component: component, Name: b.name, Evidence: facts,
		Message: "circuit breaker refuses a share of calls for a test",
	})}
}

func (e *era) injects(refusal *fault.Error) bool {
	return e.injected != nil && e.injected.refusal == refusal
}
