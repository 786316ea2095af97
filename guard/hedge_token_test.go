package guard_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/retry"
)

// made are attempts of tokens, and what was dropped.
type made struct {
	fn      func(context.Context) (int, error)
	seen    []guard.Attempt
	dropped []int
	mu      sync.Mutex
}

func (m *made) attempts() guard.Attempts[int] {
	return guard.Attempts[int]{
		Make: func(ctx context.Context, a guard.Attempt) (int, error) {
			m.mu.Lock()
			m.seen = append(m.seen, a)
			m.mu.Unlock()
			return m.fn(ctx)
		},
		Judge: func(_ int, err error) (outcome.Outcome, bool, error) {
			if err != nil {
				return outcome.Failure, false, err
			}
			return outcome.Success, true, nil
		},
		Drop: func(n int) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.dropped = append(m.dropped, n)
		},
	}
}

// through makes a call of the two-step form with attempts.
func through(ctx context.Context, g *guard.Guard, call guard.Call, a guard.Attempts[int]) (n int, err error) {
	tok, err := g.Enter(ctx, call)
	if err != nil {
		return 0, err
	}
	defer tok.Close()
	for again := true; again; {
		if n, err = a.Run(tok.Context(), tok); err == nil {
			break
		}
		again, err = tok.Retry(ctx, outcome.Failure, err)
	}
	tok.Done(err)
	return n, err
}

func TestAttempts_TheFirstGoodOneIsTheTokens(t *testing.T) {
	for name, tc := range map[string]struct {
		parts   []part
		result  int
		err     error
		counts  breaker.Counts
		dropped int
	}{
		"alone":                  {parts: []part{{takes: time.Millisecond}}, result: 1, counts: breaker.Counts{Successes: 1}},
		"the hedge wins":         {parts: []part{{takes: time.Hour}, {takes: time.Millisecond}}, result: 2, counts: breaker.Counts{Successes: 1, Ignored: 1}, dropped: 1},
		"the hedge loses":        {parts: []part{{takes: 20 * time.Millisecond}, {takes: time.Hour}}, result: 1, counts: breaker.Counts{Successes: 1, Ignored: 1}, dropped: 1},
		"the first one fails":    {parts: []part{{takes: 20 * time.Millisecond, err: errDown}, {takes: time.Second}}, result: 2, counts: breaker.Counts{Successes: 1, Failures: 1}, dropped: 1},
		"both fail, and a third": {parts: []part{{takes: 20 * time.Millisecond, err: errDown}, {takes: 20 * time.Millisecond, err: errDown}, {takes: time.Millisecond}}, result: 3, counts: breaker.Counts{Successes: 1, Failures: 2}, dropped: 1},
		"all fail": {
			parts:  []part{{takes: 20 * time.Millisecond, err: errDown}, {takes: 20 * time.Millisecond, err: errDown}, {takes: time.Millisecond, err: errDown}},
			result: 3, err: errDown, counts: breaker.Counts{Failures: 3}, dropped: 1,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, rec := newBreaker(t, breaker.Config{FailureThreshold: 100}), &recorder{}
			g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Retry: prompt(), Breaker: b, Concurrency: 1, Recorder: rec})
			var runs atomic.Int32
			m := &made{fn: play(&runs, tc.parts...)}
			n, err := through(t.Context(), g, twice, m.attempts())
			wait(time.Second)
			if n != tc.result || !errors.Is(err, tc.err) || len(m.dropped) != tc.dropped {
				t.Errorf("%s: %d, %v, dropped %v", name, n, err, m.dropped)
			}
			if c := b.Status().Totals; c.Successes != tc.counts.Successes || c.Failures != tc.counts.Failures || c.Ignored != tc.counts.Ignored {
				t.Errorf("%s: the breaker counts %+v", name, c)
			}
			if s := g.Status(); s.InFlight != 0 || s.SlotsTaken != 0 || s.Hedges.Losers != 0 {
				t.Errorf("%s: %+v", name, s)
			}
			if len(rec.all) != 1 || rec.all[0].Attempts != len(tc.parts) {
				t.Errorf("%s: recorded %+v", name, rec.all)
			}
			for i, a := range m.seen {
				if a.Number != i+1 {
					t.Errorf("%s: attempts %+v", name, m.seen)
				}
			}
		})
	}
}

// What the attempt that won returned may be read for as long as the token is open, and no
// longer; those that lost have ended at once.
func TestAttempts_TheContextIsThatOfTheAttemptThatWon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Timeout: time.Minute})
		tok := must(g.Enter(t.Context(), twice))
		defer tok.Close()
		var contexts []context.Context
		var runs atomic.Int32
		fn := play(&runs, part{takes: time.Hour}, part{takes: time.Millisecond})
		var mu sync.Mutex
		m := &made{fn: func(ctx context.Context) (int, error) {
			mu.Lock()
			contexts = append(contexts, ctx)
			mu.Unlock()
			return fn(ctx)
		}}
		if n, err := m.attempts().Run(tok.Context(), tok); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		tok.Settle(outcome.Success, nil)
		synctest.Wait() // for the attempt that lost, whose limit must end with it alone
		if contexts[0].Err() == nil || contexts[1].Err() != nil || tok.Context() != contexts[1] {
			t.Errorf("the contexts: %v, %v", contexts[0].Err(), contexts[1].Err())
		}
		tok.Close()
		if contexts[1].Err() == nil {
			t.Error("the token has ended and the context of its attempt has not")
		}
	})
}

