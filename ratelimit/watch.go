package ratelimit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// watchers are those who wait for their turn under a rule and must know when it
// comes sooner than they were told: after a reset, a refund, or a change of the
// rule. Who only takes makes no turn come sooner.
type watchers struct {
	count atomic.Int64

	mu sync.Mutex // guards of
	// of holds them by the bits of their hashes that choose an overflow bucket: a
	// refund to one key makes the turn of all that share its bucket come sooner.
	of map[uint64]map[*watcher]struct{}
}

// watcher is the first of a queue while it waits for its turn.
type watcher struct {
	changed chan struct{} // holds a word at most
	at      []watch
}

// watch is a rule that a watcher watches, and for which key.
type watch struct {
	watchers *watchers
	bucket   uint64
}

func (ws *watchers) add(w *watcher, bucket uint64) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.of == nil {
		ws.of = make(map[uint64]map[*watcher]struct{})
	}
	if ws.of[bucket] == nil {
		ws.of[bucket] = make(map[*watcher]struct{})
	}
	ws.of[bucket][w] = struct{}{}
	ws.count.Add(1)
}

func (ws *watchers) remove(w *watcher, bucket uint64) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.count.Add(-1)
	if delete(ws.of[bucket], w); len(ws.of[bucket]) == 0 {
		delete(ws.of, bucket)
	}
}

// tell tells who waits for a key, or shares a bucket with it.
func (ws *watchers) tell(h key.Hash) {
	if ws.count.Load() == 0 {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.of[h.Lo%overflowBuckets] {
		w.tell()
	}
}

// tellAll tells everybody: the rule itself has changed.
func (ws *watchers) tellAll() {
	if ws.count.Load() == 0 {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, watching := range ws.of {
		for w := range watching {
			w.tell()
		}
	}
}

func (w *watcher) tell() {
	select {
	case w.changed <- struct{}{}:
	default: // it has not looked since it was told
	}
}

// watch begins to watch the rule of l and those above it, as they are now. Whoever
// decides after it misses no change.
func (w *watcher) watch(l *Limiter, k *Key) {
	w.stop()
	for l != nil {
		s := l.setup.Load()
		at := watch{&l.watching, k.Hash(s.config.Parts).Lo % overflowBuckets}
		at.watchers.add(w, at.bucket)
		w.at = append(w.at, at)
		if l.setup.Load() != s { // what it is to watch has changed before it did
			w.tell()
		}
		l = s.parent
	}
}

func (w *watcher) stop() {
	for _, at := range w.at {
		at.watchers.remove(w, at.bucket)
	}
	w.at = w.at[:0]
}

// sleep returns when wait is over, when a call would be admitted or never will
// be, or when the context ends.
func (w *watcher) sleep(ctx context.Context, l *Limiter, k *Key, cost int64, wait time.Duration) {
	turn := clock.Now().Add(wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		case <-w.changed:
		}
		w.watch(l, k)
		now := clock.Now()
		var d Decision
		if l.decide(ctx, &d, k, call{now: now, cost: cost, peek: true}); now >= turn || d.OK || d.RetryAfter == 0 {
			return
		}
		timer.Reset(max(min(turn.Sub(now), d.RetryAfter), 1))
	}
}
