package ratelimit_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// away is a remote that counts by a limiter of its own and remembers what it was asked.
type away struct {
	counts *ratelimit.Limiter

	mu      sync.Mutex // guards the fields below
	calls   []string   // "take user/42 1"
	asks    []ratelimit.RemoteCall
	ctxs    []context.Context
	refunds []ratelimit.Decision
	err     error
	source  ratelimit.Source
}

func newAway(tb testing.TB, c ratelimit.Config) *away {
	c.Mode = mode.Enforce
	return &away{counts: must(tb, c), source: ratelimit.Shared}
}

func (a *away) note(ctx context.Context, what string, ask ratelimit.RemoteCall) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, what+" "+ask.Key.Text())
	a.asks, a.ctxs = append(a.asks, ask), append(a.ctxs, ctx)
	return a.err
}

func (a *away) Take(ctx context.Context, ask ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	if err := a.note(ctx, "take", ask); err != nil {
		return d, err
	}
	d = a.counts.AllowN(ask.Key, ask.Cost)
	d.Source = a.source
	return d, nil
}

func (a *away) Peek(ctx context.Context, ask ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	if err := a.note(ctx, "peek", ask); err != nil {
		return d, err
	}
	d = a.counts.PeekAt(ask.Now, ask.Key, ask.Cost)
	d.Source = a.source
	return d, nil
}

func (a *away) Refund(ask ratelimit.RemoteCall, d ratelimit.Decision) {
	_ = a.note(context.Background(), "refund", ask)
	a.mu.Lock()
	a.refunds = append(a.refunds, d)
	a.mu.Unlock()
	d.RefundAt(ask.Now)
}

func (a *away) Reset(ctx context.Context, ask ratelimit.RemoteCall) error {
	if err := a.note(ctx, "reset", ask); err != nil {
		return err
	}
	return a.counts.Reset(ask.Key, "")
}

// asked returns what the remote was asked since the last time.
func (a *away) asked() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.calls, a.asks, a.ctxs = nil, nil, nil }()
	return strings.Join(a.calls, ", ")
}

func (a *away) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

// remotely returns a limiter that counts by a remote.
func remotely(tb testing.TB, c ratelimit.Config, opts ...ratelimit.Option) (*ratelimit.Limiter, *away) {
	tb.Helper()
	l, err := ratelimit.New("rule", c, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	a := newAway(tb, c)
	l.SetRemote(a)
	return l, a
}

func TestARemoteDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := remotely(t, ratelimit.Config{Limit: 3, Per: time.Minute, Parts: 1})
		type pocket struct{}
		ctx := context.WithValue(t.Context(), pocket{}, 1)
		now := clock.Now()
		var d ratelimit.Decision
		if waited, err := l.Admit(ctx, &d, now, &user, 2, -1); waited || err != nil || !d.OK {
			t.Fatal(d, err)
		}
		if d.Source != ratelimit.Shared || d.Limit != 3 || d.Remaining != 1 || d.Taken != 2 || d.ResetAfter != 40*time.Second {
			t.Errorf("the numbers are not the remote's: %+v", d)
		}
		ask := a.asks[0]
		if a.ctxs[0] != ctx || ask.Rule != "rule" || ask.Cost != 2 || ask.Now != now || ask.Config.Burst != 3 || ask.Key.Text() != "user" {
			t.Errorf("the remote was asked %+v", ask)
		}
		if d := l.AllowN(user, 2); d.OK || d.RetryAfter != 20*time.Second || !errors.Is(d.Err(), fault.RateLimited) || d.Taken != 0 {
			t.Errorf("the fourth: %+v", d)
		}
		if d := l.Peek(user); !d.OK || d.Remaining != 1 || d.Taken != 0 || d.Source != ratelimit.Shared {
			t.Errorf("a look: %+v", d)
		}
		if q, ok := d.Quota(); !ok || q.Limit != 3 || q.Remaining != 1 || q.Window != time.Minute {
			t.Errorf("the quota is %+v, %v", q, ok)
		}
		if got := a.asked(); got != "take user, take user, peek user" {
			t.Error(got)
		}
		d.Refund()
		d.Refund()
		if got := a.asked(); got != "refund user" || a.refunds[0].Taken != 2 || d.Taken != 0 {
			t.Errorf("%s, %+v", got, a.refunds)
		}
		if d := l.Peek(user); d.Remaining != 3 {
			t.Errorf("after the refund: %+v", d)
		}
		if st := l.Status(); !st.Remote || st.Allowed != 1 || st.Denied != 1 || st.TrackedKeys != 0 || len(st.TopDenied) != 1 {
			t.Errorf("the status: %+v", st)
		}
	})
}

