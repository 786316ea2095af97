package shared_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// ledger holds what counters gave to calls against what their store gave to them.
type ledger struct {
	t      *rapid.T
	store  *faulty
	rule   *ratelimit.Config
	keys   []ratelimit.Key
	all    []*shared.Counters
	kept   []entry // decisions that were not given back
	sum    int64   // what they took from the store, directly or ahead
	broken bool    // the store failed at some time: what was to be given back may be lost
}

type entry struct {
	by  ratelimit.Remote
	ask ratelimit.RemoteCall
	d   ratelimit.Decision
}

func (l *ledger) remote(i int, p shared.Policy) ratelimit.Remote { return l.all[i].Rule("rule", p) }

// given returns what the store has given out and not got back.
func (l *ledger) given() (sum int64) {
	for _, k := range l.keys {
		d, err := l.store.Store.Peek(context.Background(), shared.Rule{Name: "rule", Config: *l.rule}, k, 1)
		if err != nil {
			l.t.Fatal(err)
		}
		sum += l.rule.Limit - d.Remaining
	}
	return sum
}

func (l *ledger) held() (sum int64) {
	for _, c := range l.all {
		for _, r := range c.Status().Rules {
			sum += r.Held
		}
	}
	return sum
}

func (l *ledger) take(r ratelimit.Remote, key ratelimit.Key, cost int64) {
	call := ratelimit.RemoteCall{Rule: "rule", Config: l.rule, Key: key, Cost: cost, Now: clock.Now()}
	d, err := r.Take(context.Background(), call)
	if err != nil {
		l.t.Fatal(err)
	}
	if d.OK && d.Taken != cost {
		l.t.Fatalf("a call that costs %d: %+v", cost, d)
	}
	if d.OK && d.Source != ratelimit.Fallback {
		l.sum += cost
		l.kept = append(l.kept, entry{r, call, d})
	}
}

func (l *ledger) refund(i int) {
	e := l.kept[i]
	l.kept[i] = l.kept[len(l.kept)-1]
	l.kept = l.kept[:len(l.kept)-1]
	e.by.Refund(e.ask, e.d)
	l.sum -= e.d.Taken
}

// Whatever the calls are, and whatever changes meanwhile: the store has given out at least
// what calls got from it and what is held, and at the end exactly what calls got, if it
// never failed.
func TestNoTokenIsUsedTwiceOrLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, checkLedger)
	})
}

func checkLedger(t *rapid.T) {
	algorithm := rapid.SampledFrom([]ratelimit.Algorithm{ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.SlidingLog}).Draw(t, "algorithm")
	l := &ledger{
		t: t, store: newFaulty(), rule: eternal(algorithm, rapid.Int64Range(100, 3_000).Draw(t, "limit")),
		keys: []ratelimit.Key{user, ratelimit.KeyOf("b")},
	}
	for range rapid.IntRange(1, 3).Draw(t, "instances") {
		l.all = append(l.all, shared.New(l.store, shared.Options{}))
	}
	defer func() {
		for _, c := range l.all {
			_ = c.Close(context.Background())
		}
	}()
	policy := shared.Policy{Prefetch: 100}
	which := rapid.IntRange(0, len(l.all)-1)
	t.Repeat(map[string]func(*rapid.T){
		"": func(*rapid.T) {
			synctest.Wait()
			if given := l.given(); l.sum+l.held() > given {
				t.Fatalf("calls got %d, %d are held, and the store gave %d", l.sum, l.held(), given)
			}
		},
		"calls": func(t *rapid.T) {
			r, key := l.remote(which.Draw(t, "by"), policy), rapid.SampledFrom(l.keys).Draw(t, "key")
			for range rapid.IntRange(1, 40).Draw(t, "n") {
				l.take(r, key, rapid.SampledFrom([]int64{1, 1, 1, 2, 5}).Draw(t, "cost"))
				if rapid.Bool().Draw(t, "wait") {
					synctest.Wait()
				}
			}
		},
		"refund": func(t *rapid.T) {
			if len(l.kept) > 0 {
				l.refund(rapid.IntRange(0, len(l.kept)-1).Draw(t, "which"))
			}
		},
		"pause": func(t *rapid.T) {
			<-time.After(time.Duration(rapid.Int64Range(1, 400).Draw(t, "ms")) * time.Millisecond)
		},
		"policy": func(t *rapid.T) {
			policy.Prefetch = rapid.SampledFrom([]int64{0, 20, 100, 1_000}).Draw(t, "prefetch")
			l.remote(which.Draw(t, "by"), policy)
		},
		"instances": func(t *rapid.T) { l.all[which.Draw(t, "by")].SetInstances(rapid.IntRange(1, 3).Draw(t, "n")) },
		"forget":    func(t *rapid.T) { l.all[which.Draw(t, "by")].Forget("rule") },
		"fail": func(t *rapid.T) {
			l.store.fail(errDown)
			l.broken = true
		},
		"hang": func(t *rapid.T) {
			l.store.stop()
			l.broken = true
		},
		"work": func(*rapid.T) { l.store.fail(nil) },
	})
	l.store.fail(nil)
	<-time.After(10 * time.Second) // all is back
	synctest.Wait()
	lost := false
	for _, c := range l.all {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
		lost = lost || c.Status().RefundsDropped > 0
	}
	if given := l.given(); given < l.sum || given > l.sum && !lost {
		t.Errorf("in the end calls got %d, and the store gave %d", l.sum, given)
	}
	if lost && !l.broken {
		t.Log("a refund was dropped though the store never failed")
	}
}
