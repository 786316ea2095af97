package guard_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// rudeError is an error whose methods do not return.
type rudeError struct{ end func() }

func (rudeError) Error() string          { return "rude" }
func (e rudeError) Unwrap() error        { e.end(); return nil }
func (e rudeError) Is(target error) bool { e.end(); return false }

// ends are the ways in which a method of an error ends its caller.
var ends = map[string]error{
	"panic":     rudeError{func() { panic("boom") }},
	"goexit":    rudeError{runtime.Goexit},
	"typed nil": (*url.Error)(nil),
}

// rudeContext is a context whose methods do not return once it is armed.
type rudeContext struct {
	context.Context
	armed func() bool
	end   func()
}

func (c rudeContext) Value(key any) any {
	if c.armed() {
		c.end()
	}
	return c.Context.Value(key)
}

func (c rudeContext) Err() error {
	if c.armed() {
		c.end()
	}
	return c.Context.Err()
}

// account is a guard with everything that a call may hold.
type account struct {
	*guard.Guard
	stage   *stage
	breaker *breaker.Breaker
	limit   *ratelimit.Limiter
	bus     *telemetry.Bus
	told    *recorder
}

func newAccount(t *testing.T, lends bool) *account {
	t.Helper()
	a := &account{stage: newStage(), bus: telemetry.NewBus(), told: &recorder{}}
	a.breaker = must(breaker.New("payments", breaker.Config{FailureThreshold: 1, Cooldown: time.Second, ProbeLease: time.Hour}, breaker.WithBus(a.bus)))
	a.limit = must(ratelimit.New("per-user", ratelimit.Config{Limit: 100, Per: 1000 * time.Hour}, ratelimit.WithBus(a.bus)))
	cfg := guard.Config{
		Breaker: a.breaker, RateLimit: a.limit, Concurrency: 5, Timeout: time.Minute, Lease: time.Hour, RefundOnFailure: true, Recorder: a.told,
	}
	if lends {
		cfg.Pool = a.stage
	}
	a.Guard = newGuard(t, cfg, guard.WithBus(a.bus))
	p := a.breaker.Allow()
	p.Failure(errDown)
	time.Sleep(time.Second) // the next call is a probe
	return a
}

// wantOneFailure asserts that one call has ended, as a failure, and left nothing.
func (a *account) wantOneFailure(t *testing.T) {
	t.Helper()
	s, b := a.Status(), a.breaker.Status()
	if s.InFlight != 0 || s.SlotsTaken != 0 || a.stage.out() != 0 || b.ProbesInFlight != 0 {
		t.Errorf("held: %d in flight, %d places, %d workers, %d probes", s.InFlight, s.SlotsTaken, a.stage.out(), b.ProbesInFlight)
	}
	if s.Results[guard.Failed] != 1 || b.State != breaker.StateOpen || b.Totals.Failures != 2 {
		t.Errorf("%d failed, the breaker is %v after %d failures", s.Results[guard.Failed], b.State, b.Totals.Failures)
	}
	if got := a.limit.Peek(ratelimit.Key{}).Remaining; got != 100 {
		t.Errorf("%d tokens are left", got)
	}
	if len(a.told.all) != 1 || a.told.all[0].Result != guard.Failed {
		t.Errorf("the recorder was told %+v", a.told.all)
	}
}

