package guard_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/telemetry"
)

// deaf ignores its context for d.
func deaf(d time.Duration) func(context.Context) (int, error) {
	return func(context.Context) (int, error) {
		time.Sleep(d)
		return 42, nil
	}
}

func TestScenario22_DetachedReturnsOnTimeAndDropsTheLateResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{})
		g := newGuard(t, guard.Config{Timeout: time.Second, Concurrency: 1, Breaker: b})
		began := time.Now()
		v, err := guard.DoDetached(t.Context(), g, guard.Call{}, deaf(3*time.Second))
		wantCode(t, err, fault.CallTimeout)
		if v != 0 || time.Since(began) != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d, %v after %v", v, err, time.Since(began))
		}
		st := g.Status()
		if st.Detached != 1 || st.SlotsTaken != 1 || st.InFlight != 0 || b.Status().Totals.Failures != 1 {
			t.Errorf("while it runs on: %+v", st)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		st = g.Status()
		if st.Detached != 0 || st.SlotsTaken != 0 || st.DetachedTotal != 1 || st.Results[guard.TimedOut] != 1 || st.Results[guard.Succeeded] != 0 {
			t.Errorf("afterwards: %+v", st)
		}
	})
}

func TestDetachedGivesTheResultOfAFunctionThatIsOnTime(t *testing.T) {
	g := newGuard(t, guard.Config{Timeout: time.Minute})
	v, err := guard.DoDetached(t.Context(), g, guard.Call{}, deaf(0))
	if v != 42 || err != nil || g.Status().DetachedTotal != 0 {
		t.Errorf("%d, %v, %d detached", v, err, g.Status().DetachedTotal)
	}
	_, err = guard.DoDetached(t.Context(), g, guard.Call{}, func(context.Context) (int, error) { return 0, errDown })
	if err != errDown { //nolint:errorlint // not wrapped is what is promised
		t.Errorf("error %v", err)
	}
}

func TestDetachedLeavesWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Timeout: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := guard.DoDetached(ctx, g, guard.Call{}, deaf(time.Hour))
		wantCode(t, err, fault.Canceled)
		if s := g.Status(); !errors.Is(err, context.Canceled) || s.Results[guard.CallerLeft] != 1 || s.Detached != 1 {
			t.Errorf("%v, status %+v", err, s)
		}
		time.Sleep(time.Hour)
	})
}

func TestDetachedCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Timeout: time.Second, MaxDetached: 2})
		for range 2 {
			_, err := guard.DoDetached(t.Context(), g, guard.Call{}, deaf(10*time.Second))
			wantCode(t, err, fault.CallTimeout)
		}
		_, err := guard.DoDetached(t.Context(), g, guard.Call{}, func(context.Context) (int, error) { t.Error("ran"); return 0, nil })
		wantCode(t, err, fault.ConcurrencyLimited)
		if err := g.Do(t.Context(), succeed); err != nil {
			t.Errorf("the bound holds for calls that are not detached: %v", err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if _, err := guard.DoDetached(t.Context(), g, guard.Call{}, deaf(0)); err != nil {
			t.Errorf("no place although all have ended: %v", err)
		}
	})
}

func TestADetachedPanicReachesACallerWhoWaits(t *testing.T) {
	g := newGuard(t, guard.Config{Timeout: time.Minute, Concurrency: 1})
	panicked, _ := drive(func() {
		_, _ = guard.DoDetached(context.Background(), g, guard.Call{}, func(context.Context) (int, error) { panic(errDown) })
	})
	_, exited := drive(func() {
		_, _ = guard.DoDetached(context.Background(), g, guard.Call{}, func(ctx context.Context) (int, error) { return 0, exits(ctx) })
	})
	s := g.Status()
	if panicked != errDown || !exited || s.Results[guard.Failed] != 2 || s.SlotsTaken != 0 || s.DetachedPanics != 0 { //nolint:errorlint // the very value
		t.Errorf("panicked %v, exited %v, status %+v", panicked, exited, s)
	}
}

func TestALateDetachedPanicIsCountedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		bus := telemetry.NewBus()
		var told []guard.DetachedPanicked
		must(telemetry.Subscribe(bus, "test", func(_ context.Context, e guard.DetachedPanicked) { told = append(told, e) }))
		g := newGuard(t, guard.Config{Timeout: time.Second, Concurrency: 1},
			guard.WithBus(bus), guard.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		_, err := guard.DoDetached(t.Context(), g, guard.Call{Op: "list"}, func(context.Context) (int, error) {
			time.Sleep(2 * time.Second)
			panic("too late")
		})
		wantCode(t, err, fault.CallTimeout)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s := g.Status()
		if s.DetachedPanics != 1 || s.SlotsTaken != 0 || s.Detached != 0 || len(told) != 1 || told[0].Op != "list" || told[0].Reason != "too late" {
			t.Errorf("told %+v, status %+v", told, s)
		}
		if !strings.Contains(log.String(), "too late") || !strings.Contains(log.String(), "detached_test.go") {
			t.Errorf("the log has neither reason nor stack: %q", log.String())
		}
	})
}

func TestADetachedCallThatRanOutNamesTheTimeThatItWasGiven(t *testing.T) {
	for timeout, want := range map[time.Duration]float64{0: 2, time.Second: 1, 10 * time.Second: 2} {
		synctest.Test(t, func(t *testing.T) {
			g := newGuard(t, guard.Config{Timeout: timeout})
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := guard.DoDetached(ctx, g, guard.Call{}, func(context.Context) (int, error) {
				time.Sleep(time.Minute)
				return 0, nil
			})
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || len(f.Evidence()) != 1 || f.Evidence()[0].Limit != want {
				t.Errorf("with a timeout of %v: %v", timeout, err)
			}
			time.Sleep(time.Hour)
		})
	}
}
