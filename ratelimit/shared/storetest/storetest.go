package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// Harness is a store and the hand that sets its clock.
type Harness struct {
	// Store is the implementation, empty.
	Store shared.Store
	// Set puts the store's clock at a time since its zero, which is a whole number of
	// ticks. Times never fall.
	Set func(now time.Duration)
	// Tick is the unit of the store's clock, 1 ns by default: what the store says how
	// long to wait is rounded up to it, and where a token takes less than a tick, a refund
	// may be a tick short. What cannot be asked by such a clock is left out.
	Tick time.Duration
}

// told is a time as the store tells it.
func (h Harness) told(exact time.Duration) time.Duration {
	if rest := exact % h.tick(); rest > 0 {
		return exact - rest + h.tick()
	}
	return exact
}

func (h Harness) tick() time.Duration { return max(h.Tick, 1) }

// Run holds the stores that open returns to the contract. Each part of the suite
// opens one of its own.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	t.Run("vectors", func(t *testing.T) { testVectors(t, open) })
	for name, test := range map[string]func(*testing.T, Harness){
		"rules and keys stay apart":   testApart,
		"concurrent takes are atomic": testAtomic,
		"a batch decides in order":    testBatch,
		"faults are errors":           testFaults,
		"a peek takes nothing":        testPeek,
		"a reset forgets":             testReset,
		"refunds":                     testRefunds,
		"a rule that changes":         testChange,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
	for _, a := range algorithms {
		t.Run("model of "+a.String(), func(t *testing.T) { testModel(t, open(t), a) })
	}
}

func testVectors(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	all, err := Vectors()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) { v.run(t, open(t)) })
	}
}

func (v Vector) run(t *testing.T, h Harness) {
	t.Helper()
	rule, key := shared.Rule{Name: "rule", Config: v.Rule.Config()}, ratelimit.KeyOf("key")
	if refusesRule(t, h, rule) || !v.within(h.tick()) {
		return
	}
	taken := make([]ratelimit.Decision, len(v.Steps))
	for i, s := range v.Steps {
		h.Set(s.At)
		if s.Refund > 0 {
			if err := h.Store.Refund(t.Context(), rule, key, taken[s.Refund-1]); err != nil {
				t.Fatalf("step %d: %v", i+1, err)
			}
			continue
		}
		d, err := h.Store.Take(t.Context(), rule, key, s.Cost)
		if err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
		s.RetryAfter, s.ResetAfter = h.told(s.RetryAfter), h.told(s.ResetAfter)
		if err := s.Check(d); err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
		taken[i] = d
	}
}

// within reports whether all times of v are in ticks, so that a clock of such ticks can be
// asked.
func (v Vector) within(tick time.Duration) bool {
	return v.Rule.Per%tick == 0 && !slices.ContainsFunc(v.Steps, func(s Step) bool { return s.At%tick != 0 })
}

// refusesRule reports whether a store refuses a rule, which it must do with InvalidConfig
// and only where the numbers are beyond those of [shared.Rule.Validate].
func refusesRule(t *testing.T, h Harness, rule shared.Rule) bool {
	t.Helper()
	h.Set(0)
	_, err := h.Store.Peek(t.Context(), rule, ratelimit.KeyOf("key"), 1)
	switch {
	case err == nil:
		return false
	case !errors.Is(err, fault.InvalidConfig):
		t.Fatal(err)
	case rule.Validate() == nil:
		t.Fatalf("the store refuses a rule that is valid: %v", err)
	}
	return true
}

func hourly(name string, limit int64) shared.Rule {
	return shared.Rule{Name: name, Config: ratelimit.Config{Limit: limit, Per: time.Hour}}
}

func testApart(t *testing.T, h Harness) {
	t.Helper()
	h.Set(0)
	keys := []ratelimit.Key{
		{}, ratelimit.KeyOf(""), ratelimit.KeyOf("a", "b"), ratelimit.KeyOf("a/b"), ratelimit.KeyOf("\xff\x00"), ratelimit.KeyOf("ключ"),
	}
	for _, rule := range []shared.Rule{hourly("one", 1), hourly("other", 1)} {
		for _, k := range keys {
			for i, want := range []bool{true, false} {
				if d, err := h.Store.Take(t.Context(), rule, k, 1); err != nil || d.OK != want {
					t.Errorf("%s, key %q, call %d: %+v, %v", rule.Name, k.Text(), i, d, err)
				}
			}
		}
	}
}

func testAtomic(t *testing.T, h Harness) {
	t.Helper()
	h.Set(0)
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			d, err := h.Store.Take(t.Context(), hourly("rule", 10), ratelimit.KeyOf("hot"), 1)
			if err != nil {
				t.Error(err)
			}
			if d.OK {
				admitted.Add(1)
			}
		})
	}
	wg.Wait()
	if admitted.Load() != 10 {
		t.Errorf("%d of 50 concurrent calls were admitted, the limit is 10", admitted.Load())
	}
}

func testBatch(t *testing.T, h Harness) {
	t.Helper()
	h.Set(0)
	var takes []shared.Take
	for _, cost := range []int64{2, 3, 1, 1} {
		takes = append(takes, shared.Take{Rule: hourly("rule", 4), Key: ratelimit.KeyOf("k"), Cost: cost})
	}
	got, err := h.Store.TakeAll(t.Context(), takes)
	if err != nil || len(got) != len(takes) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, want := range []bool{true, false, true, true} {
		if got[i].OK != want {
			t.Errorf("call %d: %+v", i, got[i])
		}
	}
}

func testFaults(t *testing.T, h Harness) {
	t.Helper()
	h.Set(0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Store.Take(ctx, hourly("rule", 4), ratelimit.KeyOf("k"), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
	if _, err := h.Store.Take(t.Context(), hourly("rule", 0), ratelimit.KeyOf("k"), 1); !errors.Is(err, fault.InvalidConfig) {
		t.Errorf("a rule without a limit: %v", err)
	}
	for _, cost := range []int64{5, -1} {
		d, err := h.Store.Take(t.Context(), hourly("rule", 4), ratelimit.KeyOf("k"), cost)
		if err != nil || d.OK || d.RetryAfter != 0 || d.Remaining != 4 {
			t.Errorf("a cost of %d: %+v, %v", cost, d, err)
		}
	}
}