// Every way out of a call asks the error what it is: if it does not answer, the call
// is a failure, settled once, and the panic goes on to the caller.
func TestAnErrorWhoseMethodsPanicIsOneFailure(t *testing.T) {
	bad := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	ways := map[string]func(a *account, err error){
		"Do": func(a *account, err error) { _ = a.Do(context.Background(), bad(err)) },
		"Op": func(a *account, err error) {
			op := guard.Op[int]{Guard: a.Guard, Classify: func(int, error) outcome.Outcome { return outcome.Failure }}
			_, _ = op.Do(context.Background(), guard.Call{}, func(context.Context) (int, error) { return 0, err })
		},
		"DoDetached": func(a *account, err error) {
			_, _ = guard.DoDetached(context.Background(), a.Guard, guard.Call{}, func(context.Context) (int, error) { return 0, err })
		},
		"Done": func(a *account, err error) { must(a.Enter(context.Background(), guard.Call{})).Done(err) },
		"Settle": func(a *account, err error) {
			tok := must(a.Enter(context.Background(), guard.Call{}))
			defer tok.Close()
			tok.Settle(outcome.Failure, err)
		},
	}
	for way, err := range ends {
		for name, call := range ways {
			t.Run(name+" "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := newAccount(t, false)
					if cause, exited := drive(func() { call(a, err) }); cause == nil && !exited {
						t.Error("the end did not go on to the caller")
					}
					a.wantOneFailure(t)
				})
			})
		}
		t.Run("DoWith "+way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAccount(t, true)
				drive(func() {
					_, _ = guard.DoWith(context.Background(), must(guard.Bind[*conn](a.Guard)), guard.Call{},
						func(context.Context, *conn) (int, error) { return 0, err })
				})
				a.wantOneFailure(t)
				if a.stage.discarded != 1 {
					t.Errorf("%d workers were discarded", a.stage.discarded)
				}
			})
		})
	}
}

// The same for an answer that breaks off: the breaker learns of it, the place is free.
func TestARevocationByAnErrorWhoseMethodsPanic(t *testing.T) {
	for way, err := range ends {
		synctest.Test(t, func(t *testing.T) {
			a := newAccount(t, false)
			must(a.Enter(t.Context(), guard.Call{})).Done(nil) // closes the breaker
			tok := must(a.Enter(t.Context(), guard.Call{}))
			tok.Settle(outcome.Success, nil)
			drive(func() {
				defer tok.Close()
				tok.Settle(outcome.Failure, err)
			})
			if s := a.Status(); s.InFlight != 0 || s.SlotsTaken != 0 || a.breaker.State() != breaker.StateOpen {
				t.Errorf("%s: %d in flight, %d places, the breaker is %v", way, s.InFlight, s.SlotsTaken, a.breaker.State())
			}
		})
	}
}

// A context of the user's is asked when the guard lets go of it. The bug: the worker
// was lost if it did not answer.
func TestAContextThatDoesNotAnswerLosesNothing(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAccount(t, true)
				armed := false
				ctx := rudeContext{t.Context(), func() bool { return armed }, end}
				drive(func() {
					_, _ = guard.DoWith(ctx, must(guard.Bind[*conn](a.Guard)), guard.Call{}, func(context.Context, *conn) (int, error) {
						armed = true
						return 0, errDown
					})
				})
				armed = false
				a.wantOneFailure(t)
			})
		})
	}
}

// The same for a token whose outcome was told before: it leaves the calls in flight once.
func TestATokenWhoseContextDoesNotAnswerLeavesOnce(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			g := newGuard(t, guard.Config{Timeout: time.Hour, Concurrency: 5})
			other := must(g.Enter(t.Context(), guard.Call{}))
			defer other.Close()
			armed := false
			tok := must(g.Enter(rudeContext{t.Context(), func() bool { return armed }, end}, guard.Call{}))
			tok.Settle(outcome.Success, nil)
			armed = true
			drive(tok.Close)
			armed = false
			if s := g.Status(); s.InFlight != 1 || s.SlotsTaken != 1 || s.Results[guard.Succeeded] != 1 {
				t.Errorf("%s: %d in flight, %d places, %v", name, s.InFlight, s.SlotsTaken, s.Results)
			}
		})
	}
}

