package guard_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/retry"
)

// The property: whatever the delay, the ends of the attempts, their time and whether they
// obey their context, the time limit, the moment at which the caller leaves, and the policy
// of retries: there are as many attempts and hedges as a plain model says, each is settled
// once, as the model says, the call is recorded once with its result and its time, and in the
// end nothing is held.

// runner is how an attempt goes.
type runner struct {
	takes   time.Duration
	end     turn // turnsWell, turnsBadly, turnsNeutral, turnsToPanic or turnsToExit
	ignores bool // its context
}

// course is a hedged call, and what the model says of it.
type course struct {
	delay, timeout, leaves time.Duration // the last two from the beginning, forever if there is none
	most, attempts         int
	runners                []runner

	runs, started, won, lost, failed int
	counts                           breaker.Counts
	result                           guard.Result
	took                             time.Duration
}

const (
	forever     = 1000 * time.Hour
	courseFloor = time.Millisecond
)

// newCourse draws times that never meet: every attempt ends at a moment that has its own
// bit, and so have the end of the time and the moment at which the caller leaves.
func newCourse(t *rapid.T) *course {
	const unit = 1 << 10
	draw := func(name string, from, to int) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, name)) * 100 * unit
	}
	c := &course{delay: draw("delay", 10, 50), timeout: forever, leaves: forever, most: rapid.IntRange(1, 3).Draw(t, "most"), attempts: rapid.IntRange(1, 3).Draw(t, "attempts")}
	if rapid.Bool().Draw(t, "limited") {
		c.timeout = draw("timeout", 20, 200) + unit/2
	}
	if rapid.IntRange(0, 3).Draw(t, "leaves") == 0 {
		c.leaves = draw("after", 1, 200) + unit/4
	}
	for i := range 8 {
		c.runners = append(c.runners, runner{
			takes:   draw("takes", 1, 150) + 1<<i,
			end:     rapid.SampledFrom([]turn{turnsWell, turnsWell, turnsBadly, turnsBadly, turnsNeutral, turnsToPanic, turnsToExit}).Draw(t, "end"),
			ignores: rapid.IntRange(0, 3).Draw(t, "ignores") == 0,
		})
	}
	return c
}

// racer is an attempt in the model.
type racer struct {
	runner

	began, ends time.Duration
	number      int
	stopped     bool // its context ended it
	gone        bool
}

// join begins an attempt in the model.
func (c *course) join(at time.Duration, number int) *racer {
	r := &racer{runner: c.runners[c.runs], began: at, number: number}
	r.ends = at + r.takes
	if stop := min(c.timeout, c.leaves); !r.ignores && r.ends > stop {
		r.ends, r.stopped = max(at, stop), true
	}
	c.runs++
	return r
}

// model makes the call.
func (c *course) model() {
	for now := time.Duration(0); ; {
		last, done := c.round(now)
		now = last.ends
		left := min(courseFloor, now-last.began)
		if done || c.runs >= c.attempts || c.leaves <= now || c.timeout-now <= left {
			c.took = now
			return
		}
	}
}

// round is an attempt and its hedges in the model. It returns the one that the call goes on
// with, and whether the call is over.
func (c *course) round(start time.Duration) (last *racer, done bool) {
	all := []*racer{c.join(start, 0)}
	timer := start + c.delay
	for {
		next := first(all)
		if timer < next.ends {
			if timer > c.leaves || c.timeout-timer <= min(c.delay, courseFloor) {
				timer = forever
				continue
			}
			all = append(all, c.join(timer, len(all)))
			c.started++
			if timer += c.delay; len(all) > c.most {
				timer = forever
			}
			continue
		}
		next.gone = true
		if decisive := c.ends(next); decisive {
			c.overtake(all)
			return next, true
		}
		if next.number > 0 {
			c.failed++
		}
		if first(all) == nil {
			return next, false
		}
	}
}

// first is the one that ends next.
func first(all []*racer) (next *racer) {
	for _, r := range all {
		if !r.gone && (next == nil || r.ends < next.ends) {
			next = r
		}
	}
	return next
}

// ends settles an attempt in the model, and reports whether it decides the call.
func (c *course) ends(r *racer) (decisive bool) {
	won := 0
	if r.number > 0 {
		won = 1
	}
	switch late := c.timeout < min(c.leaves, r.ends); {
	case r.stopped && c.leaves < c.timeout:
		c.counts.Ignored++
		c.lost += won
		c.result = guard.CallerLeft
	case r.stopped:
		c.counts.Failures++
		c.result = guard.TimedOut
		return false
	case r.end == turnsWell:
		c.counts.Successes++
		c.won += won
		c.result = guard.Succeeded
	case r.end == turnsNeutral:
		c.counts.Ignored++
		c.won += won
		c.result = guard.Indifferent
	case r.end == turnsBadly:
		c.counts.Failures++
		c.result = guard.Failed
		if late {
			c.result = guard.TimedOut
		}
		return false
	default:
		c.counts.Failures++
		c.failed += won
		c.result = guard.Failed
	}
	return true
}

