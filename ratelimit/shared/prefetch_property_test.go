package shared_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// However calls, refunds and batches on their way follow each other, no more is held than
// the policy says.
func TestNoMoreIsHeldThanMayBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { rapid.SyncTest(t, checkRoom) })
}

func checkRoom(t *rapid.T) {
	const most = 40
	l := &ledger{t: t, store: newFaulty(), rule: eternal(ratelimit.GCRA, 1_000_000), keys: []ratelimit.Key{user}}
	l.store.delay(time.Duration(rapid.Int64Range(0, 5).Draw(t, "delay")) * time.Millisecond)
	l.all = []*shared.Counters{shared.New(l.store, shared.Options{})}
	defer func() { _ = l.all[0].Close(context.Background()) }()
	r := l.remote(0, shared.Policy{Prefetch: most})
	t.Repeat(map[string]func(*rapid.T){
		"": func(*rapid.T) {
			if held := l.held(); held > most {
				t.Fatalf("%d are held", held)
			}
		},
		"calls": func(t *rapid.T) {
			for range rapid.IntRange(1, 60).Draw(t, "n") {
				l.take(r, user, 1)
			}
		},
		"refunds": func(t *rapid.T) {
			for range min(len(l.kept), rapid.IntRange(1, 60).Draw(t, "n")) {
				l.refund(len(l.kept) - 1)
			}
		},
		"wait": func(*rapid.T) { synctest.Wait() },
		"pause": func(t *rapid.T) {
			<-time.After(time.Duration(rapid.Int64Range(1, 20).Draw(t, "ms")) * time.Millisecond)
		},
	})
}
