package ratelimit_test

import (
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/clock"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/storetest"
)

var update = flag.Bool("update", false, "write the test vectors anew, from the models")

// TestVectorsBindTheLimiter asks the limiter what every store is asked.
func TestVectorsBindTheLimiter(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	all, err := storetest.Vectors()
	if err != nil || len(all) < 40 && !*update {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			l, taken := must(t, v.Rule.Config()), make([]ratelimit.Decision, len(v.Steps))
			for i, s := range v.Steps {
				if s.Refund > 0 {
					taken[s.Refund-1].RefundAt(clock.Instant(s.At))
					continue
				}
				taken[i] = l.AllowAt(clock.Instant(s.At), user, s.Cost)
				if err := s.Check(taken[i]); err != nil {
					t.Fatalf("step %d: %v", i+1, err)
				}
			}
		})
	}
}

func TestMemoryStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness {
		var now time.Duration
		return storetest.Harness{
			Store: ratelimit.NewMemoryStore(func() time.Duration { return now }),
			Set:   func(at time.Duration) { now = at },
		}
	})
}

func TestAMemoryStoreForgetsSpentKeysAndFollowsItsRules(t *testing.T) {
	var now time.Duration
	s := ratelimit.NewMemoryStore(func() time.Duration { return now })
	rule := ratelimit.Rule{Name: "rule", Config: ratelimit.Config{Limit: 10, Per: time.Minute}}
	for i := range 100 {
		now += time.Minute
		if d, err := s.Take(t.Context(), rule, ratelimit.KeyOf(i), 1); err != nil || !d.OK {
			t.Fatal(d, err)
		}
	}
	if n := s.Len(); n > 5 {
		t.Errorf("%d keys are kept", n)
	}
	if d, _ := s.Take(t.Context(), rule, user, 8); d.Remaining != 2 {
		t.Error(d)
	}
	rule.Config.Limit = 20
	if d, _ := s.Take(t.Context(), rule, user, 1); d.Remaining != 11 {
		t.Errorf("after the limit was raised: %+v", d)
	}
}

// writeVectors makes sequences that touch every edge: the nanosecond before and
// at RetryAfter, full and empty, costs, refunds, odd rates and large numbers.
func writeVectors(t *testing.T) {
	var all []storetest.Vector
	random := rand.New(rand.NewPCG(1, 2))
	for _, a := range algorithms {
		rules := map[string]storetest.Rule{
			"5 a minute": {Limit: 5, Per: time.Minute}, "1 a second": {Limit: 1, Per: time.Second}, "7 a second": {Limit: 7, Per: time.Second},
			"999983 a second": {Limit: 999_983, Per: time.Second}, "3 in 10 ns": {Limit: 3, Per: 10},
			"1000 an hour": {Limit: 1000, Per: time.Hour}, "5e7 a second": {Limit: 50_000_000, Per: time.Second},
			"a great limit": {Limit: math.MaxInt64, Per: time.Second},
		}
		if burstOf(a, 1) == 1 {
			rules["10 a second, burst 3"] = storetest.Rule{Limit: 10, Per: time.Second, Burst: 3}
			rules["1 a minute, burst 100"] = storetest.Rule{Limit: 1, Per: time.Minute, Burst: 100}
		}
		names := make([]string, 0, len(rules))
		for name := range rules {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			r := rules[name]
			r.Algorithm = a
			all = append(all, vector(a.String()+": "+name, r, random))
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	text := append(slices.Clone(raw[:1]), '\n')
	for _, v := range all { // one vector a line
		line, _ := json.Marshal(v)
		text = append(append(text, line...), ",\n"...)
	}
	text = append(text[:len(text)-2], "\n]\n"...)
	if err := os.WriteFile("storetest/vectors.json", text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func vector(name string, r storetest.Rule, random *rand.Rand) storetest.Vector {
	v, m, now := storetest.Vector{Name: name, Rule: r}, newModel(r.Config()), time.Duration(0)
	capacity := r.Limit
	if r.Burst > 0 {
		capacity = r.Burst
	}
	last := answer{}
	for range 24 {
		cost := min([]int64{1, 1, 2, capacity, capacity / 3, 0}[random.IntN(6)], capacity)
		step := func() {
			last = m.allow(clock.Instant(now), cost)
			v.Steps = append(v.Steps, storetest.Step{At: now, Cost: cost, OK: last.OK, Remaining: last.Remaining, RetryAfter: last.RetryAfter, ResetAfter: last.ResetAfter})
		}
		step()
		if !last.OK && last.RetryAfter < 1<<60 {
			now += last.RetryAfter - 1
			step()
			now++
			step()
		}
		if last.OK && cost > 0 && random.IntN(3) == 0 {
			m.refund(clock.Instant(now), cost, last)
			v.Steps = append(v.Steps, storetest.Step{At: now, Refund: len(v.Steps)})
		}
		now += []time.Duration{0, 1, r.Per / time.Duration(min(r.Limit, 1000)), r.Per / 3, r.Per}[random.IntN(5)]
	}
	return v
}
