package experiments_test

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/guard"
)

// goZero is a model of the shedder of go-zero (core/load/adaptiveshedder.go) with its defaults. Its
// condition that the processor is busy is left out, as always true: virtual time knows no
// processor, and the package reads that of this machine. So it is its rule for the calls in
// flight that is measured: refuse while both the calls in flight and their moving average are
// above the most calls that a tenth of a second answered times the least mean latency of one,
// both of the last five seconds.
type goZero struct {
	mu     sync.Mutex
	flying float64
	avg    float64
	passes [50]goZeroBucket
}

type goZeroBucket struct {
	tick        int64
	passed, sum float64 // calls, milliseconds
}

const goZeroTick = 100 * time.Millisecond

func (z *goZero) do(ctx context.Context, _ guard.Priority, op func(context.Context) error) error {
	if !z.take() {
		return errFull
	}
	began := time.Now()
	err := op(ctx)
	z.mu.Lock()
	defer z.mu.Unlock()
	z.flying--
	z.avg = 0.9*z.avg + 0.1*z.flying
	if err == nil {
		b := z.bucket(time.Now().UnixNano() / int64(goZeroTick))
		b.passed++
		b.sum += math.Ceil(time.Since(began).Seconds() * 1000)
	}
	return err
}

func (z *goZero) bucket(tick int64) *goZeroBucket {
	b := &z.passes[tick%int64(len(z.passes))]
	if b.tick != tick {
		*b = goZeroBucket{tick: tick}
	}
	return b
}

func (z *goZero) take() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	most, least := 1.0, 1000.0
	now := time.Now().UnixNano() / int64(goZeroTick)
	for _, b := range z.passes {
		if b.tick >= now || b.tick <= now-int64(len(z.passes)) || b.passed == 0 {
			continue // it does not count the current one
		}
		most, least = max(most, b.passed), min(least, math.Round(b.sum/b.passed))
	}
	bound := max(1, most*least*float64(time.Second/goZeroTick)/1000)
	if z.avg > bound && z.flying > bound {
		return false
	}
	z.flying++
	return true
}

func goZeroShedder() contender {
	return contender{name: "go-zero shedder", color: 4, protect: func(t *testing.T) caller {
		t.Helper()
		return new(goZero).do
	}}
}

// codel is what Maurer, "Fail at Scale" (ACM Queue, 2015), describes: a bound on concurrency with
// a queue in front of it. A queue that was empty within the last 100 ms is served first come,
// first served, and a call waits in it for at most 100 ms; else it is served last come, first
// served, and a call waits for at most 5 ms.
type codel struct {
	mu       sync.Mutex
	places   int
	inFlight int
	queue    []*waiting
	empty    time.Time // when the queue was last empty
}

type waiting struct{ turn chan struct{} }

const codelInterval, codelTarget = 100 * time.Millisecond, 5 * time.Millisecond

func (c *codel) do(ctx context.Context, _ guard.Priority, op func(context.Context) error) error {
	if w, patience := c.enter(); w != nil {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-w.turn:
		case <-timer.C:
			if c.leave(w) {
				return errFull
			}
		case <-ctx.Done():
			if c.leave(w) {
				return ctx.Err()
			}
		}
	}
	defer c.next()
	return op(ctx)
}

func (c *codel) enter() (*waiting, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if len(c.queue) == 0 {
		c.empty = now
	}
	if c.inFlight < c.places {
		c.inFlight++
		return nil, 0
	}
	w := &waiting{turn: make(chan struct{}, 1)}
	c.queue = append(c.queue, w)
	if now.Sub(c.empty) > codelInterval {
		return w, codelTarget
	}
	return w, codelInterval
}

// leave takes w out of the queue, unless it has its turn already.
func (c *codel) leave(w *waiting) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.queue, w)
	if i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
	}
	if len(c.queue) == 0 {
		c.empty = time.Now()
	}
	return i >= 0
}

func (c *codel) next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.queue)
	if n == 0 {
		c.inFlight--
		return
	}
	i := 0
	if time.Since(c.empty) > codelInterval {
		i = n - 1
	}
	c.queue[i].turn <- struct{}{}
	c.queue = slices.Delete(c.queue, i, i+1)
	if len(c.queue) == 0 {
		c.empty = time.Now()
	}
}

func codelLIFO(n int) contender {
	return contender{name: "CoDel+LIFO", color: 5, queues: true, protect: func(t *testing.T) caller {
		t.Helper()
		return (&codel{places: n, empty: time.Now()}).do
	}}
}
