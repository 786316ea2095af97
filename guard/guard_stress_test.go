package guard_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/ratelimit"
)

// half is one of two sets of parts that a guard changes between while calls run.
type half struct {
	cfg   guard.Config
	limit *ratelimit.Limiter
	stage *stage
	ran   atomic.Int64 // calls that ran under it
	taken int64        // what its limiter can give
}

func newHalf(t *testing.T, seconds time.Duration) *half {
	t.Helper()
	h := &half{stage: newStage(), taken: 1 << 40}
	h.limit = must(ratelimit.New("per-user", ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: h.taken, Per: 1000 * time.Hour}))
	h.cfg = guard.Config{
		RateLimit: h.limit, Pool: h.stage, Timeout: seconds * time.Hour, Concurrency: 40, MaxDetached: 3,
		Breaker: newBreaker(t, breaker.Config{FailureThreshold: 50, Cooldown: time.Millisecond, Probes: 3}),
	}
	refuse := refuseWith(fault.PoolTimeout)
	broken := refuseWith(fault.WorkerFailed)
	h.stage.says(func(ctx context.Context) error {
		switch rand.IntN(40) {
		case 0:
			return refuse(ctx)
		case 1:
			return broken(ctx)
		case 2:
			return panics(ctx)
		case 3:
			return exits(ctx)
		}
		return nil
	})
	return h
}

// Calls of every kind and end, while the guard changes all the time: each sees
// one revision whole, and afterwards every account of both revisions is even.
func TestScenario84c_ReconfigurationUnderLoadLosesNothing(t *testing.T) {
	const goroutines = 64
	rounds := testkit.Rounds(150)
	halves := [2]*half{newHalf(t, 1), newHalf(t, 2)}
	g := newGuard(t, halves[0].cfg)
	db := must(guard.Bind[*conn](g))
	var attempts atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	var changer sync.WaitGroup
	changer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				if err := g.Reconfigure(halves[i%2].cfg); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range goroutines {
		wg.Go(func() {
			for range rounds {
				attempts.Add(1)
				drive(func() { oneCall(t, db, halves) })
			}
		})
	}
	wg.Wait()
	close(stop)
	changer.Wait()
	checkEven(t, g, halves, attempts.Load())
}

func oneCall(t *testing.T, db guard.Bound[*conn], halves [2]*half) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if rand.IntN(20) == 0 {
		cancel()
	}
	use := func(ctx context.Context, _ *conn) (int, error) {
		d, _ := ctx.Deadline()
		i := 0
		if time.Until(d) > 90*time.Minute {
			i = 1
		}
		h := halves[i]
		h.ran.Add(1)
		if h.stage.out() == 0 {
			t.Error("the deadline is of one revision, the worker of another")
		}
		switch rand.IntN(10) {
		case 0:
			return 0, errDown
		case 1:
			panic(errDown)
		case 2:
			return 0, exits(ctx)
		case 3:
			cancel()
			return 0, ctx.Err()
		}
		return 1, nil
	}
	_, err := guard.DoWith(ctx, db, guard.Call{}, use)
	if errors.Is(err, fault.InvalidArgument) || errors.Is(err, fault.Internal) {
		t.Error(err)
	}
}

func checkEven(t *testing.T, g *guard.Guard, halves [2]*half, attempts int64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); g.Status().Detached != 0 && time.Now().Before(deadline); {
		runtime.Gosched() // detached calls that their callers left are about to end
	}
	s := g.Status()
	var ended, refused uint64
	for _, n := range s.Results {
		ended += n
	}
	for _, n := range s.Refused {
		refused += n
	}
	if s.InFlight != 0 || s.SlotsTaken != 0 || s.Detached != 0 || int64(ended+refused) > attempts {
		t.Errorf("%d in flight, %d slots, %d detached, %d ended and %d refused of %d", s.InFlight, s.SlotsTaken, s.Detached, ended, refused, attempts)
	}
	var ran int64
	for i, h := range halves {
		ran += h.ran.Load()
		if h.stage.out() != 0 {
			t.Errorf("half %d: %d workers are out", i, h.stage.out())
		}
		if used := h.taken - h.limit.Peek(ratelimit.Key{}).Remaining; used != h.ran.Load() {
			t.Errorf("half %d: %d calls ran and used %d tokens", i, h.ran.Load(), used)
		}
	}
	if int64(ended) != ran || ran == 0 {
		t.Errorf("%d calls ran, %d are counted", ran, ended)
	}
}

// Tokens that several goroutines end at once, some of which are taken back in
// the same moment, end once.
func TestTokensEndOnceUnderContention(t *testing.T) {
	g := newGuard(t, guard.Config{Concurrency: 64, Breaker: newBreaker(t, breaker.Config{FailureThreshold: 4000})})
	rounds := testkit.Rounds(2_000)
	var entered atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range rounds {
				tok, err := g.Enter(context.Background(), guard.Call{Lease: time.Duration(1 + i%3*1_000)})
				if err != nil {
					continue
				}
				entered.Add(1)
				var enders sync.WaitGroup
				enders.Go(func() { tok.Done(nil) })
				enders.Go(tok.Close)
				if i%5 == 0 {
					tok.Settle(outcome.Success, nil)
				}
				enders.Wait()
				tok.Close()
			}
		})
	}
	wg.Wait()
	for deadline := time.Now().Add(10 * time.Second); g.Status().SlotsTaken != 0 && time.Now().Before(deadline); {
		runtime.Gosched() // a timer is about to give back the place of a token that it takes back
	}
	s := g.Status()
	var ended uint64
	for _, n := range s.Results {
		ended += n
	}
	if int64(ended) != entered.Load() || s.InFlight != 0 || s.SlotsTaken != 0 {
		t.Errorf("%d entered, %d ended, %d in flight, %d slots", entered.Load(), ended, s.InFlight, s.SlotsTaken)
	}
}

// What a holder asks or tells of a token does not swallow its end, which another
// one brings in the same moment.
func TestATokenClosedWhileItIsLookedAtEnds(t *testing.T) {
	for name, use := range map[string]func(*guard.Token){
		"quota":    func(tok *guard.Token) { tok.Quota() },
		"answered": (*guard.Token).Answered,
		"decide":   func(tok *guard.Token) { tok.Settle(outcome.Success, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t, guard.Config{Concurrency: 1, Timeout: time.Hour, Mode: mode.Shadow})
			rounds := testkit.Rounds(20_000)
			for range rounds {
				tok := must(g.Enter(t.Context(), guard.Call{Untimed: true, Lease: -1}))
				var ender sync.WaitGroup
				ender.Go(func() {
					if name == "decide" {
						tok.Close()
					} else {
						tok.Done(nil)
					}
				})
				use(tok)
				ender.Wait()
			}
			if s := g.Status(); s.SlotsTaken != 0 || s.InFlight != 0 || name != "decide" && s.Results[guard.Succeeded] != uint64(rounds) {
				t.Errorf("%d slots are taken, %d calls in flight, %d of %d succeeded", s.SlotsTaken, s.InFlight, s.Results[guard.Succeeded], rounds)
			}
		})
	}
}
