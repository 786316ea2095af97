package guard

import (
	"context"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
)

// run makes a guarded call, in one attempt or several; Do, DoCall, DoWith and Op are shims
// around it. Enter and DoDetached, whose calls outlive a function or a goroutine, take the
// same steps of a visit by themselves.
//
// op and judge are only called. Stored, sent through an interface or started
// with go, even in a branch that is never taken, they would move every caller's
// closure to the heap; a test asserts that they do not. worker, if the caller can
// use one, receives the worker before op runs.
func (g *Guard) run(ctx context.Context, call *Call, worker *any, judge func(error) outcome.Outcome, op func(context.Context) error) error {
	var v visit
	v.begin(g, worker != nil)
	defer v.finish(ctx, call)
	if err := v.admit(ctx, call); err != nil {
		return err
	}
	for {
		if worker != nil {
			*worker = v.loan.Item.Worker
		}
		limited := v.limit(ctx, call)
		err := op(limited)
		if err == nil && judge == nil && v.rev.config.Mode != mode.Shadow {
			v.decide(clock.Now(), good, nil)
			v.leave(ctx, call, pool.Reuse)
			return nil
		}
		again, err := v.conclude(ctx, limited, call, err, judge)
		if !again {
			return err
		}
	}
}

// conclude ends an attempt whose end must be judged. It reports whether there is another
// one, which can begin; else the call is settled, and the error is its own.
func (v *visit) conclude(ctx, limited context.Context, call *Call, err error, judge func(error) outcome.Outcome) (again bool, _ error) {
	now := clock.Now()
	return v.concludeAs(ctx, limited, call, now, v.judge(ctx, limited, now, err, judge), err)
}

// concludeAs is conclude for an attempt that was judged.
func (v *visit) concludeAs(ctx, limited context.Context, call *Call, now clock.Instant, w verdict, err error) (again bool, _ error) {
	if w.late() {
		err = v.timedOut(now, w, err)
	}
	fate, last := fateAfter(limited, err), err
	if v.rev.retry != nil && !v.detached {
		if again, last = v.again(ctx, call, now, w, err, fate); again {
			return true, nil
		}
		now = clock.Now()
	}
	v.decide(now, w, err)
	v.leave(ctx, call, fate)
	return false, last
}
