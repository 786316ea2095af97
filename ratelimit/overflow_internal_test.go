package ratelimit

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// A call that had found the table full just before the engine was replaced opened
// the old engine's first overflow bucket after they had been inherited, and what
// it took was counted nowhere.
func TestOverflowOfAReplacedEngineTakesNothing(t *testing.T) {
	cfg := Config{Limit: 1, Per: time.Hour, MaxKeys: 1}
	l, err := New("rule", cfg)
	if err != nil {
		t.Fatal(err)
	}
	old := l.setup.Load().engine
	cfg.MaxKeys = 2
	if err := l.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	k, called := KeyOf("late"), false
	done := old.overflow.visit(k.Hash(key.All), func(st state) (state, bool) {
		called = true
		after, _ := old.rule.ask(st, clock.Now(), 1, 0)
		return after, true
	})
	if done != tableSealed || called {
		t.Errorf("a call was counted in an engine that is no longer asked: %v", done)
	}
	if _, ok := old.overflow.copy(k.Hash(key.All)); ok {
		t.Error("buckets that never were are copied")
	}
}
