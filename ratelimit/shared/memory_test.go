package shared_test

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
	"github.com/elixirscope/foundation/ratelimit/shared/storetest"
)

var user = ratelimit.KeyOf("user", 42)

func TestMemoryStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness {
		var now time.Duration
		return storetest.Harness{
			Store: shared.NewMemoryStore(func() time.Duration { return now }),
			Set:   func(at time.Duration) { now = at },
		}
	})
}

func TestAMemoryStoreFollowsItsRules(t *testing.T) {
	var now time.Duration
	s := shared.NewMemoryStore(func() time.Duration { return now })
	rule := shared.Rule{Name: "rule", Config: ratelimit.Config{Limit: 10, Per: time.Minute}}
	if d, _ := s.Take(t.Context(), rule, user, 8); d.Remaining != 2 {
		t.Error(d)
	}
	rule.Config.Limit = 20
	if d, _ := s.Take(t.Context(), rule, user, 1); d.Remaining != 11 {
		t.Errorf("after the limit was raised: %+v", d)
	}
}

func TestAMemoryStoreKeepsWhatReceiptsNeed(t *testing.T) {
	var now time.Duration
	s := shared.NewMemoryStore(func() time.Duration { return now })
	rule := shared.Rule{Name: "rule", Config: ratelimit.Config{Limit: 1, Per: time.Second, Burst: 10}}
	call := func(key ratelimit.Key, cost int64) ratelimit.Decision {
		d, err := s.Take(t.Context(), rule, key, cost)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	refund := func(d ratelimit.Decision) {
		if err := s.Refund(t.Context(), rule, user, d); err != nil {
			t.Fatal(err)
		}
	}
	most, last := call(user, 8), call(user, 1)
	refund(most)
	now = 3 * time.Second
	for i := range 1_000 { // the key is as if never used; its second receipt is not
		call(ratelimit.KeyOf(i), 1)
	}
	call(user, 10)
	refund(last)
	if d := call(user, 1); d.OK {
		t.Error("eleven calls at one moment at a burst of 10")
	}
	now += 20 * time.Second
	before := call(user, 10)
	now += 9 * time.Second
	rule.Config = ratelimit.Config{Limit: 1, Per: time.Hour, Burst: 10}
	if d := call(user, 0); d.Remaining != 9 {
		t.Fatal(d)
	}
	refund(before)
	if d := call(user, 0); d.Remaining != 9 {
		t.Errorf("a receipt from before the change of the rule gave something back: %+v", d)
	}
}

func TestAMemoryStoreCountsKeysByDifferentRules(t *testing.T) {
	var now time.Duration
	s := shared.NewMemoryStore(func() time.Duration { return now })
	rule := func(limit int64) shared.Rule {
		return shared.Rule{Name: "rule", Config: ratelimit.Config{Limit: limit, Per: time.Minute}}
	}
	left := func(limit int64, key ratelimit.Key, cost int64) int64 {
		t.Helper()
		d, err := s.Take(t.Context(), rule(limit), key, cost)
		if err != nil {
			t.Fatal(err)
		}
		return d.Remaining
	}
	acme, other := ratelimit.KeyOf("acme"), ratelimit.KeyOf("other")
	for i := range int64(6) { // acme has an override
		if a, b := left(1_000, acme, 100), left(10, other, 1); a != 900-100*i || b != 9-i {
			t.Fatalf("%d of 1000 and %d of 10 are left", a, b)
		}
	}
	if n := left(10, acme, 1); n != 0 { // not any more
		t.Errorf("%d are left", n)
	}
	if n := left(1_000, acme, 1); n != 399 {
		t.Errorf("%d are left", n)
	}
	now = 2 * time.Minute // as if never used
	if n := left(10, acme, 1); n != 9 {
		t.Errorf("%d are left", n)
	}
}

func TestAMemoryStoreForgetsKeysThatMoved(t *testing.T) {
	var now time.Duration
	s := shared.NewMemoryStore(func() time.Duration { return now })
	for i := range 3_000 { // each is counted by another rule before the next comes
		for limit := range int64(2) {
			rule := shared.Rule{Name: "rule", Config: ratelimit.Config{Limit: limit + 10, Per: time.Second}}
			if d, err := s.Take(t.Context(), rule, ratelimit.KeyOf(i), 1); err != nil || d.Remaining != 9 {
				t.Fatalf("%+v, %v", d, err)
			}
		}
		now += 5 * time.Millisecond
	}
	if n := shared.Moved(s, "rule"); n == 0 || n > 2_000 {
		t.Errorf("%d keys have limiters of their own", n)
	}
}
