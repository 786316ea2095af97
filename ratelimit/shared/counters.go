package shared

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

const (
	component      = "rate_limiter"
	defaultTimeout = 10 * time.Millisecond
)

// Options says how [Counters] use their store. The zero value is legal.
type Options struct {
	// Timeout bounds each call of the store; 10 ms by default.
	Timeout time.Duration
	// Bus receives [StoreFailed] and [StoreRecovered]; nil is legal.
	Bus *telemetry.Bus
}

// Counters let limiters count by a [Store], and go on when it does not answer. Make them
// with [New], give each limiter the Remote that [Counters.Rule] returns, and close them in
// the end. They are safe for concurrent use.
//
// After three errors in a row, or at once if what protects the store refuses, the store
// is away: no call asks it, and each is decided as its [Policy] says, until a probe is
// answered. An error before that concerns its own call alone.
type Counters struct {
	store   Store
	timeout atomic.Int64 // in nanoseconds
	link    connection
	refunds refunds

	life    context.Context //nolint:containedctx // it ends when Close begins, and with it probes and sweeps
	end     context.CancelFunc
	sending context.Context //nolint:containedctx // of refunds and batches: it ends when Close waits no longer
	stop    context.CancelFunc
	last    chan struct{}  // closed when no more refunds come
	work    sync.WaitGroup // all goroutines but that of the refunds
	sender  sync.WaitGroup // that of the refunds

	denials  denials
	batches  atomic.Int64 // taken ahead so far
	sweeping atomic.Bool

	inspecting atomic.Bool

	instances atomic.Int64
	fallbacks atomic.Uint64 // decisions that were made without the store
	told      atomic.Uint64 // of them, those before the store was last away
	server    atomic.Pointer[inspection]

	dividing sync.Mutex // held while the number of instances changes; comes before mu

	mu    sync.Mutex // guards rules
	rules map[string]*rule

	storeFailed    telemetry.Topic[StoreFailed]
	storeRecovered telemetry.Topic[StoreRecovered]
}

// New returns counters that use store. They start goroutines, which Close ends.
func New(store Store, o Options) *Counters {
	c := &Counters{
		store: store, last: make(chan struct{}), rules: make(map[string]*rule),
		storeFailed:    telemetry.TopicOf[StoreFailed](o.Bus),
		storeRecovered: telemetry.TopicOf[StoreRecovered](o.Bus),
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.sending, c.stop = context.WithCancel(context.Background())
	c.SetTimeout(o.Timeout)
	c.instances.Store(1)
	c.link.open()
	c.refunds.wake = make(chan struct{}, 1)
	c.sender.Go(c.sendRefunds)
	c.work.Go(c.inspect)
	return c
}

// start starts a goroutine that Close waits for, unless that has begun.
func (c *Counters) start(fn func()) bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.link.closed {
		return false
	}
	c.work.Go(fn)
	return true
}

// Rule returns what the limiter of that name counts by; see [ratelimit.Limiter.SetRemote].
// There is one for each name: a further call returns the same, with p in force from then
// on. An equal policy changes nothing.
func (c *Counters) Rule(name string, p Policy) ratelimit.Remote {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rules[name]
	if r == nil {
		r = newRule(c, name)
		c.rules[name] = r
	}
	r.follow(p)
	return r
}

// Forget ends a rule that no limiter counts by any more: what was taken ahead for it is
// given back, and it is shown no longer.
func (c *Counters) Forget(name string) {
	c.mu.Lock()
	r := c.rules[name]
	delete(c.rules, name)
	c.mu.Unlock()
	if r != nil {
		r.stop()
	}
}

// SetInstances says how many processes share the store, at least 1, which is what is
// assumed before. While the store cannot be asked, each counts by its share of a limit,
// rounded up.
func (c *Counters) SetInstances(n int) {
	c.dividing.Lock()
	defer c.dividing.Unlock()
	if n = max(n, 1); c.instances.Swap(int64(n)) == int64(n) {
		return
	}
	for _, r := range c.sorted() { // one that comes meanwhile knows of n
		r.local.divide(int64(n))
	}
}

