package guard_test

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/ratelimit"
)

// arrival is one call of a trace.
type arrival struct {
	after, takes time.Duration
	key          int
	bad          bool
}

// trace has outages and bursts. It has no calls past a time limit: those end at
// other moments when nobody ends them, which is all that shadow can't know.
func trace(n int) []arrival {
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([]arrival, n)
	for i := range all {
		burst := i/500%3 == 1
		a := arrival{after: time.Duration(rng.ExpFloat64() * float64(20*time.Millisecond)), key: rng.IntN(20)}
		if burst {
			a.after /= 8
		}
		a.takes = time.Duration(rng.ExpFloat64() * float64(60*time.Millisecond))
		a.bad = i/700%4 == 2 || rng.IntN(50) == 0
		all[i] = a
	}
	return all
}

// replay sends a trace through a guard of the given mode and returns its status.
func replay(t *testing.T, how mode.Mode, calls []arrival) (s guard.Status, ran int64) {
	t.Helper()
	var running atomic.Int64
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{
			Mode: how, Concurrency: 6,
			Breaker:   newBreaker(t, breaker.Config{FailureThreshold: 10, Window: 2 * time.Second, Cooldown: time.Second}),
			RateLimit: must(ratelimit.New("per-user", ratelimit.Config{Limit: 3, Per: time.Second, Burst: 3})),
		})
		for _, a := range calls {
			time.Sleep(a.after)
			go func() {
				_ = g.DoCall(context.Background(), guard.Call{Key: ratelimit.KeyOf(a.key)}, func(context.Context) error {
					running.Add(1)
					time.Sleep(a.takes)
					if a.bad {
						return errDown
					}
					return nil
				})
			}()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		s = g.Status()
	})
	return s, running.Load()
}

func TestShadowCountsWhatEnforcementRefuses(t *testing.T) {
	calls := trace(12_000)
	enforced, _ := replay(t, mode.Enforce, calls)
	shadow, ran := replay(t, mode.Shadow, calls)
	if ran != int64(len(calls)) {
		t.Errorf("shadow ran %d of %d calls", ran, len(calls))
	}
	for _, code := range []fault.Code{fault.CircuitOpen, fault.RateLimited, fault.ConcurrencyLimited} {
		want, got := float64(enforced.Refused[code]), float64(shadow.WouldRefuse[code])
		if want < 100 || got < 0.99*want || got > 1.01*want {
			t.Errorf("%v: enforcement refused %v, shadow would have refused %v", code, want, got)
		}
		if shadow.Refused[code] != 0 {
			t.Errorf("shadow refused %v %d times", code, shadow.Refused[code])
		}
	}
}

func TestShadowImposesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{
			Mode: mode.Shadow, Concurrency: 1, Timeout: time.Second, Breaker: openBreaker(t), RateLimit: newLimit(t, 1),
			Admission: &memory{refuse: func(guard.Call) bool { return true }},
		})
		for range 3 {
			err := g.Do(t.Context(), func(ctx context.Context) error {
				time.Sleep(2 * time.Second)
				return ctx.Err()
			})
			if err != nil {
				t.Errorf("shadow refused, or ended, a call: %v", err)
			}
		}
		s := g.Status()
		if s.WouldRefuse[fault.MemoryPressure] != 3 || s.WouldRefuse[fault.CallTimeout] != 0 || s.SlotsTaken != 0 {
			t.Errorf("would refuse %v, %d slots taken", s.WouldRefuse, s.SlotsTaken)
		}
	})
}

// Enforcement refuses or ends a call, not both.
func TestShadowCountsACallOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Mode: mode.Shadow, Timeout: time.Second, RateLimit: newLimit(t, 1)})
		for range 3 {
			_ = g.Do(t.Context(), func(context.Context) error { time.Sleep(2 * time.Second); return nil })
		}
		if s := g.Status(); s.WouldRefuse[fault.CallTimeout] != 1 || s.WouldRefuse[fault.RateLimited] != 2 {
			t.Errorf("would refuse %v", s.WouldRefuse)
		}
	})
}

