package ratelimit

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// eachTable runs a test for both kinds of table.
func eachTable(t *testing.T, test func(t *testing.T, l *Limiter, e *engine)) {
	for name, a := range map[string]Algorithm{"words": GCRA, "cells": SlidingLog} {
		t.Run(name, func(t *testing.T) {
			l, err := New("rule", Config{Algorithm: a, Limit: 2, Per: time.Hour, MaxKeys: 100})
			if err != nil {
				t.Fatal(err)
			}
			test(t, l, l.setup.Load().engine)
		})
	}
}

// A call that found an engine just before it was replaced is told to ask the next
// one: what the old one gave would be counted nowhere.
func TestASealedTableAnswersNobody(t *testing.T) {
	eachTable(t, func(t *testing.T, _ *Limiter, e *engine) {
		now, known, fresh := clock.Now(), KeyOf("known"), KeyOf("fresh")
		for _, k := range []Key{known, fresh} {
			q := question{hash: k.Hash(key.All), now: now, cost: 1}
			e.ask(&q)
			if k.Text() == "known" {
				e.seal()
			}
			if _, ok := e.askLocked(&q); ok {
				t.Errorf("%v was decided", k)
			}
			if _, ok := e.peek(&q); ok {
				t.Errorf("%v was shown", k)
			}
			if e.refund(q.hash, now, given{now, 1, 0}) || e.reset(q.hash) {
				t.Errorf("%v was given back or reset", k)
			}
		}
	})
}

// replaced returns an engine that is about to take over the keys of old.
func replaced(l *Limiter, old *engine, now clock.Instant) *engine {
	next := newEngine(l, old.rule, old.maxKeys, now)
	next.keys = old.keys
	next.prev.Store(&origin{&setup{class: class{engine: old}}, now})
	old.seal()
	return next
}

// In the moment in which a rule is replaced a key may still lie in the old table:
// it moves when it is asked for, and a reset finds it there.
func TestKeysThatHaveNotMovedYetAreFoundAndCountedOnce(t *testing.T) {
	eachTable(t, func(t *testing.T, l *Limiter, old *engine) {
		now := clock.Now()
		ask := func(e *engine, name string, cost int64) verdict {
			k := KeyOf(name)
			q := question{hash: k.Hash(key.All), now: now, cost: cost}
			v, ok := e.ask(&q)
			if !ok {
				t.Fatalf("%s was not answered", name)
			}
			return v
		}
		for _, name := range []string{"moves", "is reset", "is moved"} {
			ask(old, name, 2)
		}
		e := replaced(l, old, now)
		want := func(keys int64) {
			t.Helper()
			if n := e.keys.Load(); n != keys {
				t.Errorf("%d keys are counted, want %d", n, keys)
			}
		}
		if v := ask(e, "moves", 1); v.ok || v.remaining != 0 {
			t.Errorf("it came with %+v", v)
		}
		want(3)
		if v := ask(e, "fresh", 1); !v.ok || v.remaining != 1 {
			t.Errorf("a key of no table: %+v", v)
		}
		want(4)
		forgotten := KeyOf("is reset")
		if !e.reset(forgotten.Hash(key.All)) {
			t.Error("it was not reset")
		}
		want(3)
		old.each(func(h key.Hash) { e.bring(h, now) })
		e.prev.Store(nil)
		want(3)
		if v := ask(e, "is reset", 1); !v.ok || v.remaining != 1 {
			t.Errorf("after the reset %+v", v)
		}
		if v := ask(e, "is moved", 1); v.ok {
			t.Errorf("after the move %+v", v)
		}
		want(4)
		if _, ok := old.remove(forgotten.Hash(key.All)); ok {
			t.Error("a key is in two tables")
		}
	})
}

// An engine that was replaced decides nothing any more, neither of keys in its table
// nor of those in its overflow buckets.
func TestAReplacedEngineDecidesNothing(t *testing.T) {
	for i, a := range []Algorithm{GCRA, FixedWindow, SlidingLog, GCRA, FixedWindow, SlidingLog} {
		cfg := Config{Algorithm: a, Limit: 2, Per: time.Hour, MaxKeys: 1}
		if i >= 3 {
			cfg.MaxKeys = 100 // and nothing overflows
		}
		l, err := New("rule", cfg)
		if err != nil {
			t.Fatal(err)
		}
		now, keys := clock.Now(), []Key{KeyOf("tracked"), KeyOf("overflowed"), KeyOf("never seen")}
		for _, k := range keys[:2] {
			l.AllowAt(now, k, 1)
		}
		old := l.setup.Load().engine
		cfg.Limit = 3
		if err := l.ReconfigureAt(now, cfg); err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if done := old.overflow.visit(k.Hash(key.All), func(st state) (state, bool) { return st, true }); done != tableSealed {
				t.Errorf("%v: the overflow bucket of %v is open", a, k)
			}
			q := question{hash: k.Hash(key.All), now: now, cost: 1}
			if v, ok := old.ask(&q); ok {
				t.Errorf("%v: %v was decided: %+v", a, k, v)
			}
			if _, ok := old.peek(&q); ok {
				t.Errorf("%v: %v was shown", a, k)
			}
		}
		for i, want := range []int64{2, 2} {
			if p := l.PeekAt(now, keys[i], 1); p.Remaining != want {
				t.Errorf("%v: %d of %v remain, want %d", a, p.Remaining, keys[i], want)
			}
		}
	}
}

// Keys whose hashes are alike in one half are two keys.
func TestKeysAreToldApartByBothHalvesOfTheirHash(t *testing.T) {
	eachTable(t, func(t *testing.T, _ *Limiter, e *engine) {
		now := clock.Now()
		for i, h := range []key.Hash{{Hi: 1 << 40, Lo: 8}, {Hi: 1 << 40, Lo: 16}, {Hi: 1 << 41, Lo: 8}} {
			for call, ok := range []bool{true, true, false} {
				if v, done := e.ask(&question{hash: h, now: now, cost: 1}); !done || v.ok != ok {
					t.Errorf("key %d, call %d: %+v", i, call, v)
				}
			}
		}
	})
}