// A hedge has the time of an attempt, counted from its own beginning.
func TestAttempts_AHedgeOutlivesTheFirstAttemptsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := prompt()
		policy.AttemptTimeout = 50 * time.Millisecond
		g := newGuard(t, guard.Config{Hedge: after(40*time.Millisecond, 1), Retry: policy, Timeout: time.Minute})
		tok := must(g.Enter(t.Context(), twice))
		defer tok.Close()
		var runs atomic.Int32
		m := &made{fn: play(&runs, part{takes: time.Hour}, part{takes: 45 * time.Millisecond})}
		if n, err := m.attempts().Run(tok.Context(), tok); n != 2 || err != nil {
			t.Error(n, err)
		}
	})
}

// What ends the context that a caller gave to Run ends the hedges, too; its values are theirs.
func TestAttempts_TheCallersContextIsThatOfTheHedges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Timeout: time.Minute})
		parent, leave := context.WithCancel(t.Context())
		defer leave()
		tok := must(g.Enter(parent, twice))
		defer tok.Close()
		type name struct{}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(context.WithValue(tok.Context(), name{}, "checkout"))
		var causes [2]error
		var values [2]any
		var runs atomic.Int32
		m := &made{fn: func(ctx context.Context) (int, error) {
			n := runs.Add(1) - 1
			values[n] = ctx.Value(name{})
			<-ctx.Done()
			causes[n] = context.Cause(ctx)
			return -1, ctx.Err()
		}}
		time.AfterFunc(30*time.Millisecond, func() { cancel(gone) })
		if _, err := m.attempts().Run(ctx, tok); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		if values != [2]any{"checkout", "checkout"} || !errors.Is(causes[0], gone) && !errors.Is(causes[1], gone) {
			t.Errorf("values %v, causes %v", values, causes)
		}
	})
}

func TestAttempts_EachHasItsTimeAndItsMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Timeout: time.Minute})
		var runs atomic.Int32
		m := &made{fn: play(&runs, part{takes: time.Hour}, part{takes: time.Millisecond})}
		call := guard.Call{Idempotent: true, Untimed: true, Targets: &turnTaker{members: []string{"a:80", "b:80"}}}
		if n, err := through(t.Context(), g, call, m.attempts()); n != 2 || err != nil {
			t.Error(n, err)
		}
		synctest.Wait()
		if want := (guard.Attempt{Number: 1, Target: "a:80", Timeout: time.Minute}); m.seen[0] != want {
			t.Errorf("%+v", m.seen)
		}
		if want := (guard.Attempt{Number: 2, Target: "b:80", Timeout: time.Minute - 10*time.Millisecond}); m.seen[1] != want {
			t.Errorf("%+v", m.seen)
		}
	})
}

func TestAttempts_WithoutHedgesAreMadeAsTheyAre(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg  guard.Config
		call guard.Call
	}{
		"no hedges":      {call: twice},
		"not idempotent": {cfg: guard.Config{Hedge: after(time.Millisecond, 1)}},
		"few samples":    {cfg: guard.Config{Hedge: by(90)}, call: twice},
	} {
		g := newGuard(t, tc.cfg)
		tok := must(g.Enter(t.Context(), tc.call))
		m := &made{fn: func(ctx context.Context) (int, error) {
			if ctx != tok.Context() {
				t.Errorf("%s: a context of its own", name)
			}
			return 7, nil
		}}
		if n, err := m.attempts().Run(tok.Context(), tok); n != 7 || err != nil || len(m.seen) != 1 {
			t.Error(name, n, err)
		}
		tok.Done(nil)
		if n, err := m.attempts().Run(t.Context(), tok); n != 7 || err != nil && g.Status().InFlight != 0 {
			t.Errorf("%s, of a token that has ended: %d, %v", name, n, err)
		}
		if n, err := (guard.Attempts[int]{Make: func(context.Context, guard.Attempt) (int, error) { return 8, nil }}).Run(t.Context(), nil); n != 8 || err != nil {
			t.Errorf("%s, of no token: %d, %v", name, n, err)
		}
	}
}

// A percentile learns from the attempts of tokens, too.
func TestAttempts_AreSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Hedge: by(50)})
		for range 100 {
			m := &made{fn: takes(20 * time.Millisecond)}
			_, _ = through(t.Context(), g, twice, m.attempts())
		}
		<-time.After(time.Second)
		if h := g.Status().Hedges; h.Samples != 100 || h.Delay < 20*time.Millisecond || h.Delay > 21*time.Millisecond {
			t.Errorf("%+v", h)
		}
	})
}

