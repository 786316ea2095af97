package experiments_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
)

// phase is a stretch of constant load, open-loop: calls arrive at random (Poisson) whatever
// becomes of those before them, and nobody tries again.
type phase struct {
	lasts          time.Duration
	critical, bulk float64       // offered, in multiples of the capacity
	slower         float64       // how many times as long service takes; 0 means 1
	places         int           // of the upstream; 0 means all
	delay          time.Duration // on the way, which takes no place
}

func (p phase) offered() float64 { return p.critical + p.bulk }

// trial is one run of one contender.
type trial struct {
	contender contender
	phases    []phase
	seed      uint64
}

// verdict is how a call ended for its caller.
type verdict uint8

const (
	good    verdict = iota // answered within the deadline
	late                   // cut off at the deadline
	refused                // refused by a guard, at once
)

// call is what became of one call.
type call struct {
	at       time.Duration // its arrival, from the beginning of the run
	priority guard.Priority
	takes    time.Duration // in service, at the usual speed
	took     time.Duration // in all
	end      verdict
}

// run makes the calls of a trial, in a bubble, and returns when the last has ended.
func (tr trial) run(t *testing.T) []*call {
	t.Helper()
	var calls []*call
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		u := &upstream{notices: tr.contender.notices, during: func(at time.Time) phase { return during(tr.phases, at.Sub(begin)) }}
		do := tr.contender.protect(t)
		random := rand.New(rand.NewPCG(tr.seed, 0))
		var pending sync.WaitGroup
		defer pending.Wait()
		var from, at time.Duration
		for _, p := range tr.phases {
			for at = from; ; {
				at += time.Duration(random.ExpFloat64() / (p.offered() * capacity) * float64(time.Second))
				if at >= from+p.lasts {
					break
				}
				c := p.draw(random, at)
				calls = append(calls, c)
				time.Sleep(at - time.Since(begin))
				pending.Go(func() { c.make(t, do, u, tr.contender.queues) })
			}
			from += p.lasts
		}
	})
	return calls
}

// during is the phase at a time; after the last one all is as usual.
func during(phases []phase, at time.Duration) phase {
	for _, p := range phases {
		if at < p.lasts {
			return p
		}
		at -= p.lasts
	}
	return phase{}
}

// draw makes a call; all that is random about it is drawn here, in the order of arrival.
func (p phase) draw(random *rand.Rand, at time.Duration) *call {
	c := &call{at: at, priority: guard.Bulk, takes: time.Duration(random.ExpFloat64() * float64(service))}
	if random.Float64()*p.offered() < p.critical {
		c.priority = guard.Critical
	}
	return c
}

func (c *call) make(t *testing.T, do caller, u *upstream, queues bool) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	begin := time.Now()
	err := do(ctx, c.priority, func(ctx context.Context) error { return u.serve(ctx, c.takes) })
	c.took = time.Since(begin)
	switch {
	case err == nil:
		c.end = good
	case errors.Is(err, context.DeadlineExceeded):
		c.end = late
	default:
		_, ours := errors.AsType[*fault.Error](err)
		if !ours && !errors.Is(err, adaptivelimiter.ErrExceeded) && !errors.Is(err, errFull) || c.took > 0 && !queues {
			t.Errorf("after %v: %v", c.took, err)
		}
		c.end = refused
	}
}
