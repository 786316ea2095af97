package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
)

func lastErrors(b *breaker.Breaker) []string {
	var list []string
	for _, c := range b.Status().LastErrors {
		list = append(list, fmt.Sprintf("%s ×%d, %v ago", c.Class, c.Count, time.Since(c.Last)))
	}
	return list
}

// A kind that comes again moves to the front, the oldest of all too, with the time at
// which it came.
func TestAKindOfErrorThatComesAgainIsListedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 100})
		for _, err := range []error{errDown, context.DeadlineExceeded, errDown, fault.CallTimeout, errDown} {
			_ = b.Do(t.Context(), func(context.Context) error { return err })
			time.Sleep(second)
		}
		want := []string{"*errors.errorString ×3, 1s ago", "fault.Code ×1, 2s ago", "timeout ×1, 4s ago"}
		if got := lastErrors(b); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

// What fails before its permit, and what breaks off after a success, is a failure of a
// kind as any other.
func TestFailuresOfLooksAndRevocationsAreListed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 100})
		l := b.LookAt(clock.Now())
		l.SettleAt(clock.Now(), outcome.Failure, errDown)
		if got := lastErrors(b); !slices.Equal(got, []string{"*errors.errorString ×1, 0s ago"}) {
			t.Errorf("%q", got)
		}
		p := b.Allow()
		p.Success()
		p.SettleAt(clock.Now(), outcome.Failure, context.DeadlineExceeded)
		if got := lastErrors(b); !slices.Equal(got, []string{"timeout ×1, 0s ago", "*errors.errorString ×1, 0s ago"}) {
			t.Errorf("%q", got)
		}
	})
}

// The timer of a time limit ends with the call.
func TestTheDeadlineIsReleasedWithTheCallOfDo(t *testing.T) {
	b := mustNew(t, breaker.Config{CallTimeout: time.Hour})
	var seen []context.Context
	_ = b.Do(t.Context(), func(ctx context.Context) error { seen = append(seen, ctx); return nil })
	if len(seen) != 1 || !errors.Is(seen[0].Err(), context.Canceled) {
		t.Errorf("the context of a call that is over: %v", seen)
	}
}
