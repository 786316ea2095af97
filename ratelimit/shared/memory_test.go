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
