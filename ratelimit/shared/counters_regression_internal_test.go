package shared

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/ratelimit"
)

// The tokens of a batch that were given back first are its last, so the others end sooner than the
// batch: what time has given back of them is not given back once more, at the cost of calls that came
// in between.
func TestRegression_PartsOfABatchAreGivenBackOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		after  time.Duration
		others int64
		want   int64 // is left
	}{
		"after they have run off":      {8 * time.Second, 20, 40},
		"before":                       {0, 20, 40},
		"when some of them run off":    {3 * time.Second, 20, 40},
		"nobody came in between":       {2 * time.Second, 0, 60},
		"and when others are far more": {8 * time.Second, 50, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := NewMemoryStore(nil)
				c := New(store, Options{})
				defer c.Close(t.Context())
				r := c.Rule("rule", Policy{Prefetch: 15}).(*rule) //nolint:forcetypeassert // it is one
				cfg := ratelimit.Config{Limit: 60, Per: time.Minute, Burst: 60}
				user := ratelimit.KeyOf("user")
				s := &stock{rule: r, hash: user.Hash(key.All), key: user, config: cfg}
				b, _ := s.fetch(15)
				s.add(b)
				b.take(5) // by calls that fail later
				s.retire(b)
				synctest.Wait()
				<-time.After(tc.after)
				if _, err := store.Take(t.Context(), Rule{"rule", cfg}, user, tc.others); err != nil {
					t.Fatal(err)
				}
				for range 5 {
					s.giveBack(b.id, 1, 15)
				}
				synctest.Wait()
				d, err := store.Peek(t.Context(), Rule{"rule", cfg}, user, 1)
				if err != nil || d.Remaining > tc.want || d.Remaining < tc.want-1 {
					t.Errorf("%d are left, want %d; %v", d.Remaining, tc.want, err)
				}
			})
		})
	}
}

// unfit is a store whose server cannot be inspected, and that fails when told to.
type unfit struct {
	Store

	away     atomic.Bool
	inspects atomic.Int64
}

func (u *unfit) Take(ctx context.Context, r Rule, k ratelimit.Key, cost int64) (ratelimit.Decision, error) {
	if u.away.Load() {
		return ratelimit.Decision{}, errors.New("connection refused")
	}
	return u.Store.Take(ctx, r, k, cost)
}

func (u *unfit) Inspect(context.Context) (server string, warnings []string, err error) {
	u.inspects.Add(1)
	return "old 1.0", nil, errors.New("too old")
}

// A server that cannot be relied upon is asked again by one goroutine, however often it was away.
func TestRegression_OneGoroutineInspectsTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &unfit{Store: NewMemoryStore(nil)}
		c := New(u, Options{})
		defer c.Close(t.Context())
		r := c.Rule("rule", Policy{})
		cfg := ratelimit.Config{Limit: 60, Per: time.Minute, Burst: 60}
		for range 10 { // away for a moment each
			u.away.Store(true)
			for range failuresUntilAway {
				ask := ratelimit.RemoteCall{Rule: "rule", Config: &cfg, Key: ratelimit.KeyOf("user"), Cost: 1, Now: clock.Now()}
				if _, err := r.Take(t.Context(), ask); err != nil {
					t.Error(err)
				}
			}
			u.away.Store(false)
			<-time.After(3 * time.Second)
			if !c.up() {
				t.Fatal("the store is still away")
			}
		}
		before := u.inspects.Load()
		<-time.After(10 * inspectAgain)
		if n := u.inspects.Load() - before; n > 11 {
			t.Errorf("inspected %d times in %v", n, 10*inspectAgain)
		}
	})
}

// A call waits for no division of a share, which takes long with many keys.
func TestRegression_NoCallWaitsForAnotherNumberOfInstances(t *testing.T) {
	c := New(NewMemoryStore(nil), Options{})
	defer c.Close(t.Context())
	local := &c.Rule("rule", Policy{}).(*rule).local //nolint:forcetypeassert // it is one
	many, other := ratelimit.Config{Limit: 1000, Per: time.Hour, Burst: 1000}, ratelimit.Config{Limit: 5, Per: time.Hour, Burst: 5}
	big, err := local.of(&many)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300_000 {
		big.limiter.Allow(ratelimit.KeyOf(i))
	}
	for n := 2; n < 12; n++ { // a loaded machine may miss one
		if _, err := local.of(&many); err != nil { // so that the other is not found without looking
			t.Fatal(err)
		}
		was := big.capacity.Load()
		var done sync.WaitGroup
		done.Go(func() { c.SetInstances(n) })
		for big.limiter.Status().Config.Limit == was { // until the keys begin to move
			runtime.Gosched()
		}
		_, err = local.of(&other)
		between := big.capacity.Load() == was
		done.Wait()
		if err != nil {
			t.Fatal(err)
		}
		if between {
			return
		}
	}
	t.Error("a call of another limit waited until all keys had moved")
}
