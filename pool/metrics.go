package pool

import (
	"github.com/elixirscope/foundation/internal/histogram"
	"github.com/elixirscope/foundation/telemetry"
)

var (
	byPool   = []string{"pool"}
	byState  = []string{"pool", "state"}
	byReason = []string{"pool", "reason"}

	descResources = telemetry.Desc{Name: "foundation_pool_resources", Help: "Workers of the pool by state.", Kind: telemetry.Gauge, Labels: byState}
	descMax       = telemetry.Desc{Name: "foundation_pool_max", Help: "Greatest number of workers, overflow included.", Kind: telemetry.Gauge, Labels: byPool}
	descPending   = telemetry.Desc{Name: "foundation_pool_pending_requests", Help: "Borrowers that wait for a worker.", Kind: telemetry.Gauge, Labels: byPool}
	descDegraded  = telemetry.Desc{Name: "foundation_pool_degraded", Help: "1 while the newest attempt to make a worker has failed.", Kind: telemetry.Gauge, Labels: byPool}
	descCheckouts = telemetry.Desc{Name: "foundation_pool_checkouts_total", Help: "Workers lent.", Kind: telemetry.Counter, Labels: byPool}
	descTimeouts  = telemetry.Desc{Name: "foundation_pool_timeouts_total", Help: "Borrowers that waited in vain.", Kind: telemetry.Counter, Labels: byPool}
	descRefused   = telemetry.Desc{Name: "foundation_pool_rejections_total", Help: "Borrowers that got no worker, by reason.", Kind: telemetry.Counter, Labels: byReason}
	descCreations = telemetry.Desc{Name: "foundation_pool_creations_total", Help: "Attempts to make a worker, by result.", Kind: telemetry.Counter, Labels: []string{"pool", "result"}}
	descDestroyed = telemetry.Desc{Name: "foundation_pool_destroyed_total", Help: "Workers closed.", Kind: telemetry.Counter, Labels: byPool}
	descLeaks     = telemetry.Desc{Name: "foundation_pool_leaks_total", Help: "Workers borrowed for longer than leak_after.", Kind: telemetry.Counter, Labels: byPool}
	descCreate    = telemetry.Desc{Name: "foundation_pool_create_seconds", Help: "Time that the making of a worker took.", Kind: telemetry.Histogram, Labels: byPool}
	descWait      = telemetry.Desc{Name: "foundation_pool_wait_seconds", Help: "Time that borrowers waited for a worker.", Kind: telemetry.Histogram, Labels: byPool}
	descUse       = telemetry.Desc{Name: "foundation_pool_use_seconds", Help: "Time for which workers were borrowed.", Kind: telemetry.Histogram, Labels: byPool}
)

// Collect implements [telemetry.Source].
func (p *Pool[T]) Collect(emit func(telemetry.Sample)) {
	s, degraded := p.measure()
	name := []string{p.name}
	one := func(d *telemetry.Desc, v float64) { emit(telemetry.Sample{Desc: d, Labels: name, Value: v}) }
	two := func(d *telemetry.Desc, label string, v float64) {
		emit(telemetry.Sample{Desc: d, Labels: []string{p.name, label}, Value: v})
	}
	two(&descResources, "idle", float64(s.Idle))
	two(&descResources, "used", float64(s.InUse))
	two(&descResources, "making", float64(s.Making))
	two(&descResources, "closing", float64(s.Closing))
	one(&descMax, float64(s.Size+s.MaxOverflow))
	one(&descPending, float64(s.Waiting))
	one(&descDegraded, degraded)
	one(&descCheckouts, float64(s.Checkouts))
	one(&descTimeouts, float64(s.Timeouts))
	two(&descRefused, "pool_full", float64(s.Full))
	two(&descRefused, "pool_timeout", float64(s.Timeouts))
	two(&descRefused, "canceled", float64(s.Canceled))
	two(&descRefused, "worker_failed", float64(s.Failed))
	two(&descCreations, "success", float64(s.Created))
	two(&descCreations, "failure", float64(s.Failures))
	one(&descDestroyed, float64(s.Destroyed))
	one(&descLeaks, float64(s.Leaked))
	p.collectTimes(emit, name)
}

func (p *Pool[T]) collectTimes(emit func(telemetry.Sample), name []string) {
	emit(telemetry.Sample{Desc: &descCreate, Labels: name, Distribution: p.create.Snapshot()})
	emit(telemetry.Sample{Desc: &descWait, Labels: name, Distribution: p.waitTimes()})
	emit(telemetry.Sample{Desc: &descUse, Labels: name, Distribution: p.hold.Snapshot()})
}

func (p *Pool[T]) measure() (s Stats, degraded float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.health.failures > 0 {
		degraded = 1
	}
	return p.statsLocked(0), degraded // the time is for OldestLoan alone, which is not exported
}

// waitTimes is the distribution of all waits: the histogram holds those of
// borrowers that had to, and the others, which a plain counter counts on the hot
// path, waited for no time.
type waitTimes struct {
	*histogram.Snapshot
	immediate uint64
}

func (p *Pool[T]) waitTimes() waitTimes {
	p.mu.Lock()
	immediate := p.counts.immediate + p.lanes.lends()
	p.mu.Unlock()
	return waitTimes{p.wait.Snapshot(), immediate}
}

// Count implements [telemetry.Distribution].
func (w waitTimes) Count() uint64 { return w.Snapshot.Count() + w.immediate }

// Each implements [telemetry.Distribution].
func (w waitTimes) Each(yield func(lower, upper float64, count uint64) bool) {
	const nanosecond = 1e-9
	zero := w.immediate
	more := true
	w.Snapshot.Each(func(lower, upper float64, count uint64) bool {
		if lower == 0 {
			count += zero
			zero = 0
		} else if zero > 0 {
			more = yield(0, nanosecond, zero)
			zero = 0
		}
		more = more && yield(lower, upper, count)
		return more
	})
	if zero > 0 && more {
		yield(0, nanosecond, zero)
	}
}
