package guard_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/retry"
)

// The property: whatever the policy, the parts, the way in, the ends of the attempts and
// the moment at which the caller leaves, there are as many attempts as a plain model says,
// each is settled once, the call is recorded once, and the error is that of the last one.

// turn is how an attempt ends.
type turn int

const (
	turnsWell turn = iota
	turnsBadly
	turnsNeutral
	turnsRefused // by a protection further in, for now
	turnsFinal
	hangs // until its context ends, else for an hour
	turnsToPanic
	turnsToExit
	leaves // the caller cancels, and the attempt notices
	turns
)

// tried is a guard with retries and the parts around it, and the model.
type tried struct {
	policy  retry.Config
	timeout time.Duration
	pooled  bool
	token   bool
	g       *guard.Guard
	breaker *breaker.Breaker
	limit   *ratelimit.Limiter
	stage   *stage
	rec     *recorder

	counts         breaker.Counts
	row            int // failures in a row
	tokens         int64
	runs           int
	results        map[guard.Result]uint64
	first, retries []clock.Instant
	refused        []clock.Instant
}

const (
	rowToOpen   = 5
	triedTokens = 1000
)

func newTried(t *rapid.T) *tried {
	flag := rapid.Bool()
	w := &tried{stage: newStage(), rec: &recorder{}, results: map[guard.Result]uint64{}, pooled: flag.Draw(t, "pooled")}
	w.token = !w.pooled && flag.Draw(t, "token")
	w.policy = retry.Config{
		Attempts: rapid.IntRange(1, 4).Draw(t, "attempts"), Backoff: 1, BackoffMax: 1, CountAttempts: flag.Draw(t, "count"),
		Outcomes: rapid.SampledFrom([][]retry.Cause{nil, retry.Causes(), {retry.Failed}}).Draw(t, "outcomes"),
	}
	if flag.Draw(t, "attempt timeout") {
		w.policy.AttemptTimeout = time.Second
	}
	if flag.Draw(t, "timeout") {
		w.timeout = time.Minute
	}
	w.breaker = must(breaker.New("payments", breaker.Config{ConsecutiveFailures: rowToOpen, Cooldown: 24 * time.Hour}))
	w.limit = must(ratelimit.New("per-user", ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: triedTokens, Per: 10_000 * time.Hour}))
	cfg := guard.Config{
		Retry: &w.policy, Breaker: w.breaker, RateLimit: w.limit, Concurrency: 1, Recorder: w.rec, Timeout: w.timeout, Lease: 24 * time.Hour,
	}
	if w.pooled {
		cfg.Pool = w.stage
	}
	w.g = must(guard.New("checkout", cfg))
	return w
}

// script is how the attempts of one call end, and with which errors they did.
type script struct {
	turns  []turn
	errs   []error
	cancel context.CancelFunc
}

func (s *script) run(ctx context.Context) error {
	end := s.turns[len(s.errs)]
	err := fmt.Errorf("attempt %d: %w", len(s.errs), errDown)
	switch end {
	case turnsWell:
		err = nil
	case turnsNeutral:
		err = guard.Neutral(err)
	case turnsRefused:
		err = fault.New(fault.Spec{Code: fault.PoolFull})
	case turnsFinal:
		err = retry.Final(err)
	case leaves:
		s.cancel()
		err = fmt.Errorf("attempt %d: %w", len(s.errs), ctx.Err())
	case turnsBadly, hangs, turnsToPanic, turnsToExit, turns:
	}
	s.errs = append(s.errs, err)
	switch end {
	case hangs:
		select {
		case <-ctx.Done():
		case <-time.After(time.Hour):
		}
	case turnsToPanic:
		panic("as told")
	case turnsToExit:
		return exits(ctx)
	case turnsWell, turnsBadly, turnsNeutral, turnsRefused, turnsFinal, leaves, turns:
	}
	return err
}

// byToken makes the call of the two-step form. Only what may be tried again is told to
// Retry, as its users do.
func (w *tried) byToken(ctx context.Context, call guard.Call, s *script) (err error) {
	tok, err := w.g.Enter(ctx, call)
	if err != nil {
		return err
	}
	defer tok.Close()
	for again := true; again; {
		if err = s.run(tok.Context()); err == nil {
			break
		}
		o := outcome.Failure
		switch s.turns[len(s.errs)-1] {
		case turnsRefused:
			o = outcome.Ignored
		case turnsNeutral, leaves:
			tok.Done(err)
			return err
		default:
		}
		again, err = tok.Retry(ctx, o, err)
	}
	tok.Done(err)
	return err
}

func (w *tried) make(ctx context.Context, call guard.Call, s *script) error {
	switch {
	case w.pooled:
		_, err := guard.DoWith(ctx, must(guard.Bind[*conn](w.g)), call, func(ctx context.Context, _ *conn) (int, error) { return 0, s.run(ctx) })
		return err
	case w.token:
		return w.byToken(ctx, call, s)
	default:
		return w.g.DoCall(ctx, call, s.run)
	}
}

