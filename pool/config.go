package pool

import (
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Config holds the settings of a pool. The zero value is a pool of five workers
// that are made when they are first needed.
type Config struct {
	// Size is how many workers the pool keeps, 5 by default. With none (-1 in Go, 0 in
	// a file) every worker is an overflow worker.
	Size int `yaml:"size" config:"zero"`
	// MaxOverflow is how many workers beyond Size may be made while all others are
	// borrowed; an overflow worker that comes back and finds nobody waiting is
	// closed. None by default.
	MaxOverflow int `yaml:"max_overflow" config:"zero"`
	// Strategy says which idle worker is lent next: "lifo", the one that came back
	// last (the default), or "fifo", the one that has been idle for longest. Under
	// contention lifo is by processor, which is what lets borrowers pass by the lock.
	Strategy Strategy `yaml:"strategy"`
	// CheckoutTimeout is how long a borrower waits for a worker, 5 s by default. It is
	// apart from the time that the borrower's operation may take.
	CheckoutTimeout time.Duration `yaml:"checkout_timeout"`
	// MaxWaiters is how many borrowers may wait, 1024 by default. A further one is
	// refused with pool_full.
	MaxWaiters int `yaml:"max_waiters"`
	// MinIdle is how many idle workers the pool tries to have in reserve, within
	// Size; 0 means none.
	MinIdle int `yaml:"min_idle" config:"allowzero"`
	// MaxLifetime is the age at which a worker is replaced when it is next idle; 0
	// means never.
	MaxLifetime time.Duration `yaml:"max_lifetime" config:"allowzero"`
	// LifetimeJitter is the share of MaxLifetime by which a worker's life is cut
	// short at random, so that workers made together do not end together: 0.1 by
	// default, at most 1. A negative number (0 in a file) means none.
	LifetimeJitter float64 `yaml:"lifetime_jitter" config:"zero"`
	// MaxIdleTime is how long a worker beyond MinIdle may be idle before it is
	// closed; 0 means for ever.
	MaxIdleTime time.Duration `yaml:"max_idle_time" config:"allowzero"`
	// CheckAfter is the idle time after which a worker is checked before it is lent,
	// 1 s by default; a negative one (0 in a file) means never. A worker whose last borrower failed is
	// checked in any case. It needs a factory that checks.
	CheckAfter time.Duration `yaml:"check_after" config:"zero"`
	// CheckInterval is how often an idle worker is checked in the background, 30 s
	// by default; a negative one (0 in a file) means never. It needs a factory that checks.
	CheckInterval time.Duration `yaml:"check_interval" config:"zero"`
	// CheckTimeout bounds a check, and a reset on return; 1 s by default.
	CheckTimeout time.Duration `yaml:"check_timeout"`
	// CreateTimeout bounds the making of one worker; 10 s by default.
	CreateTimeout time.Duration `yaml:"create_timeout"`
	// Backoff is the pause after the first worker that could not be made; it doubles
	// with every further failure up to BackoffMax. 100 ms by default.
	Backoff time.Duration `yaml:"backoff"`
	// BackoffMax is the longest pause between two attempts: 10 s by default, or Backoff
	// if that is longer.
	BackoffMax time.Duration `yaml:"backoff_max"`
	// Start says what happens at the start: "lazy" makes workers when they are needed
	// (the default), "warm" makes Size workers in the background, and "strict" makes
	// one at once, refuses to start if it cannot, and makes the others as warm does.
	Start Start `yaml:"start"`
	// LeakAfter is how long a worker may be borrowed before it is reported as leaked,
	// with the stack that borrowed it; 0 means never. Recording the stack costs about
	// a microsecond for each checkout.
	LeakAfter time.Duration `yaml:"leak_after" config:"allowzero"`
	// ReclaimLeaked takes a leaked worker away from its borrower: its lease ends, and
	// the worker is closed and replaced.
	ReclaimLeaked bool `yaml:"reclaim_leaked"`
}

// DefaultSize is the size of a pool whose Config has none.
const DefaultSize = 5

// The other defaults that zero fields stand for.
const (
	defaultCheckoutTimeout = 5 * time.Second
	defaultMaxWaiters      = 1024
	defaultLifetimeJitter  = 0.1
	defaultCheckAfter      = time.Second
	defaultCheckInterval   = 30 * time.Second
	defaultCheckTimeout    = time.Second
	defaultCreateTimeout   = 10 * time.Second
	defaultBackoff         = 100 * time.Millisecond
	defaultBackoffMax      = 10 * time.Second
)

// maxWorkers is the greatest legal Size plus MaxOverflow, and the greatest legal
// MaxWaiters.
const maxWorkers = 1 << 20

const component = "connection_pool"

// Validate returns every fault of c as one [fault.InvalidConfig], or nil.
func (c Config) Validate() error {
	var ps fault.Problems
	c.check(&ps)
	return ps.Err(component, "")
}

// Warnings returns what is legal in c and very likely a mistake.
func (c Config) Warnings() []fault.Problem {
	var ps fault.Problems
	e := c.effective()
	if e.Size+e.MaxOverflow == 0 {
		ps.Warn("size", c.Size, "with no overflow either, the pool never lends a worker")
	}
	if e.LeakAfter > 0 && e.LeakAfter <= e.CheckoutTimeout {
		ps.Warn("leak_after", c.LeakAfter, "is not longer than checkout_timeout %v: ordinary use may be reported as a leak", e.CheckoutTimeout)
	}
	if e.MaxLifetime > 0 && e.MaxLifetime < e.CreateTimeout {
		ps.Warn("max_lifetime", c.MaxLifetime, "is shorter than create_timeout %v: workers are replaced all the time", e.CreateTimeout)
	}
	return ps
}

func (c Config) check(ps *fault.Problems) {
	c.checkSizes(ps)
	ps.Require(c.Strategy.Known(), "strategy", c.Strategy, "use lifo or fifo")
	ps.Require(c.Start.Known(), "start", c.Start, "use lazy, warm or strict")
	ps.Require(c.LifetimeJitter <= 1, "lifetime_jitter", c.LifetimeJitter, "the greatest is 1")
	ps.Require(!c.ReclaimLeaked || c.LeakAfter > 0, "reclaim_leaked", c.ReclaimLeaked, "needs leak_after")
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"checkout_timeout", c.CheckoutTimeout},
		{"max_lifetime", c.MaxLifetime},
		{"max_idle_time", c.MaxIdleTime},
		{"check_timeout", c.CheckTimeout},
		{"create_timeout", c.CreateTimeout},
		{"backoff", c.Backoff},
		{"backoff_max", c.BackoffMax},
		{"leak_after", c.LeakAfter},
	} {
		ps.Require(d.value >= 0, d.field, d.value, "must not be negative")
	}
	if c.BackoffMax > 0 && c.Backoff >= 0 {
		e := c.effective()
		ps.Require(c.BackoffMax >= e.Backoff, "backoff_max", c.BackoffMax, "is shorter than backoff %v", e.Backoff)
	}
}

