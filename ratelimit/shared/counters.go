package shared

import (
	"context"
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

	life    context.Context //nolint:containedctx // it ends when Close begins, and with it all goroutines but that of the refunds
	end     context.CancelFunc
	sending context.Context //nolint:containedctx // of the refunds: it ends when Close waits no longer
	stop    context.CancelFunc
	work    sync.WaitGroup

	instances atomic.Int64
	fallbacks atomic.Uint64 // decisions that were made without the store
	told      atomic.Uint64 // of them, those before the store was last away
	server    atomic.Pointer[inspection]

	mu    sync.Mutex // guards rules, and instances against two changes at a time
	rules map[string]*rule

	storeFailed    telemetry.Topic[StoreFailed]
	storeRecovered telemetry.Topic[StoreRecovered]
}

// New returns counters that use store. They start goroutines, which Close ends.
func New(store Store, o Options) *Counters {
	c := &Counters{
		store: store, rules: make(map[string]*rule),
		storeFailed:    telemetry.TopicOf[StoreFailed](o.Bus),
		storeRecovered: telemetry.TopicOf[StoreRecovered](o.Bus),
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.sending, c.stop = context.WithCancel(context.Background())
	c.SetTimeout(o.Timeout)
	c.instances.Store(1)
	c.link.open()
	c.refunds.wake = make(chan struct{}, 1)
	c.work.Go(c.sendRefunds)
	c.work.Go(c.inspect)
	return c
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
	r.policy.Store(&p)
	return r
}

// Forget ends a rule that no limiter counts by any more: what was prefetched for it is
// given back, and it is shown no longer.
func (c *Counters) Forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.rules, name)
}

// SetInstances says how many processes share the store, at least 1, which is what is
// assumed before. While the store cannot be asked, each counts by its share of a limit,
// rounded up.
func (c *Counters) SetInstances(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n = max(n, 1); c.instances.Swap(int64(n)) == int64(n) {
		return
	}
	for _, r := range c.rules {
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
		c.startProbing()
	}
	c.tell()
}

// Close ends the use of the store. Refunds that wait are sent as long as ctx allows; then
// they are dropped, and the error says how many. It returns when every goroutine of c has
// ended. Calls go on as if the store were away. The store itself stays open.
func (c *Counters) Close(ctx context.Context) error {
	if !c.link.close() {
		c.work.Wait()
		return nil
	}
	c.end()
	watching := context.AfterFunc(ctx, c.stop)
	c.work.Wait()
	watching()
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
	err := do(within)
	if err != nil && ctx.Err() != nil {
		return canceled(ctx, name)
	}
	if kind, told := verdictOn(err); told && c.link.report(kind, generation, err) {
		c.startProbing()
	}
	c.tell()
	return err
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
	if t.cause != nil {
		e.Cause = t.cause.Error()
	}
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
func unavailable(name string, cause error) error {
	return fault.New(fault.Spec{
		Code: fault.Unavailable, Component: component, Name: name, Cause: cause, RetryAt: time.Now().Add(time.Second),
		Message: "the shared store did not decide the call, and the rule's on_error is deny",
	})
}
