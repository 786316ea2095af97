package guard_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/retry"
	"github.com/elixirscope/foundation/telemetry"
)

// after is hedging with a fixed delay.
func after(d time.Duration, most int) *guard.Hedge {
	return &guard.Hedge{After: guard.HedgeAfter{Delay: d}, Max: most}
}

// part is how one attempt of a hedged call goes: it takes a time, if its context lasts, or
// also if not, and then ends so.
type part struct {
	takes    time.Duration
	err      error
	ignores  bool // its context
	panics   bool
	exits    bool
	canceled *atomic.Bool // told if its context ended it
}

// play returns a function whose attempts go as the parts say, each with its number as result.
func play(runs *atomic.Int32, parts ...part) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		n := int(runs.Add(1))
		p := parts[n-1]
		done := ctx.Done()
		if p.ignores {
			done = nil
		}
		select {
		case <-time.After(p.takes):
		case <-done:
			if p.canceled != nil {
				p.canceled.Store(true)
			}
			return -n, ctx.Err()
		}
		switch {
		case p.panics:
			panic("as told")
		case p.exits:
			runtime.Goexit()
		}
		return n, p.err
	}
}

func TestHedge_TheFirstGoodAttemptWins(t *testing.T) {
	other := errors.New("another failure")
	for name, tc := range map[string]struct {
		most   int
		parts  []part
		result int
		err    error
		took   time.Duration
		counts breaker.Counts
		hedges guard.HedgeStatus
	}{
		"a fast call is made once": {
			parts: []part{{takes: 5 * time.Millisecond}}, result: 1, took: 5 * time.Millisecond, counts: breaker.Counts{Successes: 1},
		},
		"a hedge overtakes": {
			parts: []part{{takes: time.Hour}, {takes: time.Millisecond}}, result: 2, took: 11 * time.Millisecond,
			counts: breaker.Counts{Successes: 1, Ignored: 1}, hedges: guard.HedgeStatus{Started: 1, Won: 1},
		},
		"a hedge loses": {
			parts: []part{{takes: 12 * time.Millisecond}, {takes: time.Hour}}, result: 1, took: 12 * time.Millisecond,
			counts: breaker.Counts{Successes: 1, Ignored: 1}, hedges: guard.HedgeStatus{Started: 1, Lost: 1},
		},
		"a first attempt that fails early is not hedged": {
			parts: []part{{takes: 5 * time.Millisecond, err: errDown}}, result: 1, err: errDown, took: 5 * time.Millisecond, counts: breaker.Counts{Failures: 1},
		},
		"a first attempt that fails waits for its hedge": {
			parts: []part{{takes: 15 * time.Millisecond, err: errDown}, {takes: 20 * time.Millisecond}}, result: 2, took: 30 * time.Millisecond,
			counts: breaker.Counts{Successes: 1, Failures: 1}, hedges: guard.HedgeStatus{Started: 1, Won: 1},
		},
		"a hedge that fails waits for the first attempt": {
			parts: []part{{takes: 50 * time.Millisecond}, {takes: time.Millisecond, err: errDown}}, result: 1, took: 50 * time.Millisecond,
			counts: breaker.Counts{Successes: 1, Failures: 1}, hedges: guard.HedgeStatus{Started: 1, Failed: 1},
		},
		"the last error is the result": {
			parts: []part{{takes: 50 * time.Millisecond, err: other}, {takes: time.Millisecond, err: errDown}}, result: 1, err: other, took: 50 * time.Millisecond,
			counts: breaker.Counts{Failures: 2}, hedges: guard.HedgeStatus{Started: 1, Failed: 1},
		},
		"what says nothing about the dependency ends the call": {
			parts: []part{{takes: time.Hour}, {takes: time.Millisecond, err: guard.Neutral(errDown)}}, result: 2, err: errDown, took: 11 * time.Millisecond,
			counts: breaker.Counts{Ignored: 2}, hedges: guard.HedgeStatus{Started: 1, Won: 1},
		},
		"one hedge after another": {
			most: 3, parts: []part{{takes: time.Hour}, {takes: time.Hour}, {takes: time.Millisecond, err: errDown}, {takes: 2 * time.Millisecond}},
			result: 4, took: 32 * time.Millisecond,
			counts: breaker.Counts{Successes: 1, Failures: 1, Ignored: 2}, hedges: guard.HedgeStatus{Started: 3, Won: 1, Lost: 1, Failed: 1},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, rec := newBreaker(t, breaker.Config{FailureThreshold: 100}), &recorder{}
			g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, tc.most), Breaker: b, Concurrency: 1, Timeout: 2 * time.Hour, Recorder: rec})
			var runs atomic.Int32
			began := time.Now()
			result, err := guard.DoHedged(t.Context(), g, twice, play(&runs, tc.parts...))
			took := time.Since(began)
			synctest.Wait()
			if result != tc.result || !errors.Is(err, tc.err) || took != tc.took {
				t.Errorf("%s: %d, %v after %v", name, result, err, took)
			}
			if c := b.Status().Totals; c.Successes != tc.counts.Successes || c.Failures != tc.counts.Failures || c.Ignored != tc.counts.Ignored {
				t.Errorf("%s: the breaker counts %+v", name, c)
			}
			s := g.Status()
			h := s.Hedges
			if h.Started != tc.hedges.Started || h.Won != tc.hedges.Won || h.Lost != tc.hedges.Lost || h.Failed != tc.hedges.Failed || h.Losers != 0 {
				t.Errorf("%s: hedges %+v", name, h)
			}
			if s.InFlight != 0 || s.SlotsTaken != 0 || s.Retries.Budgets[0].First != 1 || s.Retries.Budgets[0].Retries != h.Started {
				t.Errorf("%s: %+v", name, s)
			}
			if len(rec.all) != 1 || rec.all[0].Attempts != len(tc.parts) || rec.all[0].Duration != tc.took {
				t.Errorf("%s: recorded %+v", name, rec.all)
			}
		})
	}
}

