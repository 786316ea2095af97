package guard_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/ratelimit"
)

// The property: whatever the combination of stages, the way in, the point at
// which a call is refused, and how it ends, every account is afterwards what a
// plain model says.

const (
	callTimeout = time.Second
	floor       = callTimeout / 10
	threshold   = 3
	cooldown    = time.Minute
	tokens      = 6
	places      = 2
)

// setting is a combination of stages, drawn at random.
type setting struct {
	memory, concurrency, breaker, limit, pool, timeout, refund bool
	mode                                                       mode.Mode
}

func drawSetting(t *rapid.T, pooled bool) setting {
	flag := rapid.Bool()
	return setting{
		memory: flag.Draw(t, "memory"), concurrency: flag.Draw(t, "concurrency"), breaker: flag.Draw(t, "breaker"),
		limit: flag.Draw(t, "limit"), pool: pooled, timeout: flag.Draw(t, "timeout"), refund: flag.Draw(t, "refund"),
		mode: rapid.SampledFrom([]mode.Mode{mode.Enforce, mode.Enforce, mode.Shadow, mode.Off}).Draw(t, "mode"),
	}
}

// ending is how the guarded function ends.
type ending int

const (
	endsWell ending = iota
	endsBadly
	endsNeutral
	endsRefusedFurtherIn
	endsWorkerFailed
	endsPanicking
	endsExiting
	endsCanceled
	endsAtShortDeadline // the caller's, below the floor
	endsAtLongDeadline  // the caller's, above it
	endsLate            // past the guard's timeout; obeys its context
	endsDeaf            // past the guard's timeout; ignores its context
	endings
)

// answer is what a stage of the test's own does.
type answer int

const (
	grants answer = iota
	refuses
	cannotMake // pool: worker_failed
	explodes
	vanishes
	cancels // the context is done meanwhile
	answers
)

// held is what an admitted call holds in the model.
type held struct {
	slot, token bool
	permit      permit
	setting     setting
	began       time.Time
}

// world is the guard under test with the parts around it, and the model.
type world struct {
	t       *rapid.T
	g       *guard.Guard
	s       setting
	breaker *breaker.Breaker
	limit   *ratelimit.Limiter
	stage   *stage
	memory  answer
	pool    answer
	cancel  context.CancelFunc // of the call that is being admitted
	m       ledger
	open    []openToken
	pooled  bool
}

type openToken struct {
	tok     *guard.Token
	held    held
	decided bool
	success bool // it was decided as one, and that was not revoked
}

// Admit implements guard.Admitter.
func (w *world) Refusing() *atomic.Uint32 { return nil }

func (w *world) Admit(context.Context, guard.Call) *fault.Error {
	switch w.memory {
	case refuses, cannotMake:
		return fault.New(fault.Spec{Code: fault.MemoryPressure})
	case explodes:
		panic("as told")
	case vanishes:
		runtime.Goexit()
	case cancels:
		w.cancel()
	case grants:
	}
	return nil
}

func (w *world) lend(ctx context.Context) error {
	switch w.pool {
	case refuses:
		return refuseWith(fault.PoolFull)(ctx)
	case cannotMake:
		return refuseWith(fault.WorkerFailed)(ctx)
	case explodes:
		panic("as told")
	case vanishes:
		runtime.Goexit()
	case cancels:
		w.cancel()
		return refuseWith(fault.Canceled)(ctx)
	case grants:
	}
	return nil
}

func (w *world) config() guard.Config {
	c := guard.Config{Mode: w.s.mode, RefundOnFailure: w.s.refund, Lease: 24 * time.Hour}
	if w.s.memory {
		c.Admission = w
	}
	if w.s.concurrency {
		c.Concurrency = places
	}
	if w.s.breaker {
		c.Breaker = w.breaker
	}
	if w.s.limit {
		c.RateLimit = w.limit
	}
	if w.s.pool {
		c.Pool = w.stage
	}
	if w.s.timeout {
		c.Timeout, c.DeadlineFloor = callTimeout, floor
	}
	return c
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, stage: newStage(), pooled: rapid.Bool().Draw(t, "pooled")}
	w.stage.says(w.lend)
	w.breaker = must(breaker.New("payments", breaker.Config{
		FailureThreshold: threshold, Window: 24 * time.Hour, Cooldown: cooldown, ProbeLease: 24 * time.Hour,
	}))
	w.limit = must(ratelimit.New("per-user", ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: tokens, Per: 10_000 * time.Hour}))
	w.s = drawSetting(t, w.pooled)
	w.g = must(guard.New("checkout", w.config()))
	w.m = ledger{tokens: tokens, results: map[guard.Result]uint64{}, refused: map[fault.Code]uint64{}, would: map[fault.Code]uint64{}}
	return w
}