// SetTimeout bounds each call of the store from now on; 0 stands for 10 ms.
func (c *Counters) SetTimeout(d time.Duration) {
	if d <= 0 {
		d = defaultTimeout
	}
	c.timeout.Store(int64(d))
}

func (c *Counters) within() time.Duration { return time.Duration(c.timeout.Load()) }

// Failed tells the counters that the store did not answer somebody else that uses it, as
// whoever keeps the list of the instances. It counts as a call of their own that failed, so that
// a store is known to be away also while there are no calls. A nil error, and one that says
// nothing about the store, changes nothing.
func (c *Counters) Failed(err error) {
	generation, up := c.link.enter()
	if kind, told := verdictOn(err); up && told && kind != onAnswer && c.link.report(onFailure, generation, err) {
		c.start(c.probe)
	}
	c.tell()
}

// Close ends the use of the store. Refunds that wait are sent as long as ctx allows; then
// they are dropped, and the error says how many. It returns when every goroutine of c has
// ended. Calls go on as if the store were away. The store itself stays open.
func (c *Counters) Close(ctx context.Context) error {
	if !c.link.close() {
		c.work.Wait()
		c.sender.Wait()
		return nil
	}
	c.end()
	unwatch := context.AfterFunc(ctx, c.stop)
	defer unwatch()
	c.work.Wait()
	for _, r := range c.sorted() {
		r.stop()
	}
	close(c.last)
	c.sender.Wait()
	c.stop()
	return c.refunds.abandon()
}

// sorted returns the rules in the order of their names.
func (c *Counters) sorted() []*rule {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(maps.Values(c.rules), func(a, b *rule) int { return strings.Compare(a.name, b.name) })
}

// call calls the store within the time limit, and settles what that says about it.
func (c *Counters) call(ctx context.Context, name string, generation uint64, do func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, c.within())
	defer cancel()
	err := recovered(name, func() error { return do(within) })
	if err != nil && ctx.Err() != nil {
		return canceled(ctx, name)
	}
	if kind, told := verdictOn(err); told && c.link.report(kind, generation, err) {
		c.start(c.probe)
	}
	c.tell()
	return err
}

// recovered calls the store. Its panic is an error: it must not end a goroutine that
// works for everybody, nor a call that can be decided without it.
func recovered(name string, do func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.New(fault.Spec{Code: fault.Internal, Component: component, Name: name, Message: fmt.Sprintf("the shared store panicked: %.500v", cause)})
		}
	}()
	return do()
}

// tell delivers the events of transitions, in order, outside every lock.
func (c *Counters) tell() { c.link.transitions.Deliver(c.deliver) }

func (c *Counters) deliver(t transition, _ uint64) {
	if !t.away {
		all := c.fallbacks.Load()
		c.storeRecovered.Emit(context.Background(), StoreRecovered{Away: t.lasted, Fallback: all - c.told.Swap(all), At: time.Now()})
		return
	}
	c.told.Store(c.fallbacks.Load())
	e := StoreFailed{At: time.Now()}
	e.Cause = Reason(t.cause)
	for _, r := range c.sorted() {
		switch r.policy.Load().OnError {
		case Allow:
			e.Allowed = append(e.Allowed, r.name)
		case Deny:
			e.Denied = append(e.Denied, r.name)
		default:
			e.Local = append(e.Local, r.name)
		}
	}
	c.storeFailed.Emit(context.Background(), e)
}

// unavailable is the error of a call that the policy refuses because the store did not
// decide it.
func (r *rule) unavailable(cause error) error {
	return r.failure(cause, "the shared store did not decide the call, and the rule's on_error is deny")
}

// unreachable is the error of what the store alone can do.
func (r *rule) unreachable(cause error) error {
	return r.failure(cause, "the shared store cannot be asked at present; try again when it is back")
}

func (r *rule) failure(cause error, message string) error {
	if cause == nil {
		cause = r.c.link.lastCause()
	}
	return fault.New(fault.Spec{
		Code: fault.Unavailable, Component: component, Name: r.name, Cause: cause, RetryAt: time.Now().Add(time.Second), Message: message,
	})
}

// up reports whether calls ask the store.
func (c *Counters) up() bool {
	_, up := c.link.enter()
	return up
}
