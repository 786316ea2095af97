package shared_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// The time limit holds from the next call on.
func TestCounters_TheTimeLimitIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		c := shared.New(store, shared.Options{Timeout: 5 * time.Millisecond})
		defer c.Close(t.Context())
		store.delay(20 * time.Millisecond)
		l, err := ratelimit.New("r", ratelimit.Config{Limit: 10, Per: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		l.SetRemote(c.Rule("r", shared.Policy{}))
		for i, step := range []struct {
			limit time.Duration
			at    ratelimit.Source
		}{{5 * time.Millisecond, ratelimit.Fallback}, {30 * time.Millisecond, ratelimit.Shared}, {0, ratelimit.Fallback}} {
			c.SetTimeout(step.limit)
			if d := l.Allow(ratelimit.KeyOf("k")); d.Source != step.at {
				t.Errorf("step %d: decided %v, want %v", i+1, d.Source, step.at)
			}
		}
	})
}

// A store that answers nobody is away also while there are no calls, and one that answers calls is not.
func TestCounters_WhatOthersCouldNotAskCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		c := shared.New(store, shared.Options{})
		defer c.Close(t.Context())
		r := c.Rule("r", shared.Policy{})
		cfg := ratelimit.Config{Limit: 10, Per: time.Hour}
		for range 5 {
			c.Failed(errUnavailable)
			c.Failed(errUnavailable)
			if _, err := r.Take(t.Context(), ratelimit.RemoteCall{Rule: "r", Config: &cfg, Key: ratelimit.KeyOf("k"), Cost: 1}); err != nil {
				t.Fatal(err)
			}
		}
		c.Failed(nil)
		if st := c.Status(); st.Away {
			t.Fatalf("it answers calls: %+v", st)
		}
		store.fail(errDown)
		for range 3 {
			c.Failed(errors.New("connection refused"))
		}
		if st := c.Status(); !st.Away || st.Cause != "connection refused" {
			t.Errorf("%+v", st)
		}
		store.fail(nil)
		<-time.After(time.Minute)
		if st := c.Status(); st.Away {
			t.Errorf("it is back: %+v", st)
		}
	})
}

// The cause is why the store does not answer, and not that it is not asked for that.
func TestCounters_TheCauseIsThatOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		c := shared.New(store, shared.Options{})
		defer c.Close(t.Context())
		open := fault.New(fault.Spec{Code: fault.CircuitOpen, Message: "the breaker is open"})
		for _, err := range []error{errUnavailable, errors.New("connection refused"), open} {
			c.Failed(err)
		}
		store.fail(open)
		<-time.After(10 * time.Second)
		if st := c.Status(); !st.Away || st.Cause != "connection refused" {
			t.Errorf("%+v", st)
		}
	})
}

// People read the cause in status and events: what it says is about the store, not about
// the call that happened to find it out.
func TestCounters_TheCauseIsInWords(t *testing.T) {
	late := fault.New(fault.Spec{Code: fault.Unavailable, Component: "rate_limiter", Name: "foundation.probe", Message: "redis has not answered in time", Cause: context.DeadlineExceeded})
	refused := fault.New(fault.Spec{Code: fault.Unavailable, Component: "rate_limiter", Name: "rule", Message: "redis could not be asked", Cause: errors.New("connection refused")})
	for want, err := range map[string]error{"redis has not answered in time": late, "redis could not be asked: connection refused": refused, "plain": errors.New("plain")} {
		synctest.Test(t, func(t *testing.T) {
			c := shared.New(newFaulty(), shared.Options{})
			defer c.Close(t.Context())
			for range 3 {
				c.Failed(err)
			}
			if st := c.Status(); st.Cause != want {
				t.Errorf("%q, want %q", st.Cause, want)
			}
		})
	}
}