// verdict is what the ending means under the setting that the call began with.
func verdict(s setting, e ending) (outcome.Outcome, guard.Result) {
	timed := s.timeout && s.mode != mode.Off
	switch e {
	case endsWell:
		return outcome.Success, guard.Succeeded
	case endsNeutral, endsRefusedFurtherIn:
		return outcome.Ignored, guard.Indifferent
	case endsCanceled, endsAtShortDeadline:
		return outcome.Ignored, guard.CallerLeft
	case endsAtLongDeadline:
		return outcome.Failure, guard.TimedOut
	case endsLate, endsDeaf:
		if timed {
			return outcome.Failure, guard.TimedOut
		}
		return outcome.Success, guard.Succeeded
	default:
		return outcome.Failure, guard.Failed
	}
}

// function returns the guarded function for an ending, and the context to call
// it with.
func function(e ending) (context.Context, context.CancelFunc, func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	switch e {
	case endsAtShortDeadline:
		ctx, cancel = context.WithTimeout(ctx, floor/2)
	case endsAtLongDeadline:
		ctx, cancel = context.WithTimeout(ctx, 2*floor)
	}
	return ctx, cancel, func(ctx context.Context) error {
		switch e {
		case endsBadly:
			return errDown
		case endsNeutral:
			return guard.Neutral(errDown)
		case endsRefusedFurtherIn:
			return fmt.Errorf("further in: %w", fault.New(fault.Spec{Code: fault.RateLimited}))
		case endsWorkerFailed:
			return fault.New(fault.Spec{Code: fault.WorkerFailed})
		case endsPanicking:
			panic("as told")
		case endsExiting:
			runtime.Goexit()
		case endsCanceled:
			cancel()
			return ctx.Err()
		case endsAtShortDeadline, endsAtLongDeadline:
			<-ctx.Done()
			return ctx.Err()
		case endsLate:
			select {
			case <-ctx.Done():
			case <-time.After(2 * callTimeout):
			}
			return ctx.Err()
		case endsDeaf:
			time.Sleep(2 * callTimeout)
			return ctx.Err()
		}
		return nil
	}
}

// way is an entry point.
type way func(w *world, ctx context.Context, fn func(context.Context) error) error

var ways = map[bool][]way{
	false: {
		func(w *world, ctx context.Context, fn func(context.Context) error) error { return w.g.Do(ctx, fn) },
		func(w *world, ctx context.Context, fn func(context.Context) error) error {
			_, err := guard.Do(ctx, w.g, guard.Call{}, func(ctx context.Context) (int, error) { return 1, fn(ctx) })
			return err
		},
		func(w *world, ctx context.Context, fn func(context.Context) error) error {
			tok, err := w.g.Enter(ctx, guard.Call{})
			if err != nil {
				return err
			}
			defer tok.Close()
			err = fn(tok.Context())
			tok.Done(err)
			return err
		},
		func(w *world, ctx context.Context, fn func(context.Context) error) error {
			_, err := guard.Op[int]{Guard: w.g}.Do(ctx, guard.Call{}, func(ctx context.Context) (int, error) { return 1, fn(ctx) })
			return err
		},
		func(w *world, ctx context.Context, fn func(context.Context) error) error {
			_, err := guard.DoDetached(ctx, w.g, guard.Call{}, func(ctx context.Context) (int, error) { return 1, fn(ctx) })
			return err
		},
	},
	true: {
		func(w *world, ctx context.Context, fn func(context.Context) error) error {
			_, err := guard.DoWith(ctx, must(guard.Bind[*conn](w.g)), guard.Call{}, func(ctx context.Context, _ *conn) (int, error) { return 1, fn(ctx) })
			return err
		},
	},
}

