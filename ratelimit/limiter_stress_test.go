package ratelimit_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/ratelimit"
)

// churn keeps a limiter busy with everything that moves keys about: new keys that
// make tables grow, keys that run out and are swept, resets, and changes of the
// rule that keep what was taken. It returns when stop is closed.
func churn(t *testing.T, l *ratelimit.Limiter, configs []ratelimit.Config, stop <-chan struct{}) {
	var wg sync.WaitGroup
	during := func(step func(i int)) {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					step(i)
				}
			}
		})
	}
	base := clock.Now()
	during(func(i int) { l.AllowAt(base, ratelimit.KeyOf("flood", i%50_000), 1) })
	during(func(i int) { l.AllowAt(base-clock.Instant(3000*time.Hour), ratelimit.KeyOf("spent", i%20_000), 1) })
	during(func(i int) { _ = l.Reset(ratelimit.KeyOf("flood", i*31%50_000), "") })
	during(func(i int) {
		if err := l.Reconfigure(configs[i%len(configs)]); err != nil {
			t.Error(err)
		}
	})
	during(func(int) { _ = l.Status() })
	wg.Wait()
}

// tables are rules with the same meaning at one moment that are kept in
// different ways: words with different bases and packings, and cells.
func tables(limit int64) []ratelimit.Config {
	const long = 1000 * time.Hour
	return []ratelimit.Config{
		{Limit: limit, Per: long},
		{Limit: limit, Per: 2 * long},
		{Algorithm: ratelimit.FixedWindow, Limit: limit, Per: long},
		{Algorithm: ratelimit.SlidingLog, Limit: limit, Per: long},
		{Algorithm: ratelimit.SlidingWindow, Limit: limit, Per: long, MaxKeys: 200_000},
		{Limit: limit, Per: long, Burst: limit, MaxKeys: 100_000},
	}
}

func TestNoCallIsLostOrGivenTwiceWhileTablesMove(t *testing.T) {
	const limit, keys, callers = 40, 64, 4
	l := must(t, tables(limit)[0])
	stop := make(chan struct{})
	var background, wg sync.WaitGroup
	background.Go(func() { churn(t, l, tables(limit), stop) })
	var admitted [keys]atomic.Int64
	now := clock.Now()
	for range callers {
		wg.Go(func() {
			for range testkit.Rounds(2) * limit {
				for k := range keys {
					if d := l.AllowAt(now, ratelimit.KeyOf("counted", k), 1); d.OK {
						admitted[k].Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	background.Wait()
	for k := range keys {
		// A change of the rule rounds what was taken up, by less than one call.
		if got := admitted[k].Load(); got > limit || got < limit-1 {
			t.Errorf("key %d: %d of %d calls were admitted", k, got, limit)
		}
	}
}

func TestConcurrentGrowthKeepsEveryKey(t *testing.T) {
	const keys = 30_000
	l := must(t, ratelimit.Config{Limit: 2, Per: time.Hour})
	var wg sync.WaitGroup
	var admitted atomic.Int64
	now := clock.Now()
	for range 4 {
		wg.Go(func() {
			for _, k := range rand.Perm(keys) {
				if d := l.AllowAt(now, ratelimit.KeyOf(k), 1); d.OK {
					admitted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := l.Status().TrackedKeys; admitted.Load() != 2*keys || got != keys {
		t.Errorf("%d calls of %d keys were admitted, %d keys are tracked", admitted.Load(), keys, got)
	}
}

type operation struct {
	key  int
	what byte // 'a' allow, 'f' allow and refund, 'p' peek, 'r' reset
	cost int64
}

type result struct {
	ok        bool
	remaining int64
}

// counter is the specification at one moment in time: how much of the limit is
// taken. A refund is an operation of its own.
func counter(limit int64) porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[int][]porcupine.Operation{}
			for _, o := range history {
				k := o.Input.(operation).key
				byKey[k] = append(byKey[k], o)
			}
			var parts [][]porcupine.Operation
			for _, p := range byKey {
				parts = append(parts, p)
			}
			return parts
		},
		Init: func() any { return int64(0) },
		Step: func(st, in, out any) (bool, any) {
			taken, op, r := st.(int64), in.(operation), out.(result)
			fits := taken+op.cost <= limit
			switch op.what {
			case 'r':
				return true, int64(0)
			case 'b':
				return true, max(taken-op.cost, 0)
			case 'p':
				return r.ok == fits && r.remaining == limit-taken, taken
			}
			if fits {
				taken += op.cost
			}
			return r.ok == fits && r.remaining == limit-taken, taken
		},
	}
}

func TestTheLimiterIsLinearizable(t *testing.T) {
	const limit = 12
	for _, c := range []ratelimit.Config{
		{Limit: limit, Per: 1000 * time.Hour},
		{Algorithm: ratelimit.FixedWindow, Limit: limit, Per: 1000 * time.Hour},
		{Algorithm: ratelimit.SlidingWindow, Limit: limit, Per: 1000 * time.Hour},
		{Algorithm: ratelimit.SlidingLog, Limit: limit, Per: 1000 * time.Hour},
	} {
		for range testkit.Rounds(10) {
			l := must(t, c)
			stop := make(chan struct{})
			var background sync.WaitGroup
			c.MaxKeys = 123_456
			background.Go(func() { churn(t, l, []ratelimit.Config{l.Status().Config, c}, stop) })
			history := record(l)
			close(stop)
			background.Wait()
			if !porcupine.CheckOperations(counter(limit), history) {
				t.Errorf("%v is not linearizable", c.Algorithm)
			}
		}
	}
}

// record runs random operations at one virtual moment and returns what happened.
func record(l *ratelimit.Limiter) (history []porcupine.Operation) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	now := clock.Now()
	for client := range 4 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), uint64(now)))
			for range 150 {
				ops := run(l, now, client, operation{random.IntN(3), "aaaaffpr"[random.IntN(8)], 1 + random.Int64N(3)})
				mu.Lock()
				history = append(history, ops...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return history
}

func run(l *ratelimit.Limiter, now clock.Instant, client int, op operation) []porcupine.Operation {
	k := ratelimit.KeyOf("recorded", op.key)
	began := int64(clock.Now())
	done := func(o operation, r result) porcupine.Operation {
		return porcupine.Operation{ClientId: client, Input: o, Call: began, Output: r, Return: int64(clock.Now())}
	}
	switch op.what {
	case 'r':
		_ = l.Reset(k, "")
		return []porcupine.Operation{done(op, result{})}
	case 'p':
		op.cost = 1
		d := l.PeekAt(now, k, 1)
		return []porcupine.Operation{done(op, result{d.OK, d.Remaining})}
	}
	d := l.AllowAt(now, k, op.cost)
	ops := []porcupine.Operation{done(op, result{d.OK, d.Remaining})}
	if op.what == 'f' && d.OK {
		began = int64(clock.Now())
		d.RefundAt(now)
		ops = append(ops, done(operation{op.key, 'b', op.cost}, result{}))
	}
	return ops
}
