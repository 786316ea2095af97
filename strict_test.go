package foundation_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// A layer without parts lists none, which is not the same as not knowing.
func TestAnEmptyLayerListsNothing(t *testing.T) {
	f := open(t, foundation.Options{})
	if s := f.Status(); s.Guards == nil || s.Breakers == nil || s.BreakerGroups == nil || s.RateLimits == nil || s.Pools == nil {
		t.Errorf("%+v", s)
	}
}

func TestFailuresOfHandlersAreCounted(t *testing.T) {
	bus := telemetry.NewBus()
	f := open(t, foundation.Options{Bus: bus})
	if _, err := telemetry.Subscribe(bus, "fails", func(context.Context, config.Applied) { panic("as told") }); err != nil {
		t.Fatal(err)
	}
	apply(t, f, &config.Config{Guards: map[string]config.Guard{"g": {}}})
	count := -1.0
	f.Collect(func(s telemetry.Sample) {
		if s.Desc.Name == "foundation_handler_failures_total" {
			count = s.Value
		}
	})
	if count != 1 {
		t.Errorf("%v failures", count)
	}
}

// Rules below one parent count in the same one, whichever of them is opened first.
func TestRulesShareTheirParent(t *testing.T) {
	f := open(t, foundation.Options{Config: parse(t, "rate_limits: { a: { limit: 9, per: 1h, parent: m }, b: { limit: 9, per: 1h, parent: m }, m: { limit: 9, per: 1h, parent: z }, z: { limit: 3, per: 1h } }", nil)})
	a, _ := f.RateLimit("a")
	b, _ := f.RateLimit("b")
	a.Allow(ratelimit.Key{})
	b.Allow(ratelimit.Key{})
	for _, name := range []string{"m", "z"} {
		if l, err := f.RateLimit(name); err != nil || l.Status().Allowed != 2 {
			t.Errorf("%s has counted %d of 2 calls, %v", name, l.Status().Allowed, err)
		}
	}
}

// A pool whose workers became others is drained at once, and the end of the layer waits
// for that.
func TestAReplacedPoolIsDrainedAndTheEndWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made factory
		text := "pools: { db: { worker: test, size: 2, min_idle: 2, options: { label: %s } } }"
		f, err := foundation.Open(t.Context(), foundation.Options{Config: parse(t, strings.Replace(text, "%s", "old", 1), made.kinds()), Kinds: made.kinds()})
		if err != nil {
			t.Fatal(err)
		}
		h, err := foundation.PoolOf[*worker](f, "db")
		if err != nil {
			t.Fatal(err)
		}
		lease, err := h.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		apply(t, f, parse(t, strings.Replace(text, "%s", "new", 1), made.kinds()))
		synctest.Wait()
		if made.live.Load() != 3 {
			t.Errorf("%d workers live, want two new ones and the one that is lent", made.live.Load())
		}
		ended := make(chan error, 1)
		go func() { ended <- f.Close(context.Background()) }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Errorf("the end came before the old worker was back: %v", err)
		default:
		}
		lease.Release()
		if err := <-ended; err != nil || made.live.Load() != 0 {
			t.Errorf("%v, %d workers live", err, made.live.Load())
		}
	})
}

// Whoever waits for a worker of a pool that is replaced gets one of the new pool.
func TestAHandleThatWaitsFollowsItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made factory
		const text = "pools: { db: { worker: test, size: 1, options: { label: %s } } }"
		f := open(t, foundation.Options{Config: parse(t, strings.Replace(text, "%s", "old", 1), made.kinds()), Kinds: made.kinds()})
		h, err := foundation.PoolOf[*worker](f, "db")
		if err != nil {
			t.Fatal(err)
		}
		lease, err := h.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		labels := make(chan string, 2)
		go func() {
			l, err := h.Acquire(t.Context())
			if err != nil {
				t.Error(err)
				labels <- ""
				return
			}
			labels <- l.Value().label
			l.Release()
		}()
		go func() {
			if err := h.With(t.Context(), func(_ context.Context, w *worker) error { labels <- w.label; return nil }); err != nil {
				t.Error(err)
				labels <- ""
			}
		}()
		synctest.Wait()
		apply(t, f, parse(t, strings.Replace(text, "%s", "new", 1), made.kinds()))
		for range 2 {
			if label := <-labels; label != "new" {
				t.Errorf("it was lent a worker of the pool %q", label)
			}
		}
		lease.Release()
		apply(t, f, &config.Config{})
		if _, err := h.Acquire(t.Context()); !errors.Is(err, fault.NotFound) {
			t.Errorf("the pool was removed: %v", err)
		}
	})
}

// What a function says of another pool than the one that lent to it is its own affair.
func TestAFunctionThatReturnsClosedRunsOnce(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Config: onePool(1), Kinds: made.kinds()})
	h, err := foundation.PoolOf[*worker](f, "p")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	err = h.With(t.Context(), func(context.Context, *worker) error {
		if ran++; ran == 1 {
			next := onePool(1)
			next.Pools["p"] = config.Pool{Worker: "test", Config: pool.Config{Size: 1}, Options: &workerOptions{Label: "other"}}
			apply(t, f, next)
		}
		return fault.New(fault.Spec{Code: fault.Closed, Component: "theirs"})
	})
	if ran != 1 || !errors.Is(err, fault.Closed) {
		t.Errorf("it ran %d times: %v", ran, err)
	}
}

