package experiments_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/guard"
)

// published is a model of Gradient2Limit of Netflix concurrency-limits in its WindowedLimit, both with
// their defaults, from their published source: windows of a second, a baseline that is the
// average of the last 600 or so, and a limit that goes a fifth of the way to itself
// times the gradient plus 4, from 20 to 200.
type published struct {
	mu       sync.Mutex
	inFlight int
	limit    float64
	baseline float64
	windows  int

	ends            time.Time
	calls, inWindow int
	took            float64
}

func (p *published) do(ctx context.Context, _ guard.Priority, op func(context.Context) error) error {
	if !p.take() {
		return errFull
	}
	began := time.Now()
	err := op(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	p.inWindow = max(p.inWindow, p.inFlight)
	p.took += time.Since(began).Seconds()
	p.inFlight--
	if now := time.Now(); now.After(p.ends) {
		if p.calls >= 10 {
			p.update(p.took / float64(p.calls))
		}
		p.ends = now.Add(time.Second)
		p.calls, p.inWindow, p.took = 0, 0, 0
	}
	return err
}

func (p *published) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inFlight >= int(p.limit) {
		return false
	}
	p.inFlight++
	return true
}

func (p *published) update(short float64) {
	const long, warmUp, smoothing, queue = 600, 10, 0.2, 4
	if p.windows++; p.windows <= warmUp {
		p.baseline += (short - p.baseline) / float64(p.windows)
	} else {
		p.baseline += (short - p.baseline) * 2 / (long + 1)
	}
	if p.baseline > 2*short {
		p.baseline *= 0.9
	}
	if float64(p.inWindow) < p.limit/2 {
		return
	}
	gradient := max(0.5, min(1, p.baseline/short))
	p.limit = max(20, min(200, p.limit+smoothing*(p.limit*gradient+queue-p.limit)))
}

func publishedGradient2() contender {
	return contender{name: "gradient2 as published", color: 7, protect: func(t *testing.T) caller {
		t.Helper()
		return (&published{limit: 20}).do
	}}
}
