package guard_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/guard"
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
	time.Sleep(time.Hour) // all leases are over, also one that nobody was told of
	if s := g.Status(); s.SlotsTaken != 0 || s.InFlight != 0 {
		t.Errorf("%d places are taken, %d calls in flight", s.SlotsTaken, s.InFlight)
	}
}

func TestAllExpiredTokensAreTakenBackAlsoIfTheRecorderEndsTheGoroutine(t *testing.T) {
	rudely(t, func(t *testing.T, end rude) {
		g := newGuard(t, guard.Config{Concurrency: 100, Recorder: end})
		for range 100 {
			if _, err := g.Enter(t.Context(), guard.Call{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		for range 100 { // a look for every processor's share of the tokens
			drive(func() { g.Status() })
		}
		nothingIsHeld(t, g)
	})
}

func TestATokenIsNotLostIfItsOpeningTakesBackOthers(t *testing.T) {
	rudely(t, func(t *testing.T, end rude) {
		calm := true
		g := newGuard(t, guard.Config{Concurrency: 1000, Recorder: rude(func() {
			if !calm {
				end()
			}
		})})
		for range 100 { // forgotten, on every processor
			drive(func() {
				if _, err := g.Enter(t.Context(), guard.Call{}); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Hour)
		calm = false
		for range 100 {
			drive(func() {
				if tok, err := g.Enter(t.Context(), guard.Call{Lease: -1}); err == nil {
					calm = true
					tok.Close()
					calm = false
				}
			})
		}
		calm = true
		if taken := g.Status().SlotsTaken; taken != 0 {
			t.Errorf("%d places are taken", taken)
		}
	})
}
