package breaker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/mode"
)

// Admits says what the next call will meet, and counts nothing.
func TestAdmits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := breaker.New("payments", breaker.Config{FailureThreshold: 1, Cooldown: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		admits := func(want bool, when string) {
			t.Helper()
			if got := b.Admits(clock.Now()); got != want {
				t.Errorf("%s: %v", when, got)
			}
		}
		admits(true, "closed")
		failures(b, 1)
		admits(false, "open")
		<-time.After(time.Second)
		admits(true, "after the cooldown")
		probe := b.Allow()
		admits(false, "while the one probe is under way")
		probe.Success()
		admits(true, "closed again")
		if err := b.Force(breaker.StateOpen, breaker.Override{Actor: "test", For: time.Minute}); err != nil {
			t.Fatal(err)
		}
		admits(false, "forced open")
		if err := b.Reconfigure(breaker.Config{Mode: mode.Shadow}); err != nil {
			t.Fatal(err)
		}
		admits(true, "in shadow mode")
		if c := b.Status().Totals; c.Rejected != 0 || c.WouldReject != 0 {
			t.Errorf("it counted %+v", c)
		}
	})
}
