package shared_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// taken makes n calls and returns their decisions.
func taken(t *testing.T, r ratelimit.Remote, c *ratelimit.Config, n int) []ratelimit.Decision {
	t.Helper()
	out := make([]ratelimit.Decision, n)
	for i := range out {
		out[i] = take(t, r, c)
	}
	return out
}

func giveBack(r ratelimit.Remote, c *ratelimit.Config, ds []ratelimit.Decision) {
	for _, d := range ds {
		r.Refund(ask(c, user, d.Taken), d)
	}
}

func TestARefundIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), hourly(100)
		c := counters(t, store, shared.Options{Timeout: time.Second})
		r := c.Rule("rule", shared.Policy{})
		ds := taken(t, r, rule, 10)
		store.delay(100 * time.Millisecond)
		began := time.Now()
		giveBack(r, rule, ds)
		if time.Since(began) != 0 {
			t.Error("a caller waited")
		}
		synctest.Wait()
		if st := c.Status(); st.RefundsQueued != 9 || st.RefundsSent != 0 {
			t.Errorf("%+v", st)
		}
		<-time.After(2 * time.Second)
		if st := c.Status(); st.RefundsQueued != 0 || st.RefundsSent != 10 || left(t, store, rule) != 100 {
			t.Errorf("%+v, %d left", st, left(t, store, rule))
		}
	})
}

func TestRefundsWaitForTheStoreAsLongAsTheyCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		rule := &ratelimit.Config{Limit: 100, Per: 100 * time.Second, Burst: 100} // a token a second
		c := counters(t, store, shared.Options{})
		r := c.Rule("rule", shared.Policy{})
		ds := taken(t, r, rule, 5)
		goes(t, r, store, rule)
		giveBack(r, rule, ds)
		<-time.After(3 * time.Second) // what the first three took has come back by itself
		asked := store.refunds.Load()
		if st := c.Status(); st.RefundsQueued != 5 || asked != 0 {
			t.Fatalf("%+v, and %d were sent while the store is away", st, asked)
		}
		store.fail(nil)
		<-time.After(2 * time.Second)
		if st := c.Status(); st.Away || st.RefundsQueued != 0 || st.RefundsSent+st.RefundsDropped != 5 || st.RefundsSent == 0 || st.RefundsDropped < 3 {
			t.Errorf("%+v", st)
		}
	})
}

func TestRefundsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), eternal(ratelimit.GCRA, 10_000)
		c := counters(t, store, shared.Options{})
		r := c.Rule("rule", shared.Policy{})
		ds := taken(t, r, rule, 5_000)
		goes(t, r, store, rule)
		giveBack(r, rule, ds)
		if st := c.Status(); st.RefundsQueued != 4_096 || st.RefundsDropped != 5_000-4_096 {
			t.Errorf("%d wait, %d were dropped", st.RefundsQueued, st.RefundsDropped)
		}
		store.fail(nil)
		<-time.After(5 * time.Second)
		if st := c.Status(); st.RefundsSent != 4_096 || left(t, store, rule) != 10_000-(5_000-4_096) {
			t.Errorf("%+v, %d left", st, left(t, store, rule))
		}
	})
}

func TestAFullQueueMakesRoomForRefundsThatCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		soon := &ratelimit.Config{Limit: 10_000, Per: time.Second, Burst: 10_000}
		later := eternal(ratelimit.GCRA, 100)
		c := counters(t, store, shared.Options{})
		a, b := c.Rule("rule", shared.Policy{}), c.Rule("other", shared.Policy{})
		old, fresh := taken(t, a, soon, 4_096), taken(t, b, later, 10)
		goes(t, b, store, later)
		giveBack(a, soon, old)
		<-time.After(time.Second)
		giveBack(b, later, fresh)
		if st := c.Status(); st.RefundsQueued != 10 || st.RefundsDropped != 4_096 {
			t.Errorf("%d wait, %d were dropped", st.RefundsQueued, st.RefundsDropped)
		}
	})
}

func TestCloseSendsRefundsAsLongAsItMay(t *testing.T) {
	for _, tc := range []struct {
		name    string
		allowed time.Duration
		down    bool
		sent    uint64
		fails   bool
	}{
		{"all", time.Minute, false, 10, false},
		{"as many as there is time for", 350 * time.Millisecond, false, 3, true},
		{"none to a store that is away", time.Minute, true, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, rule := newFaulty(), hourly(100)
				c := counters(t, store, shared.Options{Timeout: time.Second})
				r := c.Rule("rule", shared.Policy{})
				ds := taken(t, r, rule, 10)
				if tc.down {
					goes(t, r, store, rule)
				}
				store.delay(100 * time.Millisecond)
				giveBack(r, rule, ds)
				ctx, cancel := context.WithTimeout(t.Context(), tc.allowed)
				defer cancel()
				began := time.Now()
				if err := c.Close(ctx); (err != nil) != tc.fails {
					t.Error(err)
				}
				if took := time.Since(began); took > min(tc.allowed, time.Second) {
					t.Errorf("it took %v", took)
				}
				st := c.Status()
				if st.RefundsSent != tc.sent || st.RefundsSent+st.RefundsDropped != 10 || st.RefundsQueued != 0 {
					t.Errorf("%+v", st)
				}
				if c.Close(ctx) != nil {
					t.Error("a second time there is nothing to send")
				}
				giveBack(r, rule, ds[:1])
				if c.Status().RefundsDropped != st.RefundsDropped+1 {
					t.Error("a refund after the end was not counted")
				}
			})
		})
	}
}

func TestARefundThatFailsIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), hourly(100)
		c := counters(t, store, shared.Options{})
		r := c.Rule("rule", shared.Policy{})
		ds := taken(t, r, rule, 1)
		store.fail(errDown)
		giveBack(r, rule, ds)
		synctest.Wait()
		store.fail(nil)
		<-time.After(time.Minute)
		if st := c.Status(); st.RefundsSent != 0 || st.RefundsDropped != 1 || store.refunds.Load() != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestARefundOfTheFallbackStaysThere(t *testing.T) {
	for _, algorithm := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.FixedWindow} {
		synctest.Test(t, func(t *testing.T) {
			store, rule := newFaulty(), eternal(algorithm, 2)
			c := counters(t, store, shared.Options{})
			r := c.Rule("rule", shared.Policy{})
			store.fail(errDown)
			ds := taken(t, r, rule, 2)
			if refused(t, r, rule, 1); ds[1].Source != ratelimit.Fallback {
				t.Errorf("%+v", ds)
			}
			giveBack(r, rule, ds[:1])
			if d := take(t, r, rule); !d.OK {
				t.Errorf("%v: %+v", algorithm, d)
			}
			if st := c.Status(); st.RefundsQueued+int(st.RefundsDropped) != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}
