package pool

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/histogram"
)

// Pool lends workers of type T. Make one with [New]; it must not be copied. It is
// safe for concurrent use. See the package comment for its states.
type Pool[T any] struct {
	name    string
	worker  reflect.Type
	factory Factory[T] // with a Close
	topics  topics

	// base is the context of what the pool does on its own account; it ends with
	// the pool.
	base context.Context //nolint:containedctx // its jobs have no caller whose context they could take
	stop context.CancelFunc

	degraded atomic.Pointer[fault.Error] // what borrowers are refused with; written under mu
	doubt    atomic.Int64                // an Instant: workers last proven fit before it are checked before they are lent
	patient  atomic.Int64                // check_after, for borrowers that do not hold mu
	lanes    lanes[T]
	waiters  sync.Pool     // of *waiter[T]; of the instance, so that its channels stay in one synctest bubble
	drained  chan struct{} // closed when the closed pool has neither workers nor jobs

	wait, hold, create *histogram.Histogram // wait: of those that had to
	waitTime           atomic.Int64

	// mu guards the fields below. Neither the factory nor an event handler is called
	// while it is held, and nothing blocks.
	mu        sync.Mutex
	cfg       Config // with defaults filled in
	given     Config
	closed    bool
	idle      idleList[T]
	queue     queue[T]        // empty while a worker is idle
	slots     []*slot[T]      // every live worker, in no order
	lent      int             // workers that are borrowed
	atFactory int             // borrowed workers that the factory is checking or resetting
	probing   int             // idle workers that are being checked in the background
	making    int             // workers that are being made
	closing   int             // workers that are being closed
	jobs      int             // goroutines and armed alarms that Close waits for
	era       context.Context //nolint:containedctx // of the making of workers: from one reset to the next
	endEra    context.CancelFunc
	outdated  int           // live workers whose making began before the last reset
	lastCall  clock.Instant // when the closed pool last began to call the factory
	health    health
	counts    counts

	expiry, retry, upkeep alarm
}

// counts are the counters of [Stats] that change under the lock.
type counts struct {
	checkouts, immediate, waits, timeouts, full, canceled, failed uint64
	attempts, created, failures                                   uint64
	destroyed, badChecks, leaked, stale, resets                   uint64
}

var _ Managed = (*Pool[int])(nil)

// New returns a pool of workers that f makes. Unless cfg.Start says otherwise, no
// worker is made and no goroutine runs before the first borrower comes. With
// [Strict] it blocks while the first worker is made, at most create_timeout and a
// moment in which f may obey, and returns worker_failed, with what f said, if that
// cannot be done.
//
// The error is [fault.InvalidConfig] with every fault of name, cfg and f. Nothing is
// left behind then, but for a call of f that ignores its context; a worker that comes
// of it is closed.
func New[T any](name string, cfg Config, f Factory[T], opts ...Option) (*Pool[T], error) {
	return open(context.Background(), name, cfg, f, opts...)
}

// open is New with a context that bounds the start.
func open[T any](ctx context.Context, name string, cfg Config, f Factory[T], opts ...Option) (*Pool[T], error) {
	var ps fault.Problems
	ps.CheckName(name)
	ps.Require(f.New != nil, "worker", "", "a pool needs a factory with a function New")
	cfg.check(&ps)
	if err := ps.Err(component, name); err != nil {
		return nil, err
	}
	if f.Close == nil {
		f.Close = func(T) {}
	}
	p := &Pool[T]{
		name: name, worker: reflect.TypeFor[T](), factory: f,
		topics: topicsOf(gather(opts).bus), drained: make(chan struct{}),
		wait: histogram.New(), hold: histogram.New(), create: histogram.New(),
		cfg: cfg.effective(), given: cfg, health: health{ramp: maxWorkers},
	}
	p.lastCall = clock.Min
	p.doubt.Store(int64(clock.Min))
	p.patient.Store(int64(p.cfg.CheckAfter))
	p.base, p.stop = context.WithCancel(context.Background()) //nolint:gosec // Close calls it
	p.era, p.endEra = context.WithCancel(p.base)              //nolint:gosec // Reset calls it, and Close ends the parent
	p.waiters.New = func() any {
		w := &waiter[T]{ready: make(chan struct{}, 1)}
		w.node.of = w
		return w
	}
	p.expiry.run, p.retry.run, p.upkeep.run = p.expire, p.retryNow, p.lookAfter
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// Name returns the name that the pool was made with.
func (p *Pool[T]) Name() string { return p.name }

// WorkerType implements [Lender]: it is the type T.
func (p *Pool[T]) WorkerType() reflect.Type { return p.worker }

// totalLocked is how many workers exist, come into being, or are not gone yet.
func (p *Pool[T]) totalLocked() int { return len(p.slots) + p.making + p.closing }

// capacityLocked is the greatest number of workers at one time.
func (p *Pool[T]) capacityLocked() int { return p.cfg.Size + p.cfg.MaxOverflow }

// jobDone ends a job that Close waits for. It is the last thing that a job does.
func (p *Pool[T]) jobDone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs--
	p.checkDrainedLocked()
}

func (p *Pool[T]) checkDrainedLocked() {
	if !p.closed || p.jobs > 0 || len(p.slots) > 0 {
		return
	}
	select {
	case <-p.drained:
	default:
		close(p.drained)
	}
}