// Whoever takes the call back while its attempts race settles it, once; the race goes on
// and answers.
func TestAttempts_ALeaseThatExpiresMeanwhile(t *testing.T) {
	for name, parts := range map[string][]part{
		"the hedge wins": {{takes: time.Hour}, {takes: time.Minute}},
		"the first wins": {{takes: time.Minute}, {takes: time.Hour}},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, rec := newBreaker(t, breaker.Config{FailureThreshold: 100}), &recorder{}
			g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Breaker: b, Recorder: rec, Concurrency: 1})
			var runs atomic.Int32
			m := &made{fn: play(&runs, parts...)}
			call := twice
			call.Lease = 30 * time.Second
			n, err := through(t.Context(), g, call, m.attempts())
			wait(time.Second)
			if n == 0 || err != nil || len(m.dropped) != 1 {
				t.Errorf("%s: %d, %v, dropped %v", name, n, err, m.dropped)
			}
			s := g.Status()
			if c := b.Status().Totals; c.Failures != 1 || c.Ignored != 1 || s.LeasesExpired != 1 || s.InFlight != 0 || s.SlotsTaken != 0 || len(rec.all) != 1 {
				t.Errorf("%s: the breaker counts %+v, %+v", name, c, s)
			}
		})
	}
}

func TestAttempts_APanicIsTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{FailureThreshold: 100})
		g := newGuard(t, guard.Config{Hedge: after(10*time.Millisecond, 1), Breaker: b, Concurrency: 1})
		for _, exits := range []bool{false, true} {
			var runs atomic.Int32
			m := &made{fn: play(&runs, part{takes: time.Hour}, part{takes: time.Millisecond, panics: !exits, exits: exits})}
			panicked, exited := drive(func() { _, _ = through(t.Context(), g, twice, m.attempts()) })
			synctest.Wait()
			if exited != exits || (panicked == nil) != exits || len(m.dropped) != 1 {
				t.Errorf("panicked %v, exited %v, dropped %v", panicked, exited, m.dropped)
			}
		}
		if c, s := b.Status().Totals, g.Status(); c.Failures != 2 || c.Ignored != 2 || s.SlotsTaken != 0 || s.InFlight != 0 {
			t.Errorf("the breaker counts %+v, %+v", c, s)
		}
	})
}

// Tokens whose attempts race are closed and judged by others, at any moment.
func TestAttempts_Stress(t *testing.T) {
	b, rec := newBreaker(t, breaker.Config{FailureThreshold: 4000}), &counter{}
	g := newGuard(t, guard.Config{Hedge: after(time.Millisecond, 2), Retry: &retry.Config{Backoff: time.Microsecond}, Breaker: b, Recorder: rec, Lease: 4 * time.Millisecond})
	var began, ran, results, dropped atomic.Int64
	a := guard.Attempts[int]{
		Make: func(ctx context.Context, _ guard.Attempt) (int, error) {
			ran.Add(1)
			timer := time.NewTimer(time.Duration(rand.IntN(5000)) * time.Microsecond)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
				results.Add(1)
				return 0, ctx.Err()
			}
			switch rand.IntN(6) {
			case 0:
				panic("as told")
			case 1:
				runtime.Goexit()
			case 2:
				results.Add(1)
				return 0, errDown
			}
			results.Add(1)
			return 1, nil
		},
		Judge: func(_ int, err error) (outcome.Outcome, bool, error) {
			if err != nil {
				return outcome.Failure, false, err
			}
			return outcome.Success, true, nil
		},
		Drop: func(int) { dropped.Add(1) },
	}
	var wg sync.WaitGroup
	var kept atomic.Int64
	for range 16 {
		wg.Go(func() {
			for range 100 {
				began.Add(1)
				drive(func() {
					tok, err := g.Enter(context.Background(), twice)
					if err != nil {
						return
					}
					defer tok.Close()
					var other sync.WaitGroup
					defer other.Wait()
					switch rand.IntN(4) {
					case 0:
						other.Go(func() { tok.Done(errDown) })
					case 1:
						other.Go(tok.Close)
					}
					for again := true; again; {
						_, err = a.Run(tok.Context(), tok)
						if kept.Add(1); err == nil {
							break
						}
						again, err = tok.Retry(context.Background(), outcome.Failure, err)
					}
					tok.Done(err)
				})
			}
		})
	}
	wg.Wait()
	settled(t, g)
	s := g.Status()
	if s.InFlight != 0 || s.SlotsTaken != 0 || rec.told.Load() != began.Load() {
		t.Errorf("%+v, %d of %d calls are recorded", s, rec.told.Load(), began.Load())
	}
	if h := s.Hedges; h.Started == 0 || h.Started != h.Won+h.Lost+h.Failed {
		t.Errorf("hedges %+v", h)
	}
	if got := kept.Load() + dropped.Load(); got != results.Load() {
		t.Errorf("%d results are the callers' or dropped, of %d", got, results.Load())
	}
	c := b.Status().Totals
	if settled := int64(c.Successes + c.Failures + c.Ignored); settled > ran.Load() || s.LeasesExpired == 0 {
		t.Errorf("the breaker counts %+v, %d attempts ran", c, ran.Load())
	}
}
