package ratelimit_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/internal/model"
	"github.com/elixirscope/foundation/ratelimit/shared/storetest"
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
	all = append(append(all, staleReceipt()), refundVectors(random)...)
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
	if err := os.WriteFile("shared/storetest/vectors.json", text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func vector(name string, r storetest.Rule, random *rand.Rand) storetest.Vector {
	v, m, now := storetest.Vector{Name: name, Rule: r}, model.New(r.Config()), time.Duration(0)
	capacity := r.Limit
	if r.Burst > 0 {
		capacity = r.Burst
	}
	last := model.Answer{}
	for range 24 {
		cost := min([]int64{1, 1, 2, capacity, capacity / 3, 0}[random.IntN(6)], capacity)
		step := func() {
			last = m.Allow(clock.Instant(now), cost)
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
			m.Refund(clock.Instant(now), cost, last)
			v.Steps = append(v.Steps, storetest.Step{At: now, Refund: len(v.Steps)})
		}
		now += []time.Duration{0, 1, r.Per / time.Duration(min(r.Limit, 1000)), r.Per / 3, r.Per}[random.IntN(5)]
	}
	return v
}

// refundVectors are sequences in which any call is given back at any time.
func refundVectors(random *rand.Rand) (all []storetest.Vector) {
	for _, a := range algorithms {
		rules := []storetest.Rule{{Limit: 1, Per: time.Second}, {Limit: 5, Per: time.Minute}, {Limit: 10, Per: time.Second}}
		if burstOf(a, 1) == 1 {
			rules[0].Burst, rules[2].Burst = 2, 3
		}
		for _, r := range rules {
			r.Algorithm = a
			for i := range 2 {
				all = append(all, refundVector(fmt.Sprintf("%v: %d in %v, refunds in any order %d", a, r.Limit, r.Per, i+1), r, random))
			}
		}
	}
	return all
}

func refundVector(name string, r storetest.Rule, random *rand.Rand) storetest.Vector {
	v, m, now := storetest.Vector{Name: name, Rule: r}, model.New(r.Config()), time.Duration(0)
	type taken struct {
		step   int
		cost   int64
		answer model.Answer
	}
	var open []taken
	for range 60 {
		if random.IntN(2) == 0 {
			now += r.Per / time.Duration(r.Limit) / time.Duration(1+random.IntN(3)) / 1e6 * 1e6
		}
		if len(open) > 0 && random.IntN(3) == 0 {
			i := random.IntN(len(open))
			if o := open[i]; m.Plain(clock.Instant(now), o.cost, o.answer) {
				m.Refund(clock.Instant(now), o.cost, o.answer)
				v.Steps = append(v.Steps, storetest.Step{At: now, Refund: o.step})
			}
			open = slices.Delete(open, i, i+1)
			continue
		}
		cost := min(int64(1+random.IntN(2)), r.Limit)
		answer := m.Allow(clock.Instant(now), cost)
		v.Steps = append(v.Steps, storetest.Step{At: now, Cost: cost, OK: answer.OK, Remaining: answer.Remaining, RetryAfter: answer.RetryAfter, ResetAfter: answer.ResetAfter})
		if answer.OK {
			open = append(open, taken{len(v.Steps), cost, answer})
		}
	}
	return v
}

// The scenario that a receipt must not be fooled by: a, b; a given back; a second
// later c, d; b given back; e is one too many.
func staleReceipt() storetest.Vector {
	second := time.Second
	return storetest.Vector{
		Name: "gcra: a receipt is stale after another refund", Rule: storetest.Rule{Algorithm: ratelimit.GCRA, Limit: 1, Per: second, Burst: 2},
		Steps: []storetest.Step{
			{Cost: 1, OK: true, Remaining: 1, ResetAfter: second},
			{Cost: 1, OK: true, ResetAfter: 2 * second},
			{Refund: 1},
			{At: second, Cost: 1, OK: true, Remaining: 1, ResetAfter: second},
			{At: second, Cost: 1, OK: true, ResetAfter: 2 * second},
			{At: second, Refund: 2},
			{At: second, Cost: 1, RetryAfter: second, ResetAfter: 2 * second},
		},
	}
}
