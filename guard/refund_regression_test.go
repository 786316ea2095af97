package guard_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
)

// Calls that failed one after the other, each after the bucket had filled up, gave
// their tokens back all the same: nine calls succeeded at one moment at a burst of 5.
func TestRefundsOnFailureNeverLetMoreSucceedThanTheRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit, err := ratelimit.New("limit", ratelimit.Config{Limit: 1, Per: time.Second, Burst: 5})
		if err != nil {
			t.Fatal(err)
		}
		g := newGuard(t, guard.Config{RateLimit: limit, RefundOnFailure: true})
		end := make([]chan struct{}, 5)
		for i := range end {
			end[i] = make(chan struct{})
			go func() {
				_ = g.Do(t.Context(), func(context.Context) error { <-end[i]; return errors.New("failed") })
			}()
			synctest.Wait()
		}
		fail := func(i int) {
			close(end[i])
			synctest.Wait()
		}
		succeeded := func() (n int) {
			for g.Do(t.Context(), func(context.Context) error { return nil }) == nil {
				n++
			}
			return n
		}
		fail(0)
		time.Sleep(4 * time.Second)
		all := succeeded()
		for i := range end[1:] {
			fail(1 + i)
			all += succeeded()
		}
		if all != 5 {
			t.Errorf("%d calls succeeded at one moment at a burst of 5", all)
		}
	})
}

// A call that waited in vain for a worker gave its token back as if no time had
// passed since it took it.
func TestARefusalAfterAWaitGivesNothingThatTimeGaveBack(t *testing.T) {
	for _, how := range []mode.Mode{mode.Enforce, mode.Shadow} {
		synctest.Test(t, func(t *testing.T) {
			limit, err := ratelimit.New("limit", ratelimit.Config{Limit: 1, Per: time.Second, Burst: 5})
			if err != nil {
				t.Fatal(err)
			}
			s := newStage()
			s.says(func(ctx context.Context) error {
				time.Sleep(2500 * time.Millisecond)
				return refuseWith(fault.PoolTimeout)(ctx)
			})
			db := must(guard.Bind[*conn](newGuard(t, guard.Config{RateLimit: limit, Pool: s, Mode: how})))
			go func() {
				_, _ = guard.DoWith(t.Context(), db, guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
			}()
			time.Sleep(2 * time.Second)
			limit.AllowN(ratelimit.Key{}, 3)
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			if d := limit.Peek(ratelimit.Key{}); d.Remaining != 2 {
				t.Errorf("mode %v: %d remain half a second after 3 of 5", how, d.Remaining)
			}
		})
	}
}
