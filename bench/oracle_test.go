package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/elixirscope/foundation/breaker"
)

// rounds is how many random histories each oracle is asked about.
func rounds() int {
	if os.Getenv("FOUNDATION_PROVE") != "" {
		return 5000
	}
	return 200
}

// The peers serve as oracles where they mean the same as we do. Moments are
// random nanoseconds, so that none falls on an edge, where the two may differ:
// an age of exactly the window is out for us.

// gobreaker and ours agree on every admission when the window never ends, the
// rule counts failures (in a row, or all), and one probe decides.
func TestOracle_GobreakerAgreesOnFailureCounts(t *testing.T) {
	rules := map[string]struct {
		trip func(n uint32) func(gobreaker.Counts) bool
		ours func(n uint32) breaker.Config
	}{
		"failures in a row": {
			func(n uint32) func(gobreaker.Counts) bool {
				return func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= n }
			},
			func(n uint32) breaker.Config { return breaker.Config{ConsecutiveFailures: int(n)} },
		},
		"failures": {
			func(n uint32) func(gobreaker.Counts) bool {
				return func(c gobreaker.Counts) bool { return c.TotalFailures >= n }
			},
			func(n uint32) breaker.Config { return breaker.Config{FailureThreshold: int(n), Window: 24 * time.Hour} },
		},
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			for seed := range rounds() {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(uint64(seed), 1))
					n := 1 + random.Uint32N(6)
					cfg := rule.ours(n)
					cfg.Cooldown = time.Duration(1+random.Int64N(1000)) * time.Millisecond
					ours := must(breaker.New("bench", cfg))
					theirs := gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{Timeout: cfg.Cooldown, ReadyToTrip: rule.trip(n)})
					replay(t, seed, random, ours, theirs)
				})
			}
		})
	}
}

// replay sends both breakers the same calls, one at a time and at random moments.
func replay(t *testing.T, seed int, random *rand.Rand, ours *breaker.Breaker, theirs *gobreaker.TwoStepCircuitBreaker[struct{}]) {
	t.Helper()
	failure := errors.New("failed")
	for step := range 100 {
		time.Sleep(time.Duration(random.Int64N(int64(300 * time.Millisecond))))
		permit := ours.Allow()
		done, err := theirs.Allow()
		if permit.OK() != (err == nil) {
			t.Fatalf("seed %d, step %d: ours admits %v in state %v, gobreaker says %v in state %v",
				seed, step, permit.OK(), ours.State(), err, theirs.State())
		}
		if err != nil {
			continue
		}
		if random.IntN(2) == 0 {
			permit.Success()
			done(nil)
		} else {
			permit.Failure(failure)
			done(failure)
		}
	}
}
