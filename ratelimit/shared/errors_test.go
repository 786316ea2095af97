package shared_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

func faultOf(code fault.Code) error { return fault.New(fault.Spec{Code: code, Component: "test"}) }

func TestWhatAnErrorOfTheStoreMeans(t *testing.T) {
	for _, tc := range []struct {
		err  error
		away int // after how many in a row the store is away, 0 for never
	}{
		{errDown, 3},
		{faultOf(fault.Unavailable), 3},
		{faultOf(fault.CallTimeout), 3},
		{faultOf(fault.OperationFailed), 3},
		{faultOf(fault.Canceled), 3}, // not by the caller
		{context.DeadlineExceeded, 3},
		{faultOf(fault.CircuitOpen), 1},
		{faultOf(fault.Closed), 1},
		{faultOf(fault.ConcurrencyLimited), 0},
		{faultOf(fault.MemoryPressure), 0},
		{faultOf(fault.DataCorrupt), 0},
		{faultOf(fault.InvalidConfig), 0},
		{faultOf(fault.InvalidArgument), 0},
		{faultOf(fault.Conflict), 0},
		{fmt.Errorf("key x: %w", faultOf(fault.DataCorrupt)), 0},
		{fault.New(fault.Spec{Code: fault.OperationFailed, Cause: faultOf(fault.DataCorrupt)}), 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			store, rule := newFaulty(), hourly(1_000)
			c := counters(t, store, shared.Options{})
			r := c.Rule("rule", shared.Policy{})
			store.fail(tc.err)
			for i := 1; i <= 10; i++ {
				if d := take(t, r, rule); d.Source != ratelimit.Fallback {
					t.Errorf("%v: %+v", tc.err, d)
				}
				if away := c.Status().Away; away != (tc.away > 0 && i >= tc.away) {
					t.Fatalf("%v: away after %d is %v", tc.err, i, away)
				}
				if c.Status().Away {
					break
				}
			}
		})
	}
}

func TestAnAnswerEndsARowOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), hourly(1_000)
		c := counters(t, store, shared.Options{})
		r := c.Rule("rule", shared.Policy{})
		for i := range 30 {
			store.fail([]error{errDown, errDown, nil, errDown, errDown, faultOf(fault.DataCorrupt)}[i%6])
			take(t, r, rule)
		}
		if c.Status().Away {
			t.Error("two failures in a row are not three")
		}
	})
}

func TestACallerThatGivesUpSaysNothingAboutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), hourly(1_000)
		c := counters(t, store, shared.Options{Timeout: time.Second})
		r := c.Rule("rule", shared.Policy{})
		store.stop()
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			began := time.Now()
			_, err := r.Take(ctx, ask(rule, user, 1))
			if !errors.Is(err, fault.Canceled) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Millisecond {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			_, err = r.Peek(ctx, ask(rule, user, 1))
			if !errors.Is(err, fault.Canceled) {
				t.Error(err)
			}
			cancel()
		}
		if st := c.Status(); st.Away || st.Rules[0].Fallback != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// panics is a store with a defect.
type panics struct{ shared.Store }

func (panics) Take(context.Context, shared.Rule, ratelimit.Key, int64) (ratelimit.Decision, error) {
	panic("a defect")
}

func TestAStoreThatPanicsIsOneThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := counters(t, panics{}, shared.Options{})
		r := c.Rule("rule", shared.Policy{})
		for range 5 {
			if d := take(t, r, hourly(10)); d.Source != ratelimit.Fallback {
				t.Errorf("%+v", d)
			}
		}
		<-time.After(time.Minute) // probes
		if st := c.Status(); !st.Away {
			t.Errorf("%+v", st)
		}
	})
}

func TestResetAndPeekWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), hourly(10)
		c := counters(t, store, shared.Options{})
		r := c.Rule("rule", shared.Policy{})
		goes(t, r, store, rule)
		if err := r.Reset(t.Context(), ask(rule, user, 1)); !errors.Is(err, fault.Unavailable) || !errors.Is(err, errDown) {
			t.Error(err)
		}
		if d, err := r.Peek(t.Context(), ask(rule, user, 1)); err != nil || d.Remaining != 10 || d.Source != ratelimit.Fallback {
			t.Errorf("%+v, %v", d, err)
		}
		c.Rule("rule", shared.Policy{OnError: shared.Deny})
		if _, err := r.Peek(t.Context(), ask(rule, user, 1)); !errors.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		if store.peeks.Load()+store.resets.Load() != 0 {
			t.Error("the store was asked while it is away")
		}
	})
}

func TestACallThatCostsMoreThanTheShareIsRefusedUntilTheStoreIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), hourly(10)
		c := counters(t, store, shared.Options{})
		c.SetInstances(5)
		r := c.Rule("rule", shared.Policy{})
		store.fail(errDown)
		if d := refused(t, r, rule, 3); d.RetryAfter != time.Second {
			t.Errorf("%+v", d)
		}
		if d, err := r.Take(t.Context(), ask(rule, user, 2)); err != nil || !d.OK || d.Limit != 2 {
			t.Errorf("%+v, %v", d, err)
		}
	})
}