func (w *world) draw(t *rapid.T, name string) answer {
	if rapid.IntRange(0, 2).Draw(t, name+" is kind") > 0 {
		return grants
	}
	return answer(rapid.IntRange(0, int(answers)-1).Draw(t, name))
}

// Call makes one call from beginning to end.
func (w *world) Call(t *rapid.T) {
	all := ways[w.pooled]
	entry := rapid.IntRange(0, len(all)-1).Draw(t, "way")
	end := ending(rapid.IntRange(0, int(endings)-1).Draw(t, "ending"))
	doneBefore := rapid.IntRange(0, 9).Draw(t, "done before") == 0
	w.memory, w.pool = w.draw(t, "memory"), w.draw(t, "pool")
	if w.memory == cancels {
		w.memory = grants // a cancel in this stage is that of the next one
	}
	ctx, cancel, fn := function(end)
	defer cancel()
	w.cancel = cancel
	if doneBefore {
		cancel()
	}
	isDetached := !w.pooled && entry == 4 || w.pooled && entry == 1
	var h held
	ok, blown := false, false
	if doneBefore {
		w.m.refused[fault.Canceled]++
	} else {
		h, ok, blown = w.admission(isDetached)
	}
	ran := false
	var err error
	panicked, exited := drive(func() {
		err = all[entry](w, ctx, func(ctx context.Context) error { ran = true; return fn(ctx) })
	})
	synctest.Wait() // a detached call's goroutine, where it has ended
	if !ok {
		w.refusedCall(t, ran, blown, panicked != nil || exited, err)
		return
	}
	w.concluded(t, &h, end, isDetached)
	if wantPanic := end == endsPanicking; (panicked != nil) != wantPanic || exited != (end == endsExiting) {
		t.Fatalf("panicked %v, exited %v at ending %d", panicked, exited, end)
	}
}

func (w *world) refusedCall(t *rapid.T, ran, blown, broke bool, err error) {
	if ran || broke != blown || !blown && err == nil {
		t.Fatalf("ran %v, broke %v, error %v of a call that should be refused (blown %v)", ran, broke, err, blown)
	}
}

// concluded settles a call that ran, in the model.
func (w *world) concluded(t *rapid.T, h *held, end ending, isDetached bool) {
	s := h.setting
	o, r := verdict(s, end)
	enforced := s.timeout && s.mode == mode.Enforce
	late := (end == endsLate || end == endsDeaf)
	if late && s.timeout && s.mode == mode.Shadow {
		w.m.would[fault.CallTimeout]++
	}
	deaf := isDetached && enforced && end == endsDeaf
	if deaf { // the answer came on time, the function still runs
		w.m.detached++
		w.ended(h, o, r)
		w.checkSlots(t, "while a detached call runs")
		time.Sleep(2 * callTimeout)
		synctest.Wait()
		w.m.detached--
	} else {
		w.ended(h, o, r)
	}
	if h.slot {
		w.m.slots--
	}
}

func (w *world) checkSlots(t *rapid.T, when string) {
	if s := w.g.Status(); s.SlotsTaken != int64(w.m.slots) || s.Detached != int64(w.m.detached) {
		t.Fatalf("%s: %d slots and %d detached, model %d and %d", when, s.SlotsTaken, s.Detached, w.m.slots, w.m.detached)
	}
}

// Open enters a call that stays open. Tokens are for guards without a pool.
func (w *world) Open(t *rapid.T) {
	if w.pooled || len(w.open) > 3 {
		return
	}
	w.memory, w.pool = grants, grants
	h, ok, _ := w.admission(false)
	tok, err := w.g.Enter(context.Background(), guard.Call{})
	if (err == nil) != ok {
		t.Fatalf("Enter: %v, model admits %v", err, ok)
	}
	if ok {
		w.m.inFlight++
		w.open = append(w.open, openToken{tok: tok, held: h})
	}
}