func TestHedge_WhatIsNotHedged(t *testing.T) {
	slow := func(runs *atomic.Int32) func(context.Context) (int, error) {
		return play(runs, part{takes: time.Second}, part{takes: time.Second})
	}
	opens := func(t *testing.T) guard.Config {
		b := newBreaker(t, breaker.Config{FailureThreshold: 1, Cooldown: time.Minute})
		_ = b.Do(t.Context(), fail)
		wait(time.Minute) // one probe is left, for the first attempt
		return guard.Config{Breaker: b}
	}
	for name, tc := range map[string]struct {
		call guard.Call
		cfg  func(*testing.T) guard.Config
		why  guard.HedgeRefusal
		none bool // nothing is counted either
	}{
		"a call that must not be made twice": {cfg: func(*testing.T) guard.Config { return guard.Config{} }, why: guard.HedgeNotIdempotent},
		"in shadow mode":                     {call: twice, cfg: func(*testing.T) guard.Config { return guard.Config{Mode: mode.Shadow} }, none: true},
		"in mode off":                        {call: twice, cfg: func(*testing.T) guard.Config { return guard.Config{Mode: mode.Off} }, none: true},
		"a circuit without another probe":    {call: twice, cfg: opens, why: guard.HedgeCircuitOpen},
		"a call that is nearly over": {call: twice, cfg: func(*testing.T) guard.Config {
			return guard.Config{Timeout: 1050 * time.Millisecond, Hedge: after(980*time.Millisecond, 1)}
		}, why: guard.HedgeNoTime},
		"before a percentile is known": {call: twice, cfg: func(*testing.T) guard.Config {
			return guard.Config{Hedge: &guard.Hedge{}}
		}, why: guard.HedgeFewSamples},
		"without a token for another attempt": {call: twice, cfg: func(t *testing.T) guard.Config {
			return guard.Config{RateLimit: newLimit(t, 1), Retry: &retry.Config{CountAttempts: true}}
		}, why: guard.HedgeNotAdmitted},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := tc.cfg(t)
			if cfg.Hedge == nil {
				cfg.Hedge = after(100*time.Millisecond, 1)
			}
			g := newGuard(t, cfg)
			var runs atomic.Int32
			if n, err := guard.DoHedged(t.Context(), g, tc.call, slow(&runs)); n != 1 || err != nil || runs.Load() != 1 {
				t.Errorf("%s: %d, %v after %d runs", name, n, err, runs.Load())
			}
			s := g.Status()
			for why, count := range s.Hedges.Refused {
				if want := !tc.none && why == tc.why; (count == 1) != want || count > 1 {
					t.Errorf("%s: refused %v", name, s.Hedges.Refused)
				}
			}
			if s.InFlight != 0 || s.Hedges.Started != 0 || s.Retries.Budgets[0].Retries != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
}

func TestHedge_Pool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage()
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Pool: st, Breaker: newBreaker(t, breaker.Config{FailureThreshold: 9})})
		db := must(guard.Bind[*conn](g))
		var runs atomic.Int32
		hedged := func(parts ...part) (int, error) {
			runs.Store(0)
			fn := play(&runs, parts...)
			return guard.DoHedgedWith(t.Context(), db, twice, func(ctx context.Context, c *conn) (int, error) {
				if _, err := fn(ctx); err != nil {
					return 0, err
				}
				return c.id, nil
			})
		}
		if id, err := hedged(part{takes: time.Hour}, part{takes: time.Millisecond}); id != 2 || err != nil {
			t.Errorf("worker %d, %v", id, err)
		}
		synctest.Wait()
		if !st.last.NoWait || st.checkouts != 2 || st.out() != 0 || st.discarded != 1 || st.destroyed != 1 {
			t.Errorf("%+v, %d checkouts, %d out, %d discarded", st.last, st.checkouts, st.out(), st.discarded)
		}
		st.says(func(context.Context) error {
			if runs.Load() == 0 {
				return nil
			}
			return refuseWith(fault.PoolFull)(t.Context())
		})
		if id, err := hedged(part{takes: time.Second}); id != 3 || err != nil || g.Status().Hedges.Refused[guard.HedgeNotAdmitted] != 1 {
			t.Errorf("worker %d, %v, %+v", id, err, g.Status().Hedges)
		}
		if s := g.Status(); st.out() != 0 || s.Retries.Budgets[0].Retries != 1 || s.Wait.Count != 0 {
			t.Errorf("%d out, budget %+v, waits %+v", st.out(), s.Retries.Budgets[0], s.Wait)
		}
		if _, err := guard.DoHedged(t.Context(), g, twice, play(&runs)); !errors.Is(err, fault.InvalidArgument) {
			t.Errorf("without a worker: %v", err)
		}
	})
}

