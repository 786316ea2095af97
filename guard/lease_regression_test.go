package guard_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
)

// rude is a recorder that ends whoever tells it something.
type rude func()

func (r rude) Record(guard.Observation) { r() }

// rudely calls test in a bubble with each kind of rude recorder.
func rudely(t *testing.T, test func(*testing.T, rude)) {
	for name, end := range map[string]rude{"panic": func() { panic("as told") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, end) }) })
	}
}

func nothingIsHeld(t *testing.T, g *guard.Guard) {
	t.Helper()
	cfg := g.Config()
	cfg.Recorder = nil
	if err := g.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	wait(time.Hour) // all leases are over
	if s := g.Status(); s.SlotsTaken != 0 || s.InFlight != 0 {
		t.Errorf("%d places are taken, %d calls in flight", s.SlotsTaken, s.InFlight)
	}
}

func TestAllExpiredTokensAreTakenBackAlsoIfTheRecorderEndsTheGoroutine(t *testing.T) {
	rudely(t, func(t *testing.T, end rude) {
		var log bytes.Buffer
		g := newGuard(t, guard.Config{Concurrency: 100, Recorder: end}, guard.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		for range 2 { // later leases are not lost either
			for range 100 {
				if _, err := g.Enter(t.Context(), guard.Call{}); err != nil {
					t.Fatal(err)
				}
			}
			wait(time.Hour)
		}
		nothingIsHeld(t, g)
		if n := g.Status().LeasesExpired; n != 200 || !strings.Contains(log.String(), "count=100") {
			t.Errorf("%d leases expired, logged %s", n, log.String())
		}
	})
}

// rudeLog is a logger's handler that does not return.
type rudeLog struct {
	slog.Handler
	end func()
}

func (r rudeLog) Handle(context.Context, slog.Record) error { r.end(); return nil }

func TestALoggerThatPanicsLosesNoLease(t *testing.T) {
	rudely(t, func(t *testing.T, end rude) {
		g := newGuard(t, guard.Config{Concurrency: 1, Recorder: end}, guard.WithLogger(slog.New(rudeLog{slog.NewTextHandler(io.Discard, nil), end})))
		for range 3 {
			if _, err := g.Enter(t.Context(), guard.Call{}); err != nil {
				t.Fatal(err)
			}
			wait(time.Hour)
		}
		nothingIsHeld(t, g)
	})
}

// A guard may live longer than the bubble of a test in which a timer of it runs.
func TestTimersOfAnotherBubbleAreNotReliedOn(t *testing.T) {
	g := newGuard(t, guard.Config{})
	enter := func(lease time.Duration) { must(g.Enter(context.Background(), guard.Call{Lease: lease})) }
	synctest.Test(t, func(*testing.T) { enter(time.Hour) })
	synctest.Test(t, func(t *testing.T) {
		enter(time.Minute)
		wait(time.Minute)
		if n := g.Status().LeasesExpired; n != 1 {
			t.Errorf("%d leases expired", n)
		}
	})
	enter(-1)
	enter(time.Hour)
}

// Status and Collect look, and do nothing else.
func TestLookingAtAGuardTakesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Recorder: rude(func() { runtime.Goexit() })})
		must(g.Enter(t.Context(), guard.Call{}))
		wait(time.Hour)
		if n := g.Status().LeasesExpired; n != 1 { // by then, and by a timer
			t.Errorf("%d leases expired", n)
		}
	})
}

// A timer that belongs to a test that has ended never fires: a guard that outlives it must
// not wait for that one.
func TestAGuardThatOutlivesABubbleTakesTokensBackInTheNext(t *testing.T) {
	g := newGuard(t, guard.Config{Lease: time.Minute})
	enter := func(t *testing.T) *guard.Token {
		t.Helper()
		tok, err := g.Enter(t.Context(), guard.Call{})
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	synctest.Test(t, func(t *testing.T) { enter(t).Close() }) // starts the timer
	synctest.Test(t, func(t *testing.T) {
		wait(2 * time.Minute)
		enter(t)
		wait(2 * time.Minute)
		if s := g.Status(); s.LeasesExpired != 1 || s.InFlight != 0 {
			t.Errorf("%d leases expired, %d calls in flight", s.LeasesExpired, s.InFlight)
		}
	})
}

// A token that is settled between the end of its lease and its turn to be taken back
// stays: settling ends the lease, and its holder closes it.
func TestATokenThatIsSettledWhileOthersAreTakenBackStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The guard's timer starts with the first token: the second is published to its goroutine.
		var tokens atomic.Pointer[[2]*guard.Token]
		g := newGuard(t, guard.Config{Lease: time.Minute, Recorder: rude(func() {
			for _, tok := range tokens.Load() {
				tok.Settle(outcome.Success, nil)
			}
		})})
		both := [2]*guard.Token{must(g.Enter(t.Context(), guard.Call{})), must(g.Enter(t.Context(), guard.Call{}))}
		tokens.Store(&both)
		wait(2 * time.Minute)
		if s := g.Status(); s.LeasesExpired != 1 || s.InFlight != 1 {
			t.Errorf("%d leases expired, %d calls in flight", s.LeasesExpired, s.InFlight)
		}
		for _, tok := range both {
			tok.Close()
		}
		if n := g.Status().InFlight; n != 0 {
			t.Errorf("%d calls in flight", n)
		}
	})
}
