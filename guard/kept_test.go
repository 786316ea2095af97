package guard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

func TestAnErrorIsNeutralIfAllOfItIs(t *testing.T) {
	n := guard.Neutral(errDown)
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errDown, false},
		{n, true},
		{fmt.Errorf("call: %w", n), true},
		{errors.Join(n, errDown), false},
		{errors.Join(errDown, n), false},
		{errors.Join(n, guard.Neutral(context.Canceled)), true},
	} {
		if got := guard.IsNeutral(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

func TestANilTokenHasEnded(t *testing.T) {
	var tok *guard.Token
	tok.Done(errDown)
	tok.Settle(outcome.Failure, errDown)
	tok.Answered()
	tok.Close()
	if _, ok := tok.Quota(); ok || tok.Timeout() != 0 || tok.Context() == nil || tok.Context().Err() != nil {
		t.Errorf("quota %v, timeout %v, context %v", ok, tok.Timeout(), tok.Context())
	}
}

// What a token leaves behind does not wait for the end of a lease that it does not
// have any more.
func TestATokenThatHasEndedIsNotKeptForItsLease(t *testing.T) {
	g := newGuard(t, guard.Config{Concurrency: 100})
	for name, end := range map[string]func(*guard.Token){
		"Done":   func(tok *guard.Token) { tok.Done(nil) },
		"Close":  (*guard.Token).Close,
		"Settle": func(tok *guard.Token) { tok.Settle(outcome.Success, nil); tok.Close() },
	} {
		for _, order := range [][3]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}} {
			var open [3]*guard.Token
			var seen [3]weak.Pointer[guard.Token]
			for i := range open {
				open[i] = must(g.Enter(t.Context(), guard.Call{Lease: time.Hour * time.Duration(1+i)}))
				seen[i] = weak.Make(open[i])
			}
			for _, i := range order {
				end(open[i])
				open[i] = nil
			}
			runtime.GC()
			runtime.GC()
			for i := range seen {
				if seen[i].Value() != nil {
					t.Errorf("%s in the order %v: token %d is kept", name, order, i)
				}
			}
		}
	}
}

// Leases end as well on a clock that is ahead of the process, not only in its past,
// where the clock of a bubble begins.
func TestLeasesEndInLaterYears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(100 * 365 * 24 * time.Hour)
		g := newGuard(t, guard.Config{})
		for range 3 {
			must(g.Enter(t.Context(), guard.Call{Lease: time.Second}))
			kept := must(g.Enter(t.Context(), guard.Call{Lease: time.Minute}))
			wait(time.Second)
			if s := g.Status(); s.InFlight != 1 {
				t.Errorf("%d calls in flight", s.InFlight)
			}
			kept.Done(nil)
			wait(time.Hour)
		}
		if n := g.Status().LeasesExpired; n != 3 {
			t.Errorf("%d leases expired", n)
		}
	})
}

// Nobody else would learn of a panic when a token is taken back.
func TestAPanicWhenATokenIsTakenBackIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		g := newGuard(t, guard.Config{Recorder: bomb{}}, guard.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		must(g.Enter(t.Context(), guard.Call{}))
		wait(time.Hour)
		for _, part := range []string{"level=ERROR", "guard=checkout", `panic="in the recorder"`, "report_test.go"} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("the log has no %s: %s", part, log.String())
			}
		}
	})
}

// A guard that a call goes through twice has one limit for each: the outer one's is
// its caller's for the inner one.
func TestACallWithinACallOfTheSameGuardKnowsWhoseLimitItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Timeout: time.Second, DeadlineFloor: 100 * time.Millisecond})
		var inner error
		outer := g.Do(t.Context(), func(ctx context.Context) error {
			time.Sleep(950 * time.Millisecond)
			inner = g.Do(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			return inner
		})
		wantCode(t, outer, fault.CallTimeout)
		if s := g.Status(); inner != context.DeadlineExceeded || s.Results[guard.CallerLeft] != 1 || s.Results[guard.TimedOut] != 1 { //nolint:errorlint // not wrapped is what is promised
			t.Errorf("%v, results %v", inner, s.Results)
		}
	})
}

