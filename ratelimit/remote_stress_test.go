package ratelimit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
)

// tally is a remote that admits and balances what it gave with what it got back.
type tally struct{ taken, back atomic.Int64 }

func (t *tally) Take(_ context.Context, ask ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	t.taken.Add(ask.Cost)
	return ratelimit.Decision{OK: true, Source: ratelimit.Shared, Limit: ask.Config.Limit, Taken: ask.Cost, Mark: 7}, nil
}

func (t *tally) Peek(context.Context, ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	return ratelimit.Decision{OK: true}, nil
}

func (t *tally) Refund(ask ratelimit.RemoteCall, d ratelimit.Decision) {
	if d.Mark != 7 || d.Taken != ask.Cost {
		panic("not a receipt of this remote")
	}
	t.back.Add(d.Taken)
}

func (t *tally) Reset(context.Context, ratelimit.RemoteCall) error { return nil }

// Whatever is changed while calls run, each receipt is given back once, and where it is from.
func TestNoReceiptIsLostWhileRemotesChange(t *testing.T) {
	l, other := must(t, ratelimit.Config{Limit: 1 << 40}), must(t, ratelimit.Config{Limit: 1 << 40})
	remotes := [2]*tally{{}, {}}
	var done atomic.Bool
	var callers, changers sync.WaitGroup
	for i := range 4 {
		callers.Go(func() {
			for n := 0; n < 20_000 || remotes[0].taken.Load() == 0 || remotes[1].taken.Load() == 0; n++ {
				d := l.AllowN(ratelimit.KeyOf(n%7, i), int64(n%3+1))
				if !d.OK {
					t.Error("refused")
				}
				if d.Refund(); d.Taken != 0 {
					t.Error("something was kept")
				}
				d.Refund()
			}
		})
	}
	change := func(fn func(i int) error) {
		changers.Go(func() {
			for i := 0; !done.Load(); i++ {
				if err := fn(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	change(func(i int) error {
		l.SetRemote([]ratelimit.Remote{remotes[0], nil, remotes[1]}[i%3])
		other.SetRemote([]ratelimit.Remote{nil, remotes[1]}[i%2])
		return nil
	})
	change(func(i int) error { return l.SetParent([]*ratelimit.Limiter{nil, other}[i%2]) })
	change(func(i int) error {
		return l.Reconfigure(ratelimit.Config{Limit: 1 << 40, Per: time.Duration(i%5+1) * time.Second})
	})
	callers.Wait()
	done.Store(true)
	changers.Wait()
	for i, r := range remotes {
		if r.taken.Load() != r.back.Load() || r.taken.Load() == 0 {
			t.Errorf("remote %d gave %d and got %d back", i, r.taken.Load(), r.back.Load())
		}
	}
}
