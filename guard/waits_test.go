package guard_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// listen collects the summaries of calls.
func listen(bus *telemetry.Bus) *[]guard.Executed {
	told := new([]guard.Executed)
	must(telemetry.Subscribe(bus, "listen", func(_ context.Context, e guard.Executed) { *told = append(*told, e) }))
	return told
}

// The wait for a turn is told apart from the call, and counted once, with a pool
// behind the limit or without one.
func TestTheWaitForATurnIsNotPartOfTheCall(t *testing.T) {
	for name, pool := range map[string]*stage{"alone": nil, "with a pool": newStage()} {
		synctest.Test(t, func(t *testing.T) {
			bus := telemetry.NewBus()
			told := listen(bus)
			l := must(ratelimit.New("shape", ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 10, Per: time.Second, Burst: 40}))
			cfg := guard.Config{RateLimit: l}
			call := func(g *guard.Guard) error {
				return g.Do(t.Context(), func(context.Context) error { time.Sleep(30 * time.Millisecond); return nil })
			}
			if pool != nil {
				cfg.Pool = pool
				call = func(g *guard.Guard) error {
					_, err := guard.DoWith(t.Context(), must(guard.Bind[*conn](g)), guard.Call{}, func(context.Context, *conn) (int, error) {
						time.Sleep(30 * time.Millisecond)
						return 0, nil
					})
					return err
				}
			}
			g := newGuard(t, cfg, guard.WithBus(bus))
			for _, want := range []time.Duration{0, 70 * time.Millisecond} {
				if err := call(g); err != nil {
					t.Fatal(err)
				}
				if e := (*told)[len(*told)-1]; e.Wait != want || e.Duration != 30*time.Millisecond {
					t.Errorf("%s: waited %v, want %v; took %v", name, e.Wait, want, e.Duration)
				}
			}
			if n := g.Status().Wait.Count; n != 1 {
				t.Errorf("%s: %d waits are counted", name, n)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if pool == nil && g.Do(ctx, succeed) == nil {
				t.Error("admitted before its turn")
			}
		})
	}
}

// Who is refused by the pool has waited for it; who gets a worker at once has not.
func TestOnlyWaitsAreCountedAsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		told := listen(bus)
		s := newStage()
		g := newGuard(t, guard.Config{Pool: s}, guard.WithBus(bus))
		db := must(guard.Bind[*conn](g))
		use := func(context.Context, *conn) (int, error) { return 0, nil }
		if _, err := guard.DoWith(t.Context(), db, guard.Call{}, use); err != nil || g.Status().Wait.Count != 0 {
			t.Errorf("%v, %d waits", err, g.Status().Wait.Count)
		}
		s.says(func(ctx context.Context) error {
			time.Sleep(time.Second)
			return refuseWith(fault.PoolTimeout)(ctx)
		})
		_, err := guard.DoWith(t.Context(), db, guard.Call{}, use)
		wantCode(t, err, fault.PoolTimeout)
		if e := (*told)[1]; e.Wait != time.Second || e.RefusedBy != "pool" || g.Status().Wait.Count != 1 {
			t.Errorf("waited %v, refused by %q, %d waits", e.Wait, e.RefusedBy, g.Status().Wait.Count)
		}
	})
}

// The bound of detached calls is none for others, whatever else bounds those.
func TestTheBoundOfDetachedCallsIsTheirsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Timeout: time.Second, MaxDetached: 1, Concurrency: 10})
		_, err := guard.DoDetached(t.Context(), g, guard.Call{}, deaf(time.Minute))
		wantCode(t, err, fault.CallTimeout)
		if err := g.Do(t.Context(), succeed); err != nil {
			t.Error(err)
		}
		_, err = guard.DoDetached(t.Context(), g, guard.Call{}, deaf(0))
		wantCode(t, err, fault.ConcurrencyLimited)
		time.Sleep(time.Hour)
	})
}

// A stage that does not return takes nothing of a token that is never given.
func TestEnterLosesNothingIfAHandlerEndsTheGoroutine(t *testing.T) {
	bus := telemetry.NewBus()
	l := must(ratelimit.New("per-user", ratelimit.Config{Limit: 2, Per: 1000 * time.Hour}, ratelimit.WithBus(bus)))
	g := newGuard(t, guard.Config{Concurrency: 1, RateLimit: l})
	must(g.Enter(t.Context(), guard.Call{})).Done(nil)
	sub := must(telemetry.Subscribe(bus, "exits", func(context.Context, ratelimit.RequestAllowed) { runtime.Goexit() }))
	_, exited := drive(func() { _, _ = g.Enter(context.Background(), guard.Call{}) })
	sub.Cancel()
	if s := g.Status(); !exited || s.SlotsTaken != 0 || s.InFlight != 0 || l.Peek(ratelimit.Key{}).Remaining != 1 {
		t.Errorf("exited %v, %d places are taken, %d calls in flight, %d tokens remain", exited, s.SlotsTaken, s.InFlight, l.Peek(ratelimit.Key{}).Remaining)
	}
}

// In shadow mode a token's time is that of its call until its outcome is known, and
// no more from then on.
func TestShadowMeasuresATokenUntilItsOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		use      func(*guard.Token)
		late     uint64
		failures uint64
	}{
		"done in time": {func(tok *guard.Token) { tok.Done(nil) }, 0, 0},
		"done late":    {func(tok *guard.Token) { time.Sleep(2 * time.Second); tok.Done(nil) }, 1, 1},
		"settled late": {func(tok *guard.Token) { time.Sleep(2 * time.Second); tok.Settle(outcome.Success, nil) }, 1, 1},
		"settled, done late": {func(tok *guard.Token) {
			tok.Settle(outcome.Success, nil)
			time.Sleep(2 * time.Second)
			tok.Done(nil)
		}, 0, 0},
		"settled, and again": {func(tok *guard.Token) {
			tok.Settle(outcome.Success, nil)
			time.Sleep(2 * time.Second)
			tok.Settle(outcome.Success, nil)
		}, 0, 0},
		"answered, though timed": {func(tok *guard.Token) {
			tok.Answered()
			time.Sleep(2 * time.Second)
			tok.Done(nil)
		}, 1, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(t, breaker.Config{})
			g := newGuard(t, guard.Config{Mode: mode.Shadow, Timeout: time.Second, Breaker: b})
			tok := must(g.Enter(t.Context(), guard.Call{}))
			c.use(tok)
			tok.Close()
			if s := g.Status(); s.WouldRefuse[fault.CallTimeout] != c.late || b.Status().Totals.Failures != c.failures {
				t.Errorf("%s: would refuse %v, breaker %+v", name, s.WouldRefuse, b.Status().Totals)
			}
		})
	}
}

func TestAGuardThatOnlyWatchesTellsNoQuota(t *testing.T) {
	g := newGuard(t, guard.Config{Mode: mode.Shadow, RateLimit: newLimit(t, 3)})
	tok := must(g.Enter(t.Context(), guard.Call{}))
	defer tok.Close()
	if q, ok := tok.Quota(); ok {
		t.Errorf("%+v", q)
	}
}

func TestShadowCountsACostThatTheRuleNeverAdmits(t *testing.T) {
	g := newGuard(t, guard.Config{Mode: mode.Shadow, RateLimit: newLimit(t, 3)})
	if err := g.DoCall(t.Context(), guard.Call{Cost: 100}, succeed); err != nil {
		t.Error(err)
	}
	if s := g.Status(); s.WouldRefuse[fault.InvalidArgument] != 1 || s.WouldRefuse[fault.RateLimited] != 0 {
		t.Errorf("would refuse %v", s.WouldRefuse)
	}
}
