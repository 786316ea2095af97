package main

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/elixirscope/foundation/ratelimit"
)

// A token bucket and gcra are the same rule in two spellings: x/time/rate and
// ours agree on every decision, costs included, as long as time goes forward.
func TestOracle_XTimeAgreesOnTokenBuckets(t *testing.T) {
	for seed := range rounds() {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(seed), 2))
			perSecond, burst := 1+random.Int64N(100), 1+random.Int64N(20)
			ours := must(ratelimit.New("bench", ratelimit.Config{Algorithm: ratelimit.GCRA, Limit: perSecond, Per: time.Second, Burst: burst}))
			theirs := rate.NewLimiter(rate.Limit(perSecond), int(burst))
			for step := range 200 {
				time.Sleep(time.Duration(random.Int64N(int64(2 * time.Second / time.Duration(perSecond)))))
				cost := 1 + random.Int64N(3)
				got, want := ours.AllowN(ratelimit.KeyOf("client"), cost).OK, theirs.AllowN(time.Now(), int(cost))
				if got != want {
					t.Fatalf("seed %d, step %d: ours says %v, x/time %v, to %d of %d/s, burst %d", seed, step, got, want, cost, perSecond, burst)
				}
			}
		})
	}
}