// model makes the same call, and returns the number of attempts.
func (w *tried) model(call guard.Call, ends []turn) (runs int) {
	p, now := w.policy.Effective(), clock.Now()
	w.first = append(w.first, now)
	w.tokens++
	for {
		end := ends[runs]
		runs++
		cause, may, result, took := w.end(end, call.Idempotent)
		now = now.Add(took)
		listed := false
		for _, c := range p.Outcomes {
			listed = listed || c == cause
		}
		if !may || !listed || !call.Idempotent || runs >= p.Attempts || !w.affords(now) || w.row >= rowToOpen {
			w.results[result]++
			return runs
		}
		w.retries = append(w.retries, now)
		if p.CountAttempts {
			w.tokens++
		}
	}
}

// end settles an attempt in the model. It says whether another may follow, what the call
// ends as if none does, and how long the attempt took.
func (w *tried) end(end turn, idempotent bool) (cause retry.Cause, may bool, result guard.Result, took time.Duration) {
	switch end {
	case turnsWell:
		w.counts.Successes++
		w.row = 0
		return 0, false, guard.Succeeded, 0
	case turnsNeutral:
		w.counts.Ignored++
		return 0, false, guard.Indifferent, 0
	case leaves:
		w.counts.Ignored++
		return 0, false, guard.CallerLeft, 0
	case turnsRefused:
		w.counts.Ignored++
		return retry.Refused, true, guard.Indifferent, 0
	default:
	}
	w.counts.Failures++
	w.row++
	switch {
	case end == turnsBadly:
		return retry.Failed, true, guard.Failed, 0
	case end != hangs:
		return 0, false, guard.Failed, 0
	case idempotent && w.policy.AttemptTimeout > 0:
		return retry.TimedOut, true, guard.TimedOut, w.policy.AttemptTimeout
	case w.timeout > 0:
		return 0, false, guard.TimedOut, w.timeout
	default:
		return retry.Failed, true, guard.Failed, time.Hour
	}
}

// affords is the budget in the model.
func (w *tried) affords(now clock.Instant) bool {
	within := func(all []clock.Instant, seconds float64) (n float64) {
		second := func(i clock.Instant) float64 { return math.Floor(time.Duration(i).Seconds()) }
		for _, at := range all {
			if second(at) > second(now)-seconds {
				n++
			}
		}
		return n
	}
	may := func(seconds float64) bool {
		return within(w.retries, seconds)+1 <= seconds+0.2*within(w.first, seconds)
	}
	if may(10) && (within(w.refused, 2) == 0 || may(1)) {
		return true
	}
	w.refused = append(w.refused, now)
	return false
}

func (w *tried) check(t *rapid.T, s *script, err error, before int) {
	last := s.errs[len(s.errs)-1]
	switch end := s.turns[len(s.errs)-1]; {
	case end == turnsToPanic || end == turnsToExit:
	case (err == nil) != (last == nil) || !errors.Is(err, last):
		t.Fatalf("the call ended with %v, its last attempt with %v", err, last)
	}
	if c := w.breaker.Status().Totals; c.Successes != w.counts.Successes || c.Failures != w.counts.Failures || c.Ignored != w.counts.Ignored {
		t.Fatalf("the breaker counts %+v, the model %+v", c, w.counts)
	}
	if left := w.limit.Peek(ratelimit.Key{}).Remaining; left != triedTokens-w.tokens {
		t.Fatalf("%d tokens are left, in the model %d", left, triedTokens-w.tokens)
	}
	status := w.g.Status()
	for r, n := range status.Results {
		if n != w.results[r] {
			t.Fatalf("results %v, in the model %v", status.Results, w.results)
		}
	}
	if status.InFlight != 0 || status.SlotsTaken != 0 || w.stage.out() != 0 || w.pooled && w.stage.checkouts != w.runs {
		t.Fatalf("in flight %d, slots %d, workers %d, checkouts %d of %d", status.InFlight, status.SlotsTaken, w.stage.out(), w.stage.checkouts, w.runs)
	}
	if n := len(w.rec.all); n != before+1 || w.rec.all[n-1].Attempts != len(s.errs) {
		t.Fatalf("recorded %+v after %d attempts", w.rec.all[before:], len(s.errs))
	}
	var retries uint64
	for _, n := range status.Retries.Retried {
		retries += n
	}
	if retries != uint64(len(w.retries)) {
		t.Fatalf("%d retries are counted, in the model %d", retries, len(w.retries))
	}
}

func TestRetry_Property(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			w := newTried(rt)
			for range rapid.IntRange(1, 25).Draw(rt, "calls") {
				<-time.After(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 11}).Draw(rt, "gap")) * time.Second) // of the bubble
				if w.row >= rowToOpen {
					w.breaker.Reset("test")
					w.row = 0
				}
				ctx, cancel := context.WithCancel(context.Background())
				s := &script{cancel: cancel, turns: rapid.SliceOfN(rapid.Map(rapid.IntRange(0, int(turns)-1), func(n int) turn { return turn(n) }), 4, 4).Draw(rt, "turns")}
				call := guard.Call{Idempotent: rapid.IntRange(0, 4).Draw(rt, "idempotent") > 0}
				want := w.model(call, s.turns)
				w.runs += want
				before := len(w.rec.all)
				var err error
				drive(func() { err = w.make(ctx, call, s) })
				cancel()
				if len(s.errs) != want {
					rt.Fatalf("%d attempts, in the model %d", len(s.errs), want)
				}
				w.check(rt, s, err, before)
			}
		})
	})
}