func TestShadowCountsACallThatTakesTheLimitExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Mode: mode.Shadow, Timeout: time.Second})
		for _, takes := range []time.Duration{time.Second - 1, time.Second} {
			_ = g.Do(t.Context(), func(context.Context) error { time.Sleep(takes); return nil })
		}
		if s := g.Status(); s.WouldRefuse[fault.CallTimeout] != 1 || s.Results[guard.Succeeded] != 1 {
			t.Errorf("would refuse %v, results %v", s.WouldRefuse, s.Results)
		}
	})
}

// Who uses a guard in the wrong way is told the right one.
func TestAMisusedGuardSaysHowToUseIt(t *testing.T) {
	g := newGuard(t, guard.Config{Pool: newStage()})
	db := must(guard.Bind[*conn](g))
	if err := g.Do(t.Context(), succeed); !errors.Is(err, fault.InvalidArgument) || !strings.Contains(err.Error(), "use Bind and DoWith") {
		t.Errorf("%v", err)
	}
	if err := g.Reconfigure(guard.Config{}); err != nil {
		t.Fatal(err)
	}
	_, err := guard.DoWith(t.Context(), db, guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
	if !errors.Is(err, fault.InvalidArgument) || !strings.Contains(err.Error(), "use Do") || strings.Contains(err.Error(), "Bind") {
		t.Errorf("%v", err)
	}
}

// A function that ends in the moment in which its time is up is heard or left, and
// accounted for once.
func TestADetachedCallThatEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Timeout: time.Second, Concurrency: 1})
		left := uint64(0)
		for range 200 {
			v, err := guard.DoDetached(t.Context(), g, guard.Call{}, deaf(time.Second))
			switch {
			case errors.Is(err, fault.CallTimeout) && v == 0:
				left++
			case err != nil || v != 42:
				t.Fatalf("%d, %v", v, err)
			}
			synctest.Wait()
			if s := g.Status(); s.Detached != 0 || s.SlotsTaken != 0 || s.InFlight != 0 || s.DetachedTotal != left {
				t.Fatalf("%d detached of %d, want %d; %d places, %d in flight", s.Detached, s.DetachedTotal, left, s.SlotsTaken, s.InFlight)
			}
		}
	})
}

// A guard without a logger tells by its events and counters alone.
func TestAGuardWithoutALoggerTellsByEvents(t *testing.T) {
	for name, opts := range map[string][]guard.Option{"none": nil, "nil": {guard.WithLogger(nil)}} {
		synctest.Test(t, func(t *testing.T) {
			bus := telemetry.NewBus()
			var told []string
			must(telemetry.Subscribe(bus, "t", func(_ context.Context, e guard.LeasesExpired) { told = append(told, e.EventName()) }))
			must(telemetry.Subscribe(bus, "t2", func(_ context.Context, e guard.DetachedPanicked) { told = append(told, e.EventName()) }))
			g := newGuard(t, guard.Config{Timeout: time.Second}, append(opts, guard.WithBus(bus))...)
			must(g.Enter(t.Context(), guard.Call{}))
			wait(30 * time.Second)
			_, _ = guard.DoDetached(t.Context(), g, guard.Call{}, func(context.Context) (int, error) { time.Sleep(2 * time.Second); panic("late") })
			wait(time.Minute)
			if s := g.Status(); len(told) != 2 || s.LeasesExpired != 1 || s.DetachedPanics != 1 {
				t.Errorf("%s: told %v, %+v", name, told, s)
			}
		})
	}
}

// What ended a call's context can be asked for, and names the guard.
func TestTheCauseOfACallsContextIsTheGuardsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Timeout: time.Second})
		_ = g.Do(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			f, ok := errors.AsType[*fault.Error](context.Cause(ctx))
			if !ok || f.Code() != fault.CallTimeout || f.Component() != "guard" || f.Name() != "checkout" {
				t.Errorf("%v", context.Cause(ctx))
			}
			return nil
		})
	})
}