// overtake settles in the model those that run.
func (c *course) overtake(all []*racer) {
	for _, r := range all {
		if !r.gone {
			c.counts.Ignored++
			if r.number > 0 {
				c.lost++
			}
		}
	}
}

// run returns the function of the call.
func (c *course) run(runs *atomic.Int32) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		n := int(runs.Add(1))
		r, done := c.runners[n-1], ctx.Done()
		if r.ignores {
			done = nil
		}
		select {
		case <-time.After(r.takes):
		case <-done:
			return n, ctx.Err()
		}
		switch r.end {
		case turnsBadly:
			return n, errDown
		case turnsNeutral:
			return n, guard.Neutral(errDown)
		case turnsToPanic:
			panic("as told")
		case turnsToExit:
			runtime.Goexit()
		default:
		}
		return n, nil
	}
}

func TestHedge_Property(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			b := must(breaker.New("payments", breaker.Config{ConsecutiveFailures: 1000}))
			st, rec := newStage(), &recorder{}
			pooled := rapid.Bool().Draw(rt, "pooled")
			var want course
			for range rapid.IntRange(1, 5).Draw(rt, "calls") {
				c := newCourse(rt)
				c.model()
				cfg := guard.Config{
					Hedge: after(c.delay, c.most), Retry: &retry.Config{Attempts: c.attempts, Backoff: 1, BackoffMax: 1, Budget: 1},
					Breaker: b, Concurrency: 1, Recorder: rec, DeadlineFloor: courseFloor,
				}
				if c.timeout < forever {
					cfg.Timeout = c.timeout
				}
				if pooled {
					cfg.Pool = st
				}
				g := must(guard.New("checkout", cfg))
				c.check(rt, g, st, rec)
				want.counts.Successes += c.counts.Successes
				want.counts.Failures += c.counts.Failures
				want.counts.Ignored += c.counts.Ignored
				want.runs += c.runs
				if got := b.Status().Totals; got.Successes != want.counts.Successes || got.Failures != want.counts.Failures || got.Ignored != want.counts.Ignored {
					rt.Fatalf("the breaker counts %+v, the model %+v", got, want.counts)
				}
			}
			if st.out() != 0 || pooled && st.checkouts != want.runs {
				rt.Fatalf("%d workers are out, %d checkouts for %d attempts", st.out(), st.checkouts, want.runs)
			}
		})
	})
}

// check makes the call and compares it with the model.
func (c *course) check(t *rapid.T, g *guard.Guard, st *stage, rec *recorder) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if c.leaves < forever {
		defer time.AfterFunc(c.leaves, cancel).Stop()
	}
	before, checkouts := len(rec.all), st.checkouts
	var runs atomic.Int32
	var err error
	panicked, exited := drive(func() {
		if g.Config().Pool != nil {
			fn := c.run(&runs)
			_, err = guard.DoHedgedWith(ctx, must(guard.Bind[*conn](g)), twice, func(ctx context.Context, _ *conn) (int, error) { return fn(ctx) })
			return
		}
		_, err = guard.DoHedged(ctx, g, twice, c.run(&runs))
	})
	s := g.Status()
	if s.SlotsTaken != 0 || s.InFlight != 0 {
		t.Fatalf("in flight %d, slots %d", s.InFlight, s.SlotsTaken)
	}
	<-time.After(time.Hour) // of the bubble: the attempts that lost have ended
	synctest.Wait()
	s = g.Status()
	h := s.Hedges
	if int(runs.Load()) != c.runs || h.Started != uint64(c.started) || h.Won != uint64(c.won) || h.Lost != uint64(c.lost) || h.Failed != uint64(c.failed) || h.Losers != 0 {
		t.Fatalf("%d runs, hedges %+v, in the model %+v (checkouts %d)", runs.Load(), h, c, st.checkouts-checkouts)
	}
	if len(rec.all) != before+1 {
		t.Fatalf("recorded %+v", rec.all[before:])
	}
	if o := rec.all[before]; o.Result != c.result || o.Duration != c.took || o.Attempts != c.runs {
		t.Fatalf("recorded %+v, in the model %+v", o, c)
	}
	if good := err == nil && panicked == nil && !exited; good != (c.result == guard.Succeeded) {
		t.Fatalf("%v, panicked %v, exited %v, in the model %+v", err, panicked, exited, c)
	}
	if c.result == guard.Indifferent && !errors.Is(err, errDown) {
		t.Fatalf("error %v", err)
	}
	if s.Results[c.result] != 1 || s.Retries.Budgets[0].First > 1 {
		t.Fatalf("%+v", s)
	}
}
