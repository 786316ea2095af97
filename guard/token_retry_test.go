package guard_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/retry"
)

// attempts makes a call of the two-step form with attempts, as a user would write it.
func attempts(ctx context.Context, g *guard.Guard, call guard.Call, fn func(context.Context) error) error {
	tok, err := g.Enter(ctx, call)
	if err != nil {
		return err
	}
	defer tok.Close()
	for {
		err = fn(tok.Context())
		if err == nil {
			break
		}
		var again bool
		if again, err = tok.Retry(ctx, outcome.Failure, err); !again {
			break
		}
	}
	tok.Done(err)
	return err
}

func TestTokenRetry_IsTheLoopOfDo(t *testing.T) {
	for name, errs := range map[string][]error{
		"well in the end": {errDown, errDown}, "in vain": {errDown, errDown, errDown}, "at once": nil, "already retried": {retry.Final(errDown)},
	} {
		type seen struct {
			runs, failures, successes uint64
			err                       string
			final                     bool
			recorded                  guard.Observation
		}
		look := func(do func(context.Context, *guard.Guard, func(context.Context) error) error) seen {
			b, rec := newBreaker(t, breaker.Config{FailureThreshold: 100}), &recorder{}
			g := newGuard(t, guard.Config{Retry: prompt(), Breaker: b, Concurrency: 1, Recorder: rec})
			runs := 0
			err := do(t.Context(), g, inTurn(&runs, errs...))
			s, c := g.Status(), b.Status().Totals
			if s.SlotsTaken != 0 || s.InFlight != 0 || len(rec.all) != 1 {
				t.Fatalf("%s: %+v, recorded %v", name, s, rec.all)
			}
			o := rec.all[0]
			o.Duration = 0
			text := ""
			if err != nil {
				text = err.Error()
			}
			return seen{uint64(runs), c.Failures, c.Successes, text, retry.IsFinal(err), o}
		}
		byDo := look(func(ctx context.Context, g *guard.Guard, fn func(context.Context) error) error {
			return g.DoCall(ctx, twice, fn)
		})
		byToken := look(func(ctx context.Context, g *guard.Guard, fn func(context.Context) error) error {
			return attempts(ctx, g, twice, fn)
		})
		if byDo != byToken {
			t.Errorf("%s: Do %+v, the token %+v", name, byDo, byToken)
		}
	}
}

func TestTokenRetry_NothingWithoutAPolicyOrAfterTheEnd(t *testing.T) {
	g, without := newGuard(t, guard.Config{Retry: prompt()}), newGuard(t, guard.Config{})
	settled, closed := must(g.Enter(t.Context(), twice)), must(g.Enter(t.Context(), twice))
	settled.Settle(outcome.Failure, errDown)
	defer settled.Close()
	closed.Close()
	bare := must(without.Enter(t.Context(), twice))
	defer bare.Close()
	for name, tok := range map[string]*guard.Token{"nil": nil, "zero": {}, "settled": settled, "closed": closed, "without a policy": bare} {
		if again, err := tok.Retry(t.Context(), outcome.Failure, errDown); again || err != errDown { //nolint:errorlint // as it is
			t.Errorf("%s: %v, %v", name, again, err)
		}
	}
	good := must(g.Enter(t.Context(), twice))
	defer good.Close()
	if again, err := good.Retry(t.Context(), outcome.Success, nil); again || err != nil {
		t.Errorf("after a success: %v, %v", again, err)
	}
}

func TestTokenRetry_EachAttemptHasItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := prompt()
		policy.AttemptTimeout = time.Second
		g := newGuard(t, guard.Config{Retry: policy, Timeout: 2500 * time.Millisecond})
		tok, began := must(g.Enter(t.Context(), twice)), time.Now()
		defer tok.Close()
		first := tok.Context()
		<-first.Done()
		again, _ := tok.Retry(t.Context(), outcome.Failure, first.Err())
		if !again || tok.Context() == first || tok.Context().Err() != nil {
			t.Fatalf("again %v, the context is done: %v", again, tok.Context().Err())
		}
		if g.Status().Retries.Retried[retry.TimedOut] != 1 {
			t.Errorf("retried %v", g.Status().Retries.Retried)
		}
		<-tok.Context().Done()
		if again, _ = tok.Retry(t.Context(), outcome.Failure, errDown); !again {
			t.Fatal("no third attempt")
		}
		<-tok.Context().Done()
		if took := time.Since(began).Round(time.Millisecond); took != 2500*time.Millisecond {
			t.Errorf("the third attempt ended after %v, want the rest of the call's time", took)
		}
		tok.Done(tok.Context().Err())
		if s := g.Status(); s.Results[guard.TimedOut] != 1 {
			t.Errorf("results %v", s.Results)
		}
	})
}

