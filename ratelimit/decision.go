package ratelimit

import (
	"fmt"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/key"
)

// Decision is a limiter's answer about one call. It is a value and costs no
// allocation; only [Decision.Err] builds an error.
//
// With parents the numbers are those of the rule that decided: the one that
// refused, else the one with the least remaining.
type Decision struct {
	// OK is whether the call may go on.
	OK bool
	// Source says where it was made.
	Source Source
	// Limit is the most that a key can take at once.
	Limit int64
	// Remaining is how much of Limit is left after this decision.
	Remaining int64
	// RetryAfter is, for a call that is refused or would be, how long until a call of the same cost
	// is admitted if nobody else takes anything: one nanosecond earlier it is
	// refused. It is 0 when admitted, and when no amount of waiting helps.
	RetryAfter time.Duration
	// ResetAfter is how long until the key is as if it had never been used.
	ResetAfter time.Duration
	// Taken is what the decision took: the cost of an admitted call, else 0.
	Taken int64
	// Mark is a note of the store that made the decision, for its refund. The
	// decisions of a [Limiter] have none.
	Mark int64

	kind  refusal
	cost  int64
	at    clock.Instant
	wait  time.Duration // of a reservation: until the turn that it took
	by    *engine       // whose rule the numbers are of
	err   *fault.Error  // why nobody could decide
	first [2]receipt
	held  *held // what there is to give back beside first
}

// refusal is why a call is refused, or would be.
type refusal uint8

const (
	admitted  refusal = iota
	exhausted         // the limit is reached
	tooLarge          // the cost is more than the rule ever admits
	negative          // the cost is below zero
	tooLong           // the turn would come too late
	undecided         // the remote could not be asked
)

// receipt is what it takes to give something back.
type receipt struct {
	engine *engine // nil if nothing was taken
	hash   key.Hash
	mark   int64
}

// WouldRefuse reports whether a limiter in shadow mode admitted a call that it
// would have refused had it been enforced.
func (d *Decision) WouldRefuse() bool { return d.OK && d.kind != admitted }

// Refund gives back what the decision took, because the call did not happen: at
// most what was taken, and only what still counts and time has not given back, so
// that the calls that are not given back keep the rule in whatever order the others
// are. A second refund does nothing, nor does that of a refused call or
// of one that was admitted before the rule was changed. Copies of a Decision are
// copies of the receipt: refund one of them.
func (d *Decision) Refund() { d.RefundAt(clock.Now()) }

// RefundAt is [Decision.Refund] for a caller that has just read the clock. What an
// older reading does not know of, time gives back once more.
func (d *Decision) RefundAt(now clock.Instant) {
	if d.Taken == 0 {
		return
	}
	for i := range d.first {
		d.first[i].refund(now, d.at, d.Taken)
	}
	d.held.refund(now, d.at, d.Taken)
	d.Taken, d.held = 0, nil
}

func (r *receipt) refund(now, at clock.Instant, cost int64) {
	if r.engine == nil {
		return
	}
	l, rule := r.engine.lim, r.engine.rule
	for s := l.setup.Load(); ; s = l.newest() {
		e := s.of(r.hash).engine
		if e.rule != rule || e.voids(r.hash, at) {
			break // the key counts differently now, or did meanwhile
		}
		if e.refund(r.hash, now, given{at, cost, r.mark}) {
			l.watching.tell(r.hash)
			break
		}
	}
	r.engine = nil
}

// keep adds a receipt.
func (d *Decision) keep(i int, r receipt) {
	d.Taken = d.cost
	if i < len(d.first) {
		d.first[i] = r
		return
	}
	d.held = &held{next: d.held, local: r}
}

// Err returns nil if the call may go on. Else it builds a fault with the numbers
// that decided: [fault.RateLimited], or [fault.InvalidArgument] for a cost that
// the rule can never admit. A call that a [Remote] could not decide has its error.
func (d *Decision) Err() error {
	if d.OK {
		return nil
	}
	if d.err != nil {
		return d.err
	}
	return d.refused()
}

// Code says why the call was refused, also one that shadow mode let pass, without
// building an error: 0 if nothing was refused.
func (d *Decision) Code() fault.Code {
	switch {
	case d.kind == admitted:
		return 0
	case d.kind == undecided:
		return d.err.Code()
	case d.kind == negative, d.kind == tooLarge && d.Limit > 0:
		return fault.InvalidArgument
	default:
		return fault.RateLimited
	}
}

func (d *Decision) refused() *fault.Error {
	spec := fault.Spec{Code: d.Code(), Component: component, Name: d.name()}
	switch d.kind {
	case tooLarge, negative:
		if spec.Code == fault.InvalidArgument {
			spec.Message = fmt.Sprintf("a cost of %d can never be admitted, this rule takes 0 to %d", d.cost, d.Limit)
		}
	case tooLong:
		spec.Message = "the turn would come too late"
	case admitted, exhausted, undecided:
	}
	if d.RetryAfter > 0 {
		spec.RetryAt = d.at.Add(d.RetryAfter).Time()
	}
	q, _ := d.Quota()
	told := &struct { // allocated together
		quota fault.Quota
		facts [5]fault.Fact
	}{q, [...]fault.Fact{
		fault.Against("remaining", float64(d.Remaining), float64(d.Limit), ""),
		fault.Measure("cost", float64(d.cost), ""),
		fault.Measure("limit", float64(q.Limit), ""),
		fault.Measure("window", q.Window.Seconds(), "seconds"),
		fault.Measure("reset_after", d.ResetAfter.Seconds(), "seconds"),
	}}
	spec.Quota, spec.Evidence = &told.quota, told.facts[:]
	return fault.New(spec)
}

func (d *Decision) name() string {
	if d.by == nil {
		return ""
	}
	return d.by.lim.name
}