// A stage's error is asked for its code when the call is refused.
func TestARefusalWhoseMethodsPanicLosesNothing(t *testing.T) {
	for way, err := range ends {
		synctest.Test(t, func(t *testing.T) {
			a := newAccount(t, true)
			a.stage.says(func(context.Context) error { return err })
			drive(func() {
				_, _ = guard.DoWith(t.Context(), must(guard.Bind[*conn](a.Guard)), guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
			})
			s := a.Status()
			if s.InFlight != 0 || s.SlotsTaken != 0 || a.breaker.Status().ProbesInFlight != 0 || a.limit.Peek(ratelimit.Key{}).Remaining != 100 {
				t.Errorf("%s: %d in flight, %d places, %d tokens", way, s.InFlight, s.SlotsTaken, a.limit.Peek(ratelimit.Key{}).Remaining)
			}
		})
	}
}

// The bug: tokens were taken and the call never ran, because a handler of the rate
// limit's events had ended the goroutine in between.
func TestAHandlerThatEndsTheGoroutineCostsNoTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(t, false)
		_, _ = telemetry.Subscribe(a.bus, "rude", func(context.Context, ratelimit.RequestAllowed) { runtime.Goexit() })
		if _, exited := drive(func() { _ = a.Do(t.Context(), succeed) }); !exited {
			t.Fatal("the handler did not run")
		}
		if s := a.Status(); s.SlotsTaken != 0 || s.InFlight != 0 || a.limit.Peek(ratelimit.Key{}).Remaining != 100 {
			t.Errorf("%d places, %d in flight, %d tokens left", s.SlotsTaken, s.InFlight, a.limit.Peek(ratelimit.Key{}).Remaining)
		}
	})
}

// The same for a worker that was checked out.
func TestAHandlerThatEndsTheGoroutineCostsNoWorker(t *testing.T) {
	bus := telemetry.NewBus()
	p := must(pool.New("orders", pool.Config{Size: 1}, pool.Factory[*conn]{New: func(context.Context) (*conn, error) { return &conn{}, nil }}, pool.WithBus(bus)))
	defer func() { _ = p.Close(context.Background()) }()
	db := must(guard.Bind[*conn](newGuard(t, guard.Config{Pool: p, Concurrency: 5})))
	for range 3 {
		s, err := bus.SubscribePrefix("", "rude", func(context.Context, telemetry.Event) { runtime.Goexit() })
		if err != nil {
			t.Fatal(err)
		}
		drive(func() {
			_, _ = guard.DoWith(context.Background(), db, guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
		})
		s.Cancel()
		if st := p.Stats(); st.InUse != 0 {
			t.Errorf("%d workers are lost", st.InUse)
		}
		if s := db.Guard().Status(); s.SlotsTaken != 0 || s.InFlight != 0 {
			t.Errorf("%d places, %d in flight", s.SlotsTaken, s.InFlight)
		}
	}
}

// The bug: a place was given back twice, by the caller who had left and by the
// function when it ended.
func TestADetachedCallGivesItsPlaceBackOnce(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuard(t, guard.Config{Concurrency: 2, Recorder: rude(end)})
				other := must(g.Enter(t.Context(), guard.Call{Lease: -1}))
				gone, leave := context.WithCancelCause(t.Context())
				hold := make(chan struct{})
				drive(func() {
					leaving := rudeContext{gone, func() bool { return gone.Err() != nil }, end}
					_, _ = guard.DoDetached(leaving, g, guard.Call{}, func(context.Context) (int, error) {
						leave(errDown)
						<-hold
						return 0, nil
					})
				})
				if taken := g.Status().SlotsTaken; taken != 2 {
					t.Errorf("%d places are taken while both calls run", taken)
				}
				close(hold)
				synctest.Wait()
				if taken := g.Status().SlotsTaken; taken != 1 {
					t.Errorf("%d places are taken, one call runs", taken)
				}
				drive(other.Close)
				if taken := g.Status().SlotsTaken; taken != 0 {
					t.Errorf("%d places are taken", taken)
				}
			})
		})
	}
}