func (c Config) checkSizes(ps *fault.Problems) {
	const bound = "use 0 to %d"
	sane := true
	require := func(ok bool, field string, value int, format string, args ...any) {
		ps.Require(ok, field, value, format, args...)
		sane = sane && ok
	}
	require(c.Size >= -1 && c.Size <= maxWorkers, "size", c.Size, bound, maxWorkers)
	require(c.MaxOverflow >= -1 && c.MaxOverflow <= maxWorkers, "max_overflow", c.MaxOverflow, bound, maxWorkers)
	require(c.MaxWaiters >= 0 && c.MaxWaiters <= maxWorkers, "max_waiters", c.MaxWaiters, bound, maxWorkers)
	require(c.MinIdle >= 0, "min_idle", c.MinIdle, "must not be negative")
	if !sane {
		return // what follows would only repeat it
	}
	e := c.effective()
	ps.Require(e.Size+e.MaxOverflow <= maxWorkers, "max_overflow", c.MaxOverflow, "size and max_overflow together must not exceed %d", maxWorkers)
	ps.Require(e.MinIdle <= e.Size, "min_idle", c.MinIdle, "is greater than size %d", e.Size)
}

// effective returns c with the documented defaults in place of zero fields; "none"
// is zero in it.
func (c Config) effective() Config {
	c.Size = max(0, or(c.Size, DefaultSize))
	c.MaxOverflow = max(0, c.MaxOverflow)
	c.CheckoutTimeout = or(c.CheckoutTimeout, defaultCheckoutTimeout)
	c.MaxWaiters = or(c.MaxWaiters, defaultMaxWaiters)
	c.LifetimeJitter = max(0, or(c.LifetimeJitter, defaultLifetimeJitter))
	c.CheckAfter = or(c.CheckAfter, defaultCheckAfter)
	c.CheckInterval = or(c.CheckInterval, defaultCheckInterval)
	c.CheckTimeout = or(c.CheckTimeout, defaultCheckTimeout)
	c.CreateTimeout = or(c.CreateTimeout, defaultCreateTimeout)
	c.Backoff = or(c.Backoff, defaultBackoff)
	c.BackoffMax = or(c.BackoffMax, max(defaultBackoffMax, c.Backoff))
	return c
}

func or[V comparable](value, fallback V) V {
	var zero V
	if value == zero {
		return fallback
	}
	return value
}