// A kind that opens its pool after its caller gave up has it closed, at once or after
// the end of the layer.
func TestAPoolThatIsOpenedTooLateIsClosed(t *testing.T) {
	for name, closed := range map[string]time.Duration{"while the layer lives": time.Hour, "after its end": 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var made factory
			base := made.kinds()["test"]
			late := strange{base, func() (pool.Managed, error) {
				time.Sleep(10 * time.Second)
				return base.Open(context.Background(), "late", pool.Config{Size: 1, MinIdle: 1, Start: pool.Strict}, base.NewOptions())
			}}
			f, err := foundation.Open(t.Context(), foundation.Options{Kinds: map[string]pool.Kind{"late": late}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			cfg := &config.Config{Pools: map[string]config.Pool{"late": {Worker: "late"}}}
			if _, err := f.Config().Apply(ctx, cfg, config.By{}); !errors.Is(err, fault.Canceled) || !strings.Contains(err.Error(), `"late"`) {
				t.Errorf("%s: %v", name, err)
			}
			if closed < time.Minute {
				ended, cancel := context.WithTimeout(t.Context(), closed)
				defer cancel()
				if err := f.Close(ended); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			time.Sleep(time.Minute)
			if made.made.Load() != 1 || made.live.Load() != 0 {
				t.Errorf("%s: %d workers made, %d alive", name, made.made.Load(), made.live.Load())
			}
			if err := f.Close(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// An opening that is given up is canceled, whatever the reason was.
func TestAnOpeningThatIsGivenUpIsCanceledWithTheCallersReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reluctant
		why := fault.New(fault.Spec{Code: fault.RateLimited, Component: "caller"})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		_, err := foundation.Open(ctx, foundation.Options{Config: strictPools("stuck"), Kinds: r.kinds()})
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code() != fault.Canceled || !errors.Is(err, fault.RateLimited) {
			t.Error(err)
		}
		time.Sleep(2 * time.Hour)
	})
}

// A guard whose settings stay as they are follows its parts: a breaker that became a
// group, or the other way round.
func TestAGuardFollowsABreakerThatBecomesAGroup(t *testing.T) {
	file := func(breaker string) *config.Config {
		return parse(t, "breakers: { b: { failure_threshold: 1, cooldown: 1h"+breaker+" } }\nguards: { g: { breaker: b } }", nil)
	}
	f := open(t, foundation.Options{Config: file("")})
	g, _ := f.Guard("g")
	call := func(key string, fn func(context.Context) error) error {
		return g.DoCall(t.Context(), guard.Call{Key: ratelimit.KeyOf(key)}, fn)
	}
	_ = call("a", boom)
	if err := call("b", fine); !errors.Is(err, fault.CircuitOpen) {
		t.Errorf("one breaker for all: %v", err)
	}
	apply(t, f, file(", per: key"))
	_ = call("a", boom)
	if err := call("a", fine); !errors.Is(err, fault.CircuitOpen) {
		t.Errorf("the key that failed: %v", err)
	}
	if err := call("b", fine); err != nil {
		t.Errorf("another key: %v", err)
	}
	apply(t, f, file(""))
	if err := call("a", fine); err != nil {
		t.Errorf("one breaker again, made anew: %v", err)
	}
	_ = call("a", boom)
	if b, err := f.Breaker("b"); err != nil || b.State() != breaker.StateOpen {
		t.Errorf("it counts in another breaker: %v", err)
	}
}

// A change elsewhere leaves a guard, and its revision, alone.
func TestAGuardThatIsNotConcernedKeepsItsRevision(t *testing.T) {
	file := func(other string) *config.Config {
		return parse(t, "breakers: { b: {}, c: { per: key } }\nrate_limits: { r: { limit: 5, per: 1s } }\nguards: { g: { breaker: b, rate_limit: r }, k: { breaker: c }, other: { timeout: "+other+" } }", nil)
	}
	f := open(t, foundation.Options{Config: file("1s")})
	apply(t, f, file("2s"))
	for name, want := range map[string]uint64{"g": 1, "k": 1, "other": 2} {
		if g, err := f.Guard(name); err != nil || g.Status().Revision != want {
			t.Errorf("%s has revision %d, want %d: %v", name, g.Status().Revision, want, err)
		}
	}
}

// A handle of a layer that has ended refuses, and does not look for another pool.
func TestAHandleOfAClosedLayerRefuses(t *testing.T) {
	var made factory
	f, err := foundation.Open(t.Context(), foundation.Options{Config: onePool(1), Kinds: made.kinds()})
	if err != nil {
		t.Fatal(err)
	}
	h, err := foundation.PoolOf[*worker](f, "p")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Acquire(t.Context()); !errors.Is(err, fault.Closed) {
		t.Errorf("acquire: %v", err)
	}
	if err := h.With(t.Context(), func(context.Context, *worker) error { return nil }); !errors.Is(err, fault.Closed) {
		t.Errorf("with: %v", err)
	}
}

// A pool that is let go of with workers still lent says so in the log, and one without
// says nothing.
func TestAPoolThatLosesItsWorkersIsLogged(t *testing.T) {
	for _, lost := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var made factory
			var out strings.Builder
			f, err := foundation.Open(t.Context(), foundation.Options{Config: onePool(1), Kinds: made.kinds(), Logger: slog.New(slog.NewTextHandler(&out, nil))})
			if err != nil {
				t.Fatal(err)
			}
			h, err := foundation.PoolOf[*worker](f, "p")
			if err != nil {
				t.Fatal(err)
			}
			lease, err := h.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			apply(t, f, &config.Config{})
			if !lost {
				lease.Release()
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_ = f.Close(ctx)
			if said := strings.Contains(out.String(), "before all of its workers came back"); said != lost {
				t.Errorf("a worker is lost: %v, the log says\n%s", lost, out.String())
			}
			lease.Release()
			synctest.Wait()
		})
	}
}