func TestARemoteIsAskedOnlyForWhatItCanAdmit(t *testing.T) {
	l, a := remotely(t, ratelimit.Config{Limit: 3})
	for cost, want := range map[int64]string{-1: "peek user/42", 4: "peek user/42", 0: "take user/42"} {
		d := l.AllowN(user, cost)
		if got := a.asked(); got != want || d.OK != (cost == 0) || d.Remaining != 3 || d.Taken != 0 {
			t.Errorf("a cost of %d: %s, %+v", cost, got, d)
		}
		if d.Refund(); a.asked() != "" {
			t.Error("something was given back")
		}
	}
	if err := l.Reconfigure(ratelimit.Config{Limit: -1}); err != nil {
		t.Fatal(err)
	}
	if d := l.Allow(user); d.OK || d.Code() != fault.RateLimited || a.asked() != "" {
		t.Errorf("a rule that refuses every call: %+v", d)
	}
}

func TestWhatARemoteCannotDecideIsRefused(t *testing.T) {
	l, a := remotely(t, ratelimit.Config{Limit: 3})
	own := fault.New(fault.Spec{Code: fault.Unavailable, Component: "rate_limiter", Name: "rule", RetryAt: time.Now().Add(time.Hour)})
	plain := errors.New("connection refused")
	for _, failed := range []error{own, plain} {
		a.fail(failed)
		d := l.Allow(user)
		if d.OK || d.Code() != fault.Unavailable || !errors.Is(d.Err(), failed) || !errors.Is(d.Err(), fault.Unavailable) || d.Taken != 0 {
			t.Errorf("%v: %+v, %v", failed, d, d.Err())
		}
		if _, told := d.Quota(); told {
			t.Error("a quota that nobody knows was told")
		}
		if errors.Is(failed, own) && (!errors.Is(d.Err(), own) || d.RetryAfter < 59*time.Minute) {
			t.Errorf("its own fault: %+v, %v", d, d.Err())
		}
		if d := l.Peek(user); d.OK || d.Code() != fault.Unavailable {
			t.Errorf("a look: %+v", d)
		}
		if err := l.Reset(user, ""); !errors.Is(err, failed) || !errors.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		if err := l.Wait(t.Context(), user); !errors.Is(err, failed) {
			t.Error(err)
		}
	}
	a.asked()
	if d := l.AllowN(user, 4); d.Code() != fault.InvalidArgument || d.Limit != 3 {
		t.Errorf("too much, whoever counts: %+v", d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.fail(context.Canceled)
	var d ratelimit.Decision
	if _, err := l.Admit(ctx, &d, clock.Now(), &user, 1, -1); err != nil || d.Code() != fault.Canceled {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestARemoteInOtherModes(t *testing.T) {
	l, a := remotely(t, ratelimit.Config{Limit: 1, Per: time.Hour, Mode: mode.Shadow})
	take(l, user, 1)
	if d := l.Allow(user); !d.OK || !d.WouldRefuse() || d.Taken != 0 || d.Code() != fault.RateLimited {
		t.Errorf("shadow mode: %+v", d)
	}
	a.fail(errors.New("away"))
	if d := l.Allow(user); !d.OK || !d.WouldRefuse() || d.Code() != fault.Unavailable || d.Err() != nil {
		t.Errorf("shadow mode while the remote is away: %+v", d)
	}
	if st := l.Status(); st.Allowed != 1 || st.WouldRefuse != 2 {
		t.Errorf("%+v", st)
	}
	a.asked()
	if err := l.Reconfigure(ratelimit.Config{Limit: 1, Per: time.Hour, Mode: mode.Off}); err != nil {
		t.Fatal(err)
	}
	if d := l.Allow(user); !d.OK || a.asked() != "" {
		t.Errorf("a rule that is off asked its remote: %+v", d)
	}
}

func TestChainsOfRemotes(t *testing.T) {
	long := func(limit int64) ratelimit.Config { return ratelimit.Config{Limit: limit, Per: time.Hour} }
	for name, remote := range map[string][3]bool{
		"local, remote, remote": {false, true, true}, "remote, local, local": {true, false, false},
		"remote, remote, local": {true, true, false}, "remote, remote, remote": {true, true, true}, "local, local, remote": {false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			var rules [3]*ratelimit.Limiter
			var remotes [3]*away
			for i := range rules {
				rules[i] = must(t, long(int64(9-3*i)))
				if i > 0 {
					if err := rules[i-1].SetParent(rules[i]); err != nil {
						t.Fatal(err)
					}
				}
				if remotes[i] = newAway(t, long(int64(9-3*i))); remote[i] {
					rules[i].SetRemote(remotes[i])
				}
			}
			if got := take(rules[0], user, 5); got != 3 { // the topmost refuses, and the others are given back
				t.Fatal("admitted", got)
			}
			for i, rule := range rules {
				if d := rule.Peek(user); d.Remaining != min(int64(6-3*i), 0) && rule == rules[2] {
					t.Errorf("rule %d: %+v", i, d)
				}
				if remote[i] {
					if d := remotes[i].counts.Peek(user); d.Remaining != int64(6-3*i) {
						t.Errorf("the remote of rule %d has %d left", i, d.Remaining)
					}
				}
			}
			for range 3 { // each refund goes where it came from, and does so once
				if err := rules[2].Reset(user, ""); err != nil {
					t.Fatal(err)
				}
				d := rules[0].Allow(user)
				before := make([]int64, 3)
				for i, a := range remotes {
					before[i] = a.counts.Peek(user).Remaining
				}
				d.Refund()
				d.Refund()
				for i, a := range remotes {
					if got := a.counts.Peek(user).Remaining; remote[i] && got != before[i]+1 {
						t.Errorf("rule %d: %d left, %d after the refund", i, before[i], got)
					}
				}
			}
		})
	}
}

func TestARefusalAsksNoRemoteParent(t *testing.T) {
	parent, a := remotely(t, ratelimit.Config{Limit: 10, Per: time.Hour})
	top := must(t, ratelimit.Config{Limit: 1, Per: 24 * time.Hour})
	child := must(t, ratelimit.Config{Limit: 1, Per: time.Minute})
	if err := errors.Join(child.SetParent(parent), parent.SetParent(top)); err != nil {
		t.Fatal(err)
	}
	take(child, user, 1)
	a.asked()
	if d := child.Allow(user); d.OK || d.RetryAfter < time.Hour || a.asked() != "" {
		t.Errorf("%+v", d)
	}
}

func TestRemotesComeAndGo(t *testing.T) {
	l, first := remotely(t, ratelimit.Config{Limit: 5, Per: time.Hour})
	d := l.Allow(user)
	second := newAway(t, ratelimit.Config{Limit: 5, Per: time.Hour})
	l.SetRemote(second)
	take(l, user, 2)
	l.SetRemote(nil)
	if got := l.Peek(user); got.Remaining != 5 || got.Source != ratelimit.Local || l.Status().Remote {
		t.Errorf("the limiter has counted %+v while remotes did", got)
	}
	d.Refund()
	if got := first.counts.Peek(user).Remaining; got != 5 {
		t.Errorf("the first remote has %d left", got)
	}
	if got := second.counts.Peek(user).Remaining; got != 3 {
		t.Errorf("the second remote has %d left", got)
	}
}

func TestARemoteOfAReservation(t *testing.T) {
	l, _ := remotely(t, ratelimit.Config{Limit: 1, Per: time.Hour, Algorithm: ratelimit.LeakyBucket})
	one, two := l.Reserve(user, 1), l.Reserve(user, 1)
	if !one.OK || one.Delay() != 0 || two.OK || two.Decision.RetryAfter < 59*time.Minute {
		t.Errorf("%+v, %+v", one, two)
	}
	one.Decision.Refund()
	if three := l.Reserve(user, 1); !three.OK {
		t.Errorf("%+v", three)
	}
}

// Calls of a process wait in one line and ask when it is their turn.
func TestWaitingForARemote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := remotely(t, ratelimit.Config{Limit: 1, Per: time.Second, Burst: 3, Algorithm: ratelimit.LeakyBucket})
		take(l, user, 1)
		start, turns := time.Now(), make([]time.Duration, 3)
		var wg sync.WaitGroup
		for i := range turns {
			wg.Go(func() {
				var d ratelimit.Decision
				if waited, err := l.Admit(t.Context(), &d, clock.Now(), &user, 1, 0); !waited || err != nil || d.Source != ratelimit.Shared {
					t.Error(i, waited, err)
				}
				turns[i] = time.Since(start)
			})
			synctest.Wait()
		}
		a.asked()
		var d ratelimit.Decision
		if _, err := l.Admit(t.Context(), &d, clock.Now(), &user, 1, 0); !errors.Is(err, fault.RateLimited) || d.RetryAfter != 4*time.Second {
			t.Errorf("a fourth waits where three may: %+v, %v", d, err)
		}
		short, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		if err := l.Wait(short, user); !errors.Is(err, fault.RateLimited) || time.Since(start) != 0 {
			t.Errorf("a turn that comes after the deadline: %v", err)
		}
		if got := a.asked(); strings.Contains(got, "take") {
			t.Errorf("calls overtook those that wait: %s", got)
		}
		wg.Wait()
		if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(turns, want) {
			t.Errorf("the turns came after %v", turns)
		}
	})
}

func TestWaitingForARemoteEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := remotely(t, ratelimit.Config{Limit: 1, Per: time.Minute, Burst: 3, Algorithm: ratelimit.LeakyBucket})
		d := l.Allow(user)
		ended := make(chan error, 1)
		wait := func(ctx context.Context) { go func() { ended <- l.Wait(ctx, user) }(); synctest.Wait() }
		wait(t.Context())
		start := time.Now()
		if d.Refund(); <-ended != nil || time.Since(start) != 0 {
			t.Error("a refund did not wake the first in line")
		}
		wait(t.Context())
		if err := l.Reset(user, ""); err != nil || <-ended != nil || time.Since(start) != 0 {
			t.Error("a reset did not wake the first in line", err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		wait(ctx)
		cause := errors.New("closed")
		cancel(cause)
		if err := <-ended; !errors.Is(err, fault.Canceled) || !errors.Is(err, cause) {
			t.Error(err)
		}
		wait(t.Context())
		away := fault.New(fault.Spec{Code: fault.Unavailable, RetryAt: time.Now().Add(time.Hour)})
		a.fail(away)
		if err := <-ended; !errors.Is(err, away) || time.Since(start) != time.Minute {
			t.Error(err, time.Since(start))
		}
		a.fail(nil)
		wait(t.Context())
		l.SetRemote(nil)
		if err := <-ended; err != nil || time.Since(start) != time.Minute {
			t.Error("the end of the remote did not wake the first in line", err)
		}
	})
}

func TestEventsOfARemoteLimiter(t *testing.T) {
	bus := telemetry.NewBus()
	l, a := remotely(t, ratelimit.Config{Limit: 1, Per: time.Hour}, ratelimit.WithBus(bus))
	var seen []string
	_, allowed := telemetry.Subscribe(bus, "a", func(_ context.Context, e ratelimit.RequestAllowed) { seen = append(seen, "allowed "+e.Key) })
	_, denied := telemetry.Subscribe(bus, "d", func(_ context.Context, e ratelimit.RequestDenied) { seen = append(seen, "denied "+e.By) })
	_, reset := telemetry.Subscribe(bus, "r", func(_ context.Context, e ratelimit.KeyReset) { seen = append(seen, "reset "+e.Actor) })
	if err := errors.Join(allowed, denied, reset); err != nil {
		t.Fatal(err)
	}
	take(l, user, 2)
	if err := l.Reset(user, "ops"); err != nil {
		t.Fatal(err)
	}
	a.fail(errors.New("away"))
	take(l, user, 1)
	_ = l.Reset(user, "ops")
	if want := []string{"allowed user/42", "denied rule", "reset ops", "denied rule"}; !slices.Equal(seen, want) {
		t.Errorf("%q", seen)
	}
}