func TestHedge_RetriesGoOnAsUsual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := prompt()
		policy.Attempts = 4
		rec, limit := &recorder{}, newLimit(t, 10)
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Retry: policy, Recorder: rec, RateLimit: limit})
		var runs atomic.Int32
		n, err := guard.DoHedged(t.Context(), g, twice, play(&runs,
			part{takes: 30 * time.Millisecond, err: errDown}, part{takes: 30 * time.Millisecond, err: errDown},
			part{takes: time.Hour}, part{takes: time.Millisecond}))
		if n != 4 || err != nil {
			t.Fatal(n, err)
		}
		synctest.Wait()
		s := g.Status()
		if len(rec.all) != 1 || rec.all[0].Attempts != 4 || rec.all[0].Result != guard.Succeeded || s.Retries.Retried[retry.Failed] != 1 || s.Hedges.Started != 2 {
			t.Errorf("recorded %+v, status %+v", rec.all, s)
		}
		if b := s.Retries.Budgets[0]; b.First != 1 || b.Retries != 3 {
			t.Errorf("budget %+v", b)
		}
		if left := limit.Peek(ratelimit.Key{}).Remaining; left != 9 {
			t.Errorf("%d of 10 tokens are left", left)
		}
	})
}

// How much time a retry must have is measured by the last attempt, which is the hedge.
func TestHedge_ARetryAfterAHedgeNeedsNoMoreTimeThanTheHedge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: after(55*time.Millisecond, 1), Retry: prompt(), Timeout: 100 * time.Millisecond, DeadlineFloor: 40 * time.Millisecond})
		var runs atomic.Int32
		n, err := guard.DoHedged(t.Context(), g, twice, play(&runs,
			part{takes: 60 * time.Millisecond, err: errDown}, part{takes: 10 * time.Millisecond, err: errDown}, part{takes: time.Millisecond}))
		if n != 3 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestHedge_AttemptsThatCountTakeTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := prompt()
		policy.CountAttempts = true
		for name, tc := range map[string]struct {
			second part
			used   int64
		}{
			"an attempt that lost has used its token": {part{takes: time.Millisecond}, 2},
			"one that failed gets it back":            {part{takes: time.Millisecond, err: errDown}, 1},
		} {
			limit := newLimit(t, 10)
			g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Retry: policy, RateLimit: limit, RefundOnFailure: true})
			var runs atomic.Int32
			if _, err := guard.DoHedged(t.Context(), g, twice, play(&runs, part{takes: time.Second}, tc.second)); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if left := limit.Peek(ratelimit.Key{}).Remaining; left != 10-tc.used {
				t.Errorf("%s: %d of 10 tokens are left", name, left)
			}
		}
	})
}

