package retry_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/retry"
)

func TestNext(t *testing.T) {
	const now = clock.Instant(-1000)
	every := retry.Config{Attempts: 5, Backoff: 100 * time.Millisecond, BackoffMax: 300 * time.Millisecond, RetryAfterMax: 5 * time.Second}
	for name, tc := range map[string]struct {
		state retry.State
		event retry.Event
		want  retry.Reason
		wait  time.Duration
	}{
		"the shortest wait":                  {event: retry.Event{}, want: retry.Granted},
		"half of the back-off":               {event: retry.Event{Random: 0.5}, want: retry.Granted, wait: 50 * time.Millisecond},
		"it doubles":                         {state: retry.State{Attempts: 2}, event: retry.Event{Random: 0.5}, want: retry.Granted, wait: 100 * time.Millisecond},
		"up to its bound":                    {state: retry.State{Attempts: 3}, event: retry.Event{Random: 0.5}, want: retry.Granted, wait: 150 * time.Millisecond},
		"a timeout":                          {event: retry.Event{Cause: retry.TimedOut}, want: retry.Granted},
		"a refusal, which is not listed":     {event: retry.Event{Cause: retry.Refused}, want: retry.NotListed},
		"the last attempt":                   {state: retry.State{Attempts: 5}, want: retry.OutOfAttempts},
		"what was asked for comes on top":    {event: retry.Event{After: time.Second, Random: 0.5}, want: retry.Granted, wait: 1050 * time.Millisecond},
		"as much as may be asked for":        {event: retry.Event{After: 5 * time.Second}, want: retry.Granted, wait: 5 * time.Second},
		"more than may be asked for":         {event: retry.Event{After: 5*time.Second + 1}, want: retry.AskedTooLong},
		"more than there is":                 {event: retry.Event{After: math.MaxInt64, Random: 0.5}, want: retry.AskedTooLong},
		"final":                              {event: retry.Event{Final: true}, want: retry.AlreadyRetried},
		"the deadline comes first":           {state: retry.State{Deadline: now + 49e6}, event: retry.Event{Random: 0.5}, want: retry.OutOfTime},
		"the deadline leaves nothing":        {state: retry.State{Deadline: now + 50e6}, event: retry.Event{Random: 0.5}, want: retry.OutOfTime},
		"the deadline leaves a moment":       {state: retry.State{Deadline: now + 50e6 + 1}, event: retry.Event{Random: 0.5}, want: retry.Granted, wait: 50 * time.Millisecond},
		"the deadline leaves what is needed": {state: retry.State{Deadline: now + 60e6 + 1}, event: retry.Event{Random: 0.5, Need: 1e7}, want: retry.Granted, wait: 50 * time.Millisecond},
		"the deadline leaves less":           {state: retry.State{Deadline: now + 60e6}, event: retry.Event{Random: 0.5, Need: 1e7}, want: retry.OutOfTime},
		"the deadline has passed":            {state: retry.State{Deadline: now - 1}, want: retry.OutOfTime},
	} {
		s := tc.state
		s.Attempts = max(1, s.Attempts)
		if s.Deadline == 0 {
			s.Deadline = clock.Max
		}
		if got := every.Next(s, tc.event, now); got.Reason != tc.want || got.Wait != tc.wait {
			t.Errorf("%s: %v after %v, want %v after %v", name, got.Reason, got.Wait, tc.want, tc.wait)
		}
	}
}

func TestNext_APolicyOfOneAttemptLeavesTheCallToOthers(t *testing.T) {
	d := retry.Config{Attempts: 1}.Next(retry.State{Attempts: 1, Deadline: clock.Max}, retry.Event{}, 0)
	if d.Reason != retry.NotListed || retry.IsFinal(retry.Ended(errDown, d.Reason)) {
		t.Errorf("it ends for %v, which marks the error: %v", d.Reason, retry.IsFinal(retry.Ended(errDown, d.Reason)))
	}
}

// Whatever the numbers, a granted attempt is one that the policy allows.
func TestNext_Property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := func(name string) time.Duration {
			return time.Duration(rapid.Int64Range(1, 3_600_000).Draw(t, name)) * time.Millisecond
		}
		cfg := retry.Config{Attempts: rapid.IntRange(1, 10).Draw(t, "most"), Backoff: ms("backoff"), RetryAfterMax: ms("retry_after_max")}
		s := retry.State{Attempts: rapid.IntRange(1, 12).Draw(t, "attempts"), Deadline: clock.Instant(rapid.Int64().Draw(t, "deadline"))}
		e := retry.Event{
			Cause: rapid.SampledFrom(retry.Causes()).Draw(t, "cause"), After: time.Duration(rapid.Int64Min(0).Draw(t, "after")),
			Need: ms("need"), Final: rapid.Bool().Draw(t, "final"), Random: rapid.Float64Range(0, 0.999999).Draw(t, "random"),
		}
		now := clock.Instant(rapid.Int64().Draw(t, "now"))
		d := cfg.Next(s, e, now)
		if d != cfg.Next(s, e, now) {
			t.Fatal("the same question has two answers")
		}
		if d.Reason != retry.Granted {
			if d.Wait != 0 {
				t.Fatalf("%v with a wait of %v", d.Reason, d.Wait)
			}
			return
		}
		c := cfg.Effective()
		longest := min(c.BackoffMax, c.Backoff<<(s.Attempts-1))
		switch {
		case e.Final, e.Cause == retry.Refused, s.Attempts >= c.Attempts, e.After > c.RetryAfterMax:
			t.Fatalf("granted: %+v %+v", s, e)
		case d.Wait < e.After || d.Wait > e.After+longest:
			t.Fatalf("waits %v, asked for were %v and at most %v", d.Wait, e.After, longest)
		case now.Add(d.Wait) >= s.Deadline:
			t.Fatalf("it ends the wait of %v after the deadline", d.Wait)
		}
	})
}