// End moves an open call on: it is settled, settled and closed, or closed.
func (w *world) End(t *rapid.T) {
	if len(w.open) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.open)-1).Draw(t, "which")
	o := &w.open[i]
	judged := rapid.SampledFrom([]outcome.Outcome{outcome.Success, outcome.Failure, outcome.Ignored}).Draw(t, "outcome")
	late := o.held.setting.timeout && o.held.setting.mode == mode.Shadow && time.Since(o.held.began) >= callTimeout
	how := rapid.IntRange(0, 2).Draw(t, "how")
	switch how {
	case 0:
		o.tok.Settle(judged, errDown)
	case 1:
		o.tok.Settle(judged, errDown)
		o.tok.Close()
	case 2:
		o.tok.Close()
	}
	if !o.decided {
		switch {
		case how == 2:
			w.ended(&o.held, outcome.Failure, guard.Failed)
		case late:
			w.m.would[fault.CallTimeout]++
			w.ended(&o.held, outcome.Failure, guard.TimedOut)
		default:
			o.success = judged == outcome.Success
			w.ended(&o.held, judged, map[outcome.Outcome]guard.Result{outcome.Success: guard.Succeeded, outcome.Failure: guard.Failed, outcome.Ignored: guard.Indifferent}[judged])
		}
		o.decided = true
	} else if how != 2 && o.success && judged == outcome.Failure {
		o.success = false
		w.revoked(&o.held)
	}
	if how == 0 {
		return
	}
	if o.held.slot {
		w.m.slots--
	}
	w.m.inFlight--
	o.tok.Close() // ends nothing twice
	o.tok.Done(nil)
	w.open = append(w.open[:i], w.open[i+1:]...)
}

// Reconfigure changes the stages while calls are open.
func (w *world) Reconfigure(t *rapid.T) {
	w.s = drawSetting(t, w.pooled)
	if err := w.g.Reconfigure(w.config()); err != nil {
		t.Fatal(err)
	}
}

// Wait lets time pass.
func (w *world) Wait(t *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, cooldown / 2, cooldown}).Draw(t, "wait"))
}

// check compares every account.
func (w *world) check(t *rapid.T) {
	w.checkSlots(t, "afterwards")
	s, m := w.g.Status(), &w.m
	if got := w.limit.Peek(ratelimit.Key{}).Remaining; got != int64(m.tokens) {
		t.Fatalf("%d tokens remain, model %d", got, m.tokens)
	}
	if w.stage.out() != 0 {
		t.Fatalf("%d workers are out", w.stage.out())
	}
	want := m.state
	if want == breaker.StateOpen && !time.Now().Before(m.until) {
		want = breaker.StateHalfOpen
	}
	b := w.breaker.Status()
	if b.State != want {
		t.Fatalf("the breaker is %v, model %v", b.State, want)
	}
	if want == breaker.StateClosed && int(b.Counted[0].Value) != m.fails {
		t.Fatalf("the breaker counts %v, model %d", b.Counted, m.fails)
	}
	if m.state == breaker.StateHalfOpen && (b.ProbesInFlight == 1) != m.probing {
		t.Fatalf("%d probes in flight, model %v", b.ProbesInFlight, m.probing)
	}
	if s.InFlight != m.inFlight {
		t.Fatalf("%d in flight, model %d", s.InFlight, m.inFlight)
	}
	for r, n := range s.Results {
		if n != m.results[r] {
			t.Fatalf("%v: %d, model %d", r, n, m.results[r])
		}
	}
	compareCodes(t, "refused", s.Refused, m.refused)
	compareCodes(t, "would refuse", s.WouldRefuse, m.would)
}

func compareCodes(t *rapid.T, what string, got, want map[fault.Code]uint64) {
	for _, code := range fault.Codes() {
		if got[code] != want[code] {
			t.Fatalf("%s %v: %d, model %d", what, code, got[code], want[code])
		}
	}
}

func TestProperty_EveryAccountIsWhatAPlainModelSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			w := newWorld(t)
			t.Repeat(map[string]func(*rapid.T){
				"":            w.check,
				"call":        w.Call,
				"open":        w.Open,
				"end":         w.End,
				"reconfigure": w.Reconfigure,
				"wait":        w.Wait,
			})
			for _, o := range w.open {
				o.tok.Close()
			}
		})
	})
}
