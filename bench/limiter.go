package main

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	ulule "github.com/ulule/limiter/v3"
	ululememory "github.com/ulule/limiter/v3/drivers/store/memory"
	"golang.org/x/time/rate"

	"github.com/elixirscope/foundation/ratelimit"
)

// plenty is a rate at which no call of a scenario is refused, scarce one at which
// every call but the first is.
const plenty = 1_000_000_000

// allower says whether a call of the key may pass.
type allower func(key string) bool

// limiterKind makes an allower that admits everything, or nothing after the first
// call of a key.
type limiterKind struct {
	name string
	make func(scarce bool) (allower, func())
}

func limiterScenarios() []scenario {
	var all []scenario
	add := func(name string, workers, keys int, scarce bool, kinds ...limiterKind) {
		s := scenario{name: "limiter/" + name, workers: workers, ours: limiterLoop(ourLimiter, keys, scarce)}
		for _, kind := range kinds {
			s.peers = append(s.peers, limiterLoop(kind, keys, scarce))
		}
		all = append(all, s)
	}
	peers := []limiterKind{goLimiter, xTimeMap, throttledStore, ululeStore}
	for _, m := range modes() {
		add("allowed/one-key/"+m.name, m.workers, 1, false, peers...)
		add("refused/one-key/"+m.name, m.workers, 1, true, peers...)
		add("allowed/100k-keys/"+m.name, m.workers, 100_000, false, peers...)
	}
	add("allowed/1024-keys/parallel", parallel(), 1024, false, peers...)
	add("refused/100k-keys/parallel", parallel(), 100_000, true, peers...)
	add("allowed/unlike:peer-has-one-bucket-and-no-keys/serial", 1, 1, false, xTimeAlone)
	return all
}

// limiterLoop visits the given number of keys; all of them are known beforehand.
func limiterLoop(kind limiterKind, keys int, scarce bool) contender {
	return contender{name: kind.name, start: func() (loop, func()) {
		allow, stop := kind.make(scarce)
		for _, key := range manyKeys()[:keys] {
			allow(key)
		}
		return func(_, n int) {
			each(keys, n, func(key string) {
				if allow(key) == scarce {
					wrong.note(kind.name)
				}
			})
		}, stop
	}}
}

var ourLimiter = limiterKind{"ours", func(scarce bool) (allower, func()) {
	cfg := ratelimit.Config{Limit: plenty, Per: time.Second, MaxKeys: 2_000_000}
	if scarce {
		cfg.Limit, cfg.Per = 1, time.Hour
	}
	l := must(ratelimit.New("bench", cfg))
	return func(key string) bool { return l.Allow(ratelimit.KeyOf(key)).OK }, nil
}}

var goLimiter = limiterKind{"go-limiter", func(scarce bool) (allower, func()) {
	cfg := memorystore.Config{Tokens: plenty, Interval: time.Hour}
	if scarce {
		cfg = memorystore.Config{Tokens: 1, Interval: time.Hour}
	}
	store := must(memorystore.New(&cfg))
	ctx := context.Background()
	allow := func(key string) bool {
		_, _, _, ok, err := store.Take(ctx, key)
		return ok && err == nil
	}
	return allow, func() { _ = store.Close(ctx) }
}}

var xTimeMap = limiterKind{"x/time-in-sync.Map", func(scarce bool) (allower, func()) {
	var limiters sync.Map
	return func(key string) bool {
		found, ok := limiters.Load(key)
		if !ok {
			found, _ = limiters.LoadOrStore(key, newXTime(scarce))
		}
		return found.(*rate.Limiter).Allow()
	}, nil
}}

var xTimeAlone = limiterKind{"x/time", func(scarce bool) (allower, func()) {
	l := newXTime(scarce)
	return func(string) bool { return l.Allow() }, nil
}}

func newXTime(scarce bool) *rate.Limiter {
	if scarce {
		return rate.NewLimiter(rate.Every(time.Hour), 1)
	}
	return rate.NewLimiter(plenty, plenty)
}

var throttledStore = limiterKind{"throttled", func(scarce bool) (allower, func()) {
	quota := throttled.RateQuota{MaxRate: throttled.PerSec(plenty), MaxBurst: plenty}
	if scarce {
		quota = throttled.RateQuota{MaxRate: throttled.PerHour(1)}
	}
	l := must(throttled.NewGCRARateLimiterCtx(must(memstore.NewCtx(0)), quota))
	l.SetMaxCASAttemptsLimit(1000) // else it answers with an error under contention
	ctx := context.Background()
	return func(key string) bool {
		limited, _, err := l.RateLimitCtx(ctx, key, 1)
		return !limited && err == nil
	}, nil
}}

var ululeStore = limiterKind{"ulule", func(scarce bool) (allower, func()) {
	r := ulule.Rate{Period: time.Hour, Limit: plenty * 1000}
	if scarce {
		r.Limit = 1
	}
	l := ulule.New(ululememory.NewStore(), r)
	ctx := context.Background()
	return func(key string) bool {
		answer, err := l.Get(ctx, key)
		return err == nil && !answer.Reached
	}, nil
}}

// footprint is what a live key costs.
type footprint struct {
	name  string
	bytes float64
}

// memoryPerKey fills each limiter with a million keys, whose texts are made on
// the way: a limiter that keeps the text pays for it.
func memoryPerKey() []footprint {
	const keys = 1_000_000
	var out []footprint
	for _, kind := range []limiterKind{ourLimiter, goLimiter, xTimeMap, throttledStore, ululeStore} {
		before := heap()
		allow, stop := kind.make(true)
		for i := range keys {
			allow("client-" + strconv.Itoa(i))
		}
		out = append(out, footprint{kind.name, float64(heap()-before) / keys})
		runtime.KeepAlive(allow)
		if stop != nil {
			stop()
		}
	}
	return out
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