func TestTokenRetry_AnUntimedCallLearnsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := prompt()
		policy.AttemptTimeout = time.Second
		g := newGuard(t, guard.Config{Retry: policy, Timeout: 3 * time.Second})
		tok := must(g.Enter(t.Context(), guard.Call{Idempotent: true, Untimed: true}))
		defer tok.Close()
		if tok.AttemptTimeout() != time.Second || tok.Timeout() != 3*time.Second || tok.Context() != t.Context() {
			t.Errorf("the first attempt has %v of %v", tok.AttemptTimeout(), tok.Timeout())
		}
		time.Sleep(2500 * time.Millisecond)
		if again, _ := tok.Retry(t.Context(), outcome.Failure, errDown); !again || tok.AttemptTimeout().Round(time.Millisecond) != 500*time.Millisecond || tok.Timeout() != 3*time.Second {
			t.Errorf("again %v with %v, want the 500 ms that are left", again, tok.AttemptTimeout())
		}
		once := must(g.Enter(t.Context(), guard.Call{Untimed: true}))
		defer once.Close()
		if once.AttemptTimeout() != 0 || once.Timeout() != 3*time.Second {
			t.Errorf("a call that may not be made twice has %v of %v for an attempt", once.AttemptTimeout(), once.Timeout())
		}
	})
}

func TestTokenRetry_ATokenThatIsClosedDuringTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, end := range map[string]func(*guard.Token){
			"Close":  (*guard.Token).Close,
			"Done":   func(tok *guard.Token) { tok.Done(errDown) },
			"Settle": func(tok *guard.Token) { tok.Settle(outcome.Failure, errDown); tok.Close() },
			"lease":  func(*guard.Token) { wait(time.Minute) },
		} {
			b, rec := newBreaker(t, breaker.Config{FailureThreshold: 100}), &recorder{}
			g := newGuard(t, guard.Config{Retry: &retry.Config{RetryAfterMax: time.Hour}, Breaker: b, Concurrency: 1, Recorder: rec})
			tok := must(g.Enter(t.Context(), twice))
			var wg sync.WaitGroup
			wg.Go(func() {
				if again, err := tok.Retry(t.Context(), outcome.Failure, retry.After(errDown, 50*time.Minute)); again || !errors.Is(err, errDown) {
					t.Errorf("%s: again %v, %v", name, again, err)
				}
			})
			time.Sleep(time.Second)
			if again, _ := tok.Retry(t.Context(), outcome.Failure, errDown); again {
				t.Errorf("%s: two goroutines make attempts", name)
			}
			end(tok)
			if s := g.Status(); s.SlotsTaken != 0 || s.InFlight != 0 || s.Results[guard.Failed] != 1 || len(rec.all) != 1 {
				t.Errorf("%s: during the wait %+v", name, s)
			}
			wg.Wait()
			if s, c := g.Status(), b.Status().Totals; c.Failures != 1 || c.Successes != 0 || s.Retries.Budgets[0].Retries != 0 || s.Retries.Stopped[retry.Canceled] != 1 {
				t.Errorf("%s: the breaker counts %+v, retries %+v", name, c, s.Retries)
			}
		}
	})
}

func TestTokenRetry_RefusedAttemptEndsWithTheDependencysError(t *testing.T) {
	b := newBreaker(t, breaker.Config{FailureThreshold: 1, Cooldown: time.Hour})
	g := newGuard(t, guard.Config{Retry: prompt(), Breaker: b})
	err := attempts(t.Context(), g, twice, fail)
	if !errors.Is(err, errDown) || errors.Is(err, fault.CircuitOpen) || b.Status().Totals.Failures != 1 || g.Status().Results[guard.Failed] != 1 {
		t.Errorf("%v, the breaker %+v", err, b.Status().Totals)
	}
}

// What was not executed may be made again whether the call is idempotent or not; what may have
// been may not, also after that.
func TestTokenRetry_WhatWasNotExecuted(t *testing.T) {
	g := newGuard(t, guard.Config{Retry: prompt()})
	tok := must(g.Enter(t.Context(), guard.Call{}))
	defer tok.Close()
	if again, last := tok.RetrySafe(t.Context(), outcome.Failure, errDown); !again || !errors.Is(last, errDown) {
		t.Errorf("not executed: %v, %v", again, last)
	}
	if again, last := tok.Retry(t.Context(), outcome.Failure, errDown); again || retry.IsFinal(last) {
		t.Errorf("perhaps executed: %v, %v", again, last)
	}
	if s := g.Status().Retries; s.Retried[retry.Failed] != 1 || s.Stopped[retry.NotIdempotent] != 1 {
		t.Errorf("%+v", s)
	}
	if again, last := (*guard.Token)(nil).RetrySafe(t.Context(), outcome.Failure, errDown); again || !errors.Is(last, errDown) {
		t.Errorf("no token: %v, %v", again, last)
	}
}