// The bug: a refusal, or an error marked as neutral, hid the failure beside it.
func TestAFailureBesideARefusalCounts(t *testing.T) {
	refusal := fault.New(fault.Spec{Code: fault.RateLimited})
	for name, c := range map[string]struct {
		err  error
		want guard.Result
	}{
		"refusal":                 {fmt.Errorf("x: %w", refusal), guard.Indifferent},
		"refusals":                {errors.Join(refusal, refusal), guard.Indifferent},
		"failure and refusal":     {errors.Join(errDown, refusal), guard.Failed},
		"refusal and failure":     {fmt.Errorf("x: %w", errors.Join(refusal, errDown)), guard.Failed},
		"neutral":                 {fmt.Errorf("x: %w", guard.Neutral(errDown)), guard.Indifferent},
		"neutral as a whole":      {guard.Neutral(errors.Join(errDown, refusal)), guard.Indifferent},
		"neutral, each":           {errors.Join(guard.Neutral(errDown), guard.Neutral(errDown)), guard.Indifferent},
		"neutral and refusal":     {errors.Join(guard.Neutral(errDown), refusal), guard.Indifferent},
		"neutral of its own code": {errors.Join(guard.Neutral(fault.New(fault.Spec{Code: fault.OperationFailed})), refusal), guard.Indifferent},
		"neutral beside failure":  {errors.Join(guard.Neutral(errDown), errDown), guard.Failed},
		"failure beside a worker": {errors.Join(refusal, fault.New(fault.Spec{Code: fault.WorkerFailed})), guard.Failed},
	} {
		g := newGuard(t, guard.Config{})
		_ = g.Do(t.Context(), func(context.Context) error { return c.err })
		if got := g.Status().Results; got[c.want] != 1 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A worker that cannot be made further in is the dependency's failure as it is in the
// guard's own pool: the classifier, which is asked about no refusal, cannot hide it.
func TestAWorkerThatCannotBeMadeFurtherInIsNotClassified(t *testing.T) {
	unmade := fault.New(fault.Spec{Code: fault.WorkerFailed, Cause: errDown})
	unable := fault.New(fault.Spec{Code: fault.WorkerFailed, Cause: syscall.EMFILE})
	refusal := fault.New(fault.Spec{Code: fault.RateLimited, Cause: unmade})
	for name, c := range map[string]struct {
		err   error
		want  guard.Result
		asked bool
	}{
		"unmade":                     {unmade, guard.Failed, false},
		"wrapped":                    {fmt.Errorf("x: %w", unmade), guard.Failed, false},
		"beside a refusal":           {errors.Join(refusal, unmade), guard.Failed, false},
		"beside another error":       {errors.Join(errDown, unmade), guard.Failed, false},
		"found neutral":              {guard.Neutral(unmade), guard.Indifferent, false},
		"neutral beside a failure":   {errors.Join(guard.Neutral(unmade), errDown), guard.Succeeded, true},
		"this machine's lack":        {unable, guard.Indifferent, false},
		"a lack beside a failure":    {errors.Join(unable, errDown), guard.Succeeded, true},
		"the reason for a refusal":   {refusal, guard.Indifferent, false},
		"the reason for a failure":   {fault.New(fault.Spec{Code: fault.OperationFailed, Cause: unmade}), guard.Succeeded, true},
		"nothing to do with workers": {errDown, guard.Succeeded, true},
	} {
		asked := 0
		classify := func(error) outcome.Outcome { asked++; return outcome.Success }
		op := guard.Op[int]{Guard: newGuard(t, guard.Config{}), Classify: func(_ int, err error) outcome.Outcome { return classify(err) }}
		g := newGuard(t, guard.Config{Classify: classify})
		_ = g.Do(t.Context(), func(context.Context) error { return c.err })
		_, _ = op.Do(t.Context(), guard.Call{}, func(context.Context) (int, error) { return 0, c.err })
		if got, ofOp := g.Status().Results, op.Guard.Status().Results; got[c.want] != 1 || ofOp[c.want] != 1 || asked > 0 != c.asked {
			t.Errorf("%s: %v and %v, want %v, asked %d times", name, got, ofOp, c.want, asked)
		}
	}
}

// The bug: a guard asked the error whose pointer was nil, and the call panicked.
func TestANilFaultIsAFailureOfTheCall(t *testing.T) {
	var none *fault.Error
	b := newBreaker(t, breaker.Config{FailureThreshold: 3})
	g := newGuard(t, guard.Config{Breaker: b})
	for _, err := range []error{none, fmt.Errorf("x: %w", none), errors.Join(fault.RateLimited, none)} {
		if got := g.Do(t.Context(), func(context.Context) error { return err }); got != err { //nolint:errorlint // not wrapped is what is promised
			t.Errorf("got %v, want %v", got, err)
		}
	}
	if g.Status().Results[guard.Failed] != 3 || b.State() != breaker.StateOpen {
		t.Errorf("%v, the breaker is %v", g.Status().Results, b.State())
	}
	s := newStage()
	s.says(func(context.Context) error { return none })
	lends := newGuard(t, guard.Config{Pool: s})
	_, err := guard.DoWith(t.Context(), must(guard.Bind[*conn](lends)), guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
	if err == nil || lends.Status().Refused[fault.Unavailable] != 1 {
		t.Errorf("%v, refused %v", err, lends.Status().Refused)
	}
}

// hollow is a lender that forgot what it lends.
type hollow struct{ stage }

func (*hollow) WorkerType() reflect.Type { return nil }

func (*hollow) Checkout(context.Context, pool.CheckoutOptions) (pool.Loan, error) {
	return pool.Loan{}, nil
}

func (*hollow) Return(pool.Loan, pool.Fate) { panic("nothing was lent") }

func TestALenderThatLendsNothingFailsTheCall(t *testing.T) {
	for _, in := range []mode.Mode{mode.Enforce, mode.Shadow, mode.Off} {
		h, b := &hollow{}, newBreaker(t, breaker.Config{FailureThreshold: 1})
		good := newGuard(t, guard.Config{Pool: newStage()})
		db := must(guard.Bind[*conn](good))
		if err := good.Reconfigure(guard.Config{Pool: h, Breaker: b, Concurrency: 1, Mode: in}); err != nil {
			t.Fatal(err)
		}
		_, err := guard.DoWith(t.Context(), db, guard.Call{}, func(context.Context, *conn) (int, error) { t.Error("called"); return 0, nil })
		wantCode(t, err, fault.Internal)
		if err == nil || !strings.Contains(err.Error(), "*guard_test.hollow") {
			t.Errorf("%v: it does not name the lender: %v", in, err)
		}
		if s := good.Status(); s.Refused[fault.Internal] != 1 || s.SlotsTaken != 0 || b.State() != breaker.StateClosed {
			t.Errorf("%v: refused %v, %d places, the breaker is %v", in, s.Refused, s.SlotsTaken, b.State())
		}
	}
}

func TestALenderWithoutATypeCannotBeBound(t *testing.T) {
	g := newGuard(t, guard.Config{Pool: &hollow{}})
	_, concrete := guard.Bind[*conn](g)
	_, wide := guard.Bind[any](g)
	wantCode(t, concrete, fault.InvalidArgument)
	wantCode(t, wide, fault.InvalidArgument)
}

// stubborn is a lender whose Return panics.
type stubborn struct {
	*stage
	returns int
}

func (s *stubborn) Return(l pool.Loan, fate pool.Fate) {
	s.returns++
	s.stage.Return(l, fate)
	panic("returned")
}

// A lender that panics gets its worker back once, and the guard keeps nothing.
func TestALenderThatPanicsGetsItsWorkerBackOnce(t *testing.T) {
	for name, c := range map[string]struct {
		fn      func(context.Context) error
		refuses bool
	}{"success": {succeed, false}, "failure": {fail, false}, "panic": {panics, false}, "refusal": {succeed, true}} {
		s, b := &stubborn{stage: newStage()}, newBreaker(t, breaker.Config{FailureThreshold: 1})
		s.says(func(context.Context) error {
			if c.refuses { // between the look and the permit
				p := b.Allow()
				p.Failure(errDown)
			}
			return nil
		})
		g := newGuard(t, guard.Config{Pool: s, Breaker: b, Concurrency: 1})
		panicked, _ := drive(func() {
			_, _ = guard.DoWith(context.Background(), must(guard.Bind[*conn](g)), guard.Call{}, func(ctx context.Context, _ *conn) (int, error) { return 0, c.fn(ctx) })
		})
		if st := g.Status(); panicked != "returned" || s.returns != 1 || s.out() != 0 || st.SlotsTaken != 0 || st.InFlight != 0 {
			t.Errorf("%s: panicked with %v, %d returns, %d workers, %d places, %d in flight", name, panicked, s.returns, s.out(), st.SlotsTaken, st.InFlight)
		}
	}
}