func TestHedge_TheTimeLimitBoundsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{FailureThreshold: 9})
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Timeout: 50 * time.Millisecond, Breaker: b})
		var runs atomic.Int32
		began := time.Now()
		_, err := guard.DoHedged(t.Context(), g, twice, play(&runs, part{takes: time.Hour}, part{takes: time.Hour}))
		if took := time.Since(began); !errors.Is(err, fault.CallTimeout) || took != 50*time.Millisecond || runs.Load() != 2 {
			t.Errorf("%v after %v in %d runs", err, took, runs.Load())
		}
		s := g.Status()
		if c := b.Status().Totals; c.Failures != 2 || s.Results[guard.TimedOut] != 1 || s.InFlight != 0 {
			t.Errorf("the breaker counts %+v, results %v", c, s.Results)
		}
	})
}

func TestHedge_ACallerThatLeavesEndsBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{FailureThreshold: 9})
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Breaker: b})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Millisecond, cancel)
		var runs atomic.Int32
		_, err := guard.DoHedged(ctx, g, twice, play(&runs, part{takes: time.Hour}, part{takes: time.Hour}))
		synctest.Wait()
		s := g.Status()
		if c := b.Status().Totals; !errors.Is(err, context.Canceled) || c.Ignored != 2 || s.Results[guard.CallerLeft] != 1 || s.Hedges.Losers != 0 {
			t.Errorf("%v, the breaker counts %+v, %+v", err, c, s)
		}
	})
}

func TestHedge_PanicsAndExitsAreTheCallers(t *testing.T) {
	for name, tc := range map[string]struct {
		parts []part
		exits bool
	}{
		"the first attempt panics":   {parts: []part{{takes: 20 * time.Millisecond, panics: true}, {takes: time.Hour}}},
		"the hedge panics":           {parts: []part{{takes: time.Hour}, {takes: time.Millisecond, panics: true}}},
		"the first attempt exits":    {parts: []part{{takes: 20 * time.Millisecond, exits: true}, {takes: time.Hour}}, exits: true},
		"the hedge exits":            {parts: []part{{takes: time.Hour}, {takes: time.Millisecond, exits: true}}, exits: true},
		"alone, before it is hedged": {parts: []part{{takes: time.Millisecond, panics: true}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(t, breaker.Config{FailureThreshold: 9})
			g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Breaker: b, Concurrency: 1})
			var runs atomic.Int32
			panicked, exited := drive(func() { _, _ = guard.DoHedged(t.Context(), g, twice, play(&runs, tc.parts...)) })
			synctest.Wait()
			if exited != tc.exits || (panicked == "as told") == tc.exits {
				t.Errorf("%s: panicked %v, exited %v", name, panicked, exited)
			}
			s := g.Status()
			c := b.Status().Totals
			if c.Failures != 1 || c.Ignored != uint64(len(tc.parts)-1) || s.Results[guard.Failed] != 1 || s.InFlight != 0 || s.SlotsTaken != 0 || s.Hedges.Losers != 0 {
				t.Errorf("%s: the breaker counts %+v, %+v", name, c, s)
			}
		})
	}
}

