package guard_test

import (
	"context"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
)

func TestAHandleFollowsItsName(t *testing.T) {
	g := newGuard(t, guard.Config{Concurrency: 1})
	tok := must(g.Enter(t.Context(), guard.Call{}))
	defer tok.Close()
	wantCode(t, g.Do(t.Context(), succeed), fault.ConcurrencyLimited)
	if err := g.Reconfigure(guard.Config{Concurrency: 2}); err != nil {
		t.Fatal(err)
	}
	if err := g.Do(t.Context(), succeed); err != nil {
		t.Errorf("the new bound does not hold: %v", err)
	}
	if s := g.Status(); s.Revision != 2 || s.SlotsTaken != 1 || s.Results[guard.Succeeded] != 1 || s.Refused[fault.ConcurrencyLimited] != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestAFaultyReconfigurationChangesNothing(t *testing.T) {
	g := newGuard(t, guard.Config{Timeout: time.Second})
	if got := fieldsOf(t, g.Reconfigure(guard.Config{Timeout: -1})); got != "timeout" {
		t.Errorf("problems with %q", got)
	}
	if g.Status().Revision != 1 || g.Config().Timeout != time.Second {
		t.Errorf("revision %d, %+v", g.Status().Revision, g.Config())
	}
}

func TestScenario80_ARemovedGuardAnswersNotFoundUntilItIsBack(t *testing.T) {
	g := newGuard(t, guard.Config{})
	tok := must(g.Enter(t.Context(), guard.Call{}))
	g.Remove()
	g.Remove()
	ran := func(context.Context) error { t.Error("ran"); return nil }
	wantCode(t, g.Do(t.Context(), ran), fault.NotFound)
	if s := g.Status(); s.Gone == nil || s.Refused[fault.NotFound] != 1 {
		t.Errorf("status %+v", s)
	}
	tok.Done(nil)
	if n := g.Status().Results[guard.Succeeded]; n != 1 {
		t.Errorf("the call in flight was disturbed: %d successes", n)
	}
	if err := g.Reconfigure(guard.Config{}); err != nil {
		t.Fatal(err)
	}
	if err := g.Do(t.Context(), succeed); err != nil {
		t.Errorf("the guard is not back: %v", err)
	}
}

func TestScenario77_CloseIsForGoodAndIdempotent(t *testing.T) {
	g := newGuard(t, guard.Config{})
	g.Close()
	g.Close()
	g.Remove()
	wantCode(t, g.Do(t.Context(), succeed), fault.Closed)
	wantCode(t, g.Reconfigure(guard.Config{}), fault.Closed)
	wantCode(t, g.Do(t.Context(), succeed), fault.Closed)
}

// A token is judged by the settings that it began with.
func TestACallEndsUnderTheRevisionThatItBeganWith(t *testing.T) {
	g := newGuard(t, guard.Config{Classify: func(error) outcome.Outcome { return outcome.Success }, Concurrency: 1})
	tok := must(g.Enter(t.Context(), guard.Call{}))
	if err := g.Reconfigure(guard.Config{}); err != nil {
		t.Fatal(err)
	}
	tok.Done(errDown)
	if s := g.Status(); s.Results[guard.Succeeded] != 1 || s.SlotsTaken != 0 {
		t.Errorf("status %+v", s)
	}
}

// A guard that was removed is closed with the rest, for good; a change that is none has
// no revision.
func TestARemovedGuardCanBeClosed(t *testing.T) {
	g := newGuard(t, guard.Config{})
	for i, step := range []struct {
		do       func()
		code     fault.Code
		revision uint64
	}{
		{g.Remove, fault.NotFound, 2},
		{g.Remove, fault.NotFound, 2},
		{g.Close, fault.Closed, 3},
		{g.Close, fault.Closed, 3},
		{g.Remove, fault.Closed, 3},
		{func() { wantCode(t, g.Reconfigure(guard.Config{}), fault.Closed) }, fault.Closed, 3},
	} {
		step.do()
		wantCode(t, g.Do(t.Context(), succeed), step.code)
		if s := g.Status(); s.Revision != step.revision || s.Gone.Code() != step.code {
			t.Errorf("step %d: revision %d, %v", i, s.Revision, s.Gone)
		}
	}
}
