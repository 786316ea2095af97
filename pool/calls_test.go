package pool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

// What a monitor pulls of the waits: every borrower once, by how it ended, and how long
// it waited.
func TestTheWaitsOfAPoolArePulled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1, MaxWaiters: 1, CheckoutTimeout: 2 * time.Second, Backoff: time.Hour, BackoffMax: time.Hour}, s)
		defer shut(t, p)
		var got telemetry.Calls
		mark := p.ReadWaits(&got, 0)
		pulled := func(what string, succeeded, failed, ignored, waited uint64, took time.Duration) {
			t.Helper()
			got.Refused = 99 // of another part, whose value this was
			next := p.ReadWaits(&got, mark)
			if next == mark || p.ReadWaits(&got, next) != next {
				t.Errorf("%s: the mark is %d after %d", what, next, mark)
			}
			mark = next
			if got.Succeeded != succeeded || got.Failed != failed || got.Ignored != ignored || got.Refused != 0 ||
				got.Took.Count() != waited || got.Took.Total().Round(time.Second) != took {
				t.Errorf("%s: %d succeeded, %d failed, %d ignored, %d refused, %d waited for %v", what,
					got.Succeeded, got.Failed, got.Ignored, got.Refused, got.Took.Count(), got.Took.Total())
			}
		}
		acquire(t, p).Release()
		l := acquire(t, p)
		pulled("lent", 2, 0, 0, 2, 0)
		waiting := make(chan error, 1)
		go func() {
			_, err := p.Acquire(background)
			waiting <- err
		}()
		synctest.Wait()
		_, err := p.Acquire(background)
		wantCode(t, err, fault.PoolFull)
		pulled("full", 2, 1, 0, 2, 0)
		wantCode(t, <-waiting, fault.PoolTimeout)
		pulled("timed out", 2, 2, 0, 3, 2*time.Second)
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(time.Second, cancel)
		go func() {
			_, err := p.Acquire(ctx)
			waiting <- err
		}()
		synctest.Wait()
		for range 2 {
			_, err = p.Acquire(background)
			wantCode(t, err, fault.PoolFull)
		}
		wantCode(t, <-waiting, fault.Canceled)
		pulled("canceled", 2, 4, 1, 4, 3*time.Second)
		s.down.Store(true)
		l.Destroy()
		synctest.Wait()
		if _, err = p.Acquire(background); !errors.Is(err, fault.WorkerFailed) {
			t.Error(err)
		}
		pulled("failed", 2, 5, 1, 5, 3*time.Second)
	})
}

// A worker that was lent from a lane is among the waits, and a borrower of it waited for
// no time.
func TestTheWaitsOfLanesArePulled(t *testing.T) {
	p := crowded(t, pool.Config{Size: 1}, &server{})
	var before, got telemetry.Calls
	mark := p.ReadWaits(&before, 0)
	acquire(t, p).Release()
	next := p.ReadWaits(&got, mark)
	if p.LaneLends() == 0 || next == mark || got.Succeeded != before.Succeeded+1 || got.Took.Bucket(0) != before.Took.Bucket(0)+1 {
		t.Errorf("%d lent, %d for no wait", got.Succeeded, got.Took.Bucket(0))
	}
}

// What a monitor pulls of the uses is for how long each worker was out.
func TestTheUsesOfAPoolArePulled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1}, &server{})
		defer shut(t, p)
		got := telemetry.Calls{Succeeded: 9, Failed: 9, Ignored: 9, Refused: 9}
		mark := p.ReadUses(&got, 0)
		for n := range uint64(2) {
			l := acquire(t, p)
			time.Sleep(time.Second)
			if got.InFlight = 0; p.ReadUses(&got, mark) != 0 || got.InFlight != 1 {
				t.Errorf("%d workers are lent", got.InFlight)
			}
			l.Release()
			got.InFlight = 0
			next := p.ReadUses(&got, mark)
			if got.InFlight != 0 {
				t.Errorf("%d workers are lent after the return", got.InFlight)
			}
			if next == mark || p.ReadUses(&got, next) != next {
				t.Errorf("the mark is %d after %d", next, mark)
			}
			mark = next
			if got.Took.Count() != n+1 || got.Took.Total() != time.Duration(n+1)*time.Second || got.Succeeded != n+1 || got.Failed+got.Ignored+got.Refused != 0 {
				t.Errorf("%d uses of %v, %+v", got.Took.Count(), got.Took.Total(), got.Succeeded)
			}
			var first telemetry.Calls
			if p.ReadUses(&first, 0) != mark || first.Succeeded != n+1 {
				t.Errorf("whoever pulls for the first time gets %d uses", first.Succeeded)
			}
		}
	})
}