func TestHedge_LosersAreLeftButBoundedAndSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, st := newBreaker(t, breaker.Config{FailureThreshold: 9}), newStage()
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Breaker: b, Concurrency: 1, MaxDetached: 1, Pool: st})
		var runs atomic.Int32
		fn := play(&runs, part{takes: time.Minute, ignores: true, err: errDown}, part{takes: time.Millisecond}, part{takes: time.Second})
		hedged := func() (int, error) {
			return guard.DoHedgedWith(t.Context(), must(guard.Bind[*conn](g)), twice, func(ctx context.Context, _ *conn) (int, error) { return fn(ctx) })
		}
		began := time.Now()
		n, err := hedged()
		if took := time.Since(began); n != 2 || err != nil || took != 11*time.Millisecond {
			t.Errorf("%d, %v after %v", n, err, took)
		}
		s := g.Status()
		if s.Hedges.Losers != 1 || s.InFlight != 0 || s.SlotsTaken != 0 || b.Status().Totals.Ignored != 0 || st.out() != 1 {
			t.Errorf("%+v, %d workers are out", s, st.out())
		}
		if n, err = hedged(); n != 3 || err != nil || g.Status().Hedges.Refused[guard.HedgeLosersLate] != 1 {
			t.Errorf("%d, %v, hedges %+v", n, err, g.Status().Hedges)
		}
		wait(time.Minute)
		c := b.Status().Totals
		if s := g.Status(); s.Hedges.Losers != 0 || c.Ignored != 1 || c.Failures != 0 || st.out() != 0 || st.discarded != 1 {
			t.Errorf("%+v, the breaker counts %+v, %d workers are out", s, c, st.out())
		}
	})
}

func TestHedge_ALoserThatPanicsIsCountedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		var told []guard.DetachedPanicked
		must(telemetry.Subscribe(bus, "test", func(_ context.Context, e guard.DetachedPanicked) { told = append(told, e) }))
		b := newBreaker(t, breaker.Config{FailureThreshold: 9})
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Breaker: b}, guard.WithBus(bus))
		var runs atomic.Int32
		n, err := guard.DoHedged(t.Context(), g, guard.Call{Idempotent: true, Op: "find"}, play(&runs, part{takes: time.Minute, ignores: true, panics: true}, part{takes: time.Millisecond}))
		if n != 2 || err != nil {
			t.Error(n, err)
		}
		wait(time.Minute)
		s := g.Status()
		if s.DetachedPanics != 1 || s.Hedges.Losers != 0 || b.Status().Totals.Ignored != 1 || len(told) != 1 || told[0].Op != "find" || told[0].Reason != "as told" {
			t.Errorf("%+v, told %+v", s, told)
		}
	})
}

func TestHedge_TheBudgetIsThatOfRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: after(time.Millisecond, 1), Retry: &retry.Config{Budget: 0.1}})
		const calls = 200
		for range calls {
			var runs atomic.Int32
			if _, err := guard.DoHedged(t.Context(), g, twice, play(&runs, part{takes: 2 * time.Millisecond}, part{takes: time.Hour})); err != nil {
				t.Fatal(err)
			}
		}
		h := g.Status().Hedges
		if h.Started+h.Refused[guard.HedgeNoBudget] != calls || h.Started > calls/10+10 || h.Started < calls/10 {
			t.Errorf("hedges %+v", h)
		}
		if b := g.Status().Retries.Budgets[0]; b.HedgesDenied != h.Refused[guard.HedgeNoBudget] || b.Denied != 0 || b.Retries != h.Started {
			t.Errorf("budget %+v", b)
		}
		if r := g.Status().Retries; r.Left() > 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestHedge_GoesToTheMemberThatIsChosenForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		var told []guard.Hedged
		must(telemetry.Subscribe(bus, "test", func(_ context.Context, e guard.Hedged) { told = append(told, e) }))
		group := must(breaker.NewGroup("payments", breaker.Config{FailureThreshold: 9}, 0))
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Breakers: group, PerTarget: true}, guard.WithBus(bus))
		var runs atomic.Int32
		members := &turnTaker{members: []string{"a:80", "b:80"}}
		call := guard.Call{Idempotent: true, Target: "set", Targets: members, Op: "find"}
		if n, err := guard.DoHedged(t.Context(), g, call, play(&runs, part{takes: time.Hour}, part{takes: time.Millisecond})); n != 2 || err != nil {
			t.Error(n, err)
		}
		synctest.Wait()
		a, b := group.ForKey(ratelimit.KeyOf("a:80")).Status().Totals, group.ForKey(ratelimit.KeyOf("b:80")).Status().Totals
		if a.Ignored != 1 || a.Successes != 0 || b.Successes != 1 || b.Ignored != 0 {
			t.Errorf("a %+v, b %+v", a, b)
		}
		want := guard.Hedged{Guard: "checkout", Op: "find", Target: "b:80", Attempt: 2, After: 10 * time.Millisecond}
		if len(told) != 1 || told[0] != want {
			t.Errorf("told %+v", told)
		}
	})
}