// A limit that would not have been ours to impose is no refusal of ours.
func TestShadowDoesNotCountWhatACallersEarlierDeadlineEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Mode: mode.Shadow, Timeout: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		_ = g.Do(ctx, func(ctx context.Context) error {
			time.Sleep(2 * time.Second)
			return ctx.Err()
		})
		if s := g.Status(); s.WouldRefuse[fault.CallTimeout] != 0 || s.Results[guard.TimedOut] != 1 {
			t.Errorf("would refuse %v, results %v", s.WouldRefuse, s.Results)
		}
	})
}

func TestShadowCountsUntimedCallsUpToTheirAnswer(t *testing.T) {
	for _, c := range []struct {
		name  string
		until time.Duration // the answer; 0: never told
		lease time.Duration
		want  uint64
	}{
		{"in time", time.Second / 2, 0, 0},
		{"late", 3 * time.Second, 0, 1},
		{"not told", 0, 0, 1},
		{"told again", time.Second / 2, -1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuard(t, guard.Config{Mode: mode.Shadow, Timeout: time.Second})
				tok := must(g.Enter(t.Context(), guard.Call{Untimed: true, Lease: c.lease}))
				defer tok.Close()
				time.Sleep(c.until)
				if c.until > 0 {
					tok.Answered()
				}
				time.Sleep(10 * time.Second) // the body
				if c.lease < 0 {
					tok.Answered() // the first one counts
				}
				tok.Settle(outcome.Success, nil)
				tok.Close()
				if s := g.Status(); s.WouldRefuse[fault.CallTimeout] != c.want || s.Results[guard.Succeeded] != 1-c.want {
					t.Errorf("would refuse %v, results %v", s.WouldRefuse, s.Results)
				}
			})
		})
	}
}

func TestAnsweredKeepsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Mode: mode.Shadow, Timeout: time.Second, Lease: time.Minute})
		tok := must(g.Enter(t.Context(), guard.Call{Untimed: true}))
		tok.Answered()
		wait(2 * time.Minute)
		if s := g.Status(); s.LeasesExpired != 1 {
			t.Errorf("%d leases expired", s.LeasesExpired)
		}
		tok.Answered() // of a token that has ended: nothing
		tok.Close()
	})
}

// A part that only watches inside a guard that enforces is reported as well.
func TestAPartInShadowIsReported(t *testing.T) {
	b := newBreaker(t, breaker.Config{FailureThreshold: 1, Mode: mode.Shadow})
	limit := must(ratelimit.New("per-user", ratelimit.Config{Limit: 1, Per: time.Hour, Mode: mode.Shadow}))
	g := newGuard(t, guard.Config{Breaker: b, RateLimit: limit})
	for range 2 {
		if err := g.Do(t.Context(), fail); err != errDown { //nolint:errorlint // not wrapped is what is promised
			t.Fatalf("error %v", err)
		}
	}
	if s := g.Status(); s.WouldRefuse[fault.CircuitOpen] != 1 || s.WouldRefuse[fault.RateLimited] != 1 || len(s.Refused) == 0 {
		t.Errorf("would refuse %v", s.WouldRefuse)
	}
}

func TestOffDecidesNothing(t *testing.T) {
	b, limit := openBreaker(t), newLimit(t, 1)
	m := &memory{refuse: func(guard.Call) bool { return true }}
	g := newGuard(t, guard.Config{Mode: mode.Off, Breaker: b, RateLimit: limit, Admission: m, Concurrency: 1, Timeout: time.Nanosecond})
	for range 3 {
		if err := g.Do(t.Context(), func(ctx context.Context) error { return ctx.Err() }); err != nil {
			t.Error(err)
		}
	}
	s := g.Status()
	if s.Results[guard.Succeeded] != 3 || len(m.asked) != 0 || limit.Peek(ratelimit.Key{}).Remaining != 1 || s.WouldRefuse[fault.CircuitOpen] != 0 {
		t.Errorf("status %+v, memory asked %d times", s, len(m.asked))
	}
}