// turnTaker chooses the members in turn.
type turnTaker struct {
	members []string
	asked   int
}

func (b *turnTaker) Next(func(string) bool) string {
	b.asked++
	return b.members[(b.asked-1)%len(b.members)]
}

func TestHedge_ConfigFaults(t *testing.T) {
	_, err := guard.New("checkout", guard.Config{Hedge: &guard.Hedge{After: guard.HedgeAfter{Percentile: 30}, Max: 4}})
	if text := err.Error(); !strings.Contains(text, "hedge.after") || !strings.Contains(text, "p50 to p99") || !strings.Contains(text, "hedge.max") {
		t.Error(text)
	}
	_, err = guard.New("checkout", guard.Config{Hedge: &guard.Hedge{After: guard.HedgeAfter{Percentile: 95, Delay: time.Microsecond}}})
	if text := err.Error(); !strings.Contains(text, "not both") || !strings.Contains(text, "between 1ms and 24h") {
		t.Error(text)
	}
	cfg := guard.Config{Hedge: after(time.Second, 0), Timeout: time.Second, Mode: mode.Shadow, Retry: &retry.Config{AttemptTimeout: 100 * time.Millisecond}}
	if warned := cfg.Warnings(); len(warned) != 3 {
		t.Errorf("%v", warned)
	}
	if h := newGuard(t, guard.Config{Hedge: &guard.Hedge{}}).Config().Hedge; h.After.String() != "p95" || h.Max != 1 {
		t.Errorf("%+v", h)
	}
}

func TestHedgeAfter_Text(t *testing.T) {
	for text, want := range map[string]guard.HedgeAfter{
		"p95": {Percentile: 95}, "p7": {Percentile: 7}, "50ms": {Delay: 50 * time.Millisecond}, "1.5s": {Delay: 1500 * time.Millisecond},
	} {
		var got guard.HedgeAfter
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "p", "p0", "p095", "p9.5", "95", "-1s", "0s", "p-5", "P95"} {
		got := guard.HedgeAfter{Percentile: 77}
		if err := got.UnmarshalText([]byte(text)); err == nil || got.Percentile != 77 {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestHedge_Metrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1)})
		_, _ = guard.DoHedged(t.Context(), g, twice, takes(time.Hour, time.Millisecond))
		_, _ = guard.DoHedged(t.Context(), g, guard.Call{}, takes(time.Millisecond))
		got := metricsOf(g)
		for name, want := range map[string]float64{
			"foundation_guard_hedges_total[]":                       1,
			"foundation_guard_hedges_ended_total[won]":              1,
			"foundation_guard_hedges_ended_total[lost]":             0,
			"foundation_guard_hedges_ended_total[failed]":           0,
			"foundation_guard_hedges_refused_total[not_idempotent]": 1,
			"foundation_guard_hedges_refused_total[budget]":         0,
			"foundation_guard_hedge_delay_seconds[]":                0.01,
			"foundation_guard_retry_budget_left[]":                  9,
		} {
			if v, ok := got[name]; !ok || v != want {
				t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
			}
		}
		if _, ok := metricsOf(newGuard(t, guard.Config{}))["foundation_guard_hedges_total[]"]; ok {
			t.Error("a guard that never hedged has the metric")
		}
	})
}

// metricsOf are the values of g, by name and labels.
func metricsOf(g *guard.Guard) map[string]float64 {
	got := map[string]float64{}
	g.Collect(func(s telemetry.Sample) {
		if s.Distribution == nil {
			got[s.Desc.Name+fmt.Sprint(s.Labels[1:])] = s.Value
		}
	})
	return got
}
