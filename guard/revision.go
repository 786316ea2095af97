package guard

import (
	"cmp"
	"sync/atomic"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
)

// revision is one immutable state of a guard's settings. A call loads it once, so
// it sees the settings and parts of one revision and never a mixture.
type revision struct {
	config Config // with its defaults filled in
	number uint64
	gone   *fault.Error // why there is no guard, nil if there is one
	final  bool         // it will not come back
	// expired is the cause of contexts that the guard's time limit ended: the one
	// way to tell that limit from a deadline of the caller.
	expired *fault.Error
	// active lists the protections, for events.
	active []string
	// takesBeforePermit says that something is taken between the look at the breaker
	// and its permit; else the permit alone decides.
	takesBeforePermit bool
	// admits asks the breaker of a member of a target; nil unless each has its own.
	admits     func(member string) bool
	bounded    bool      // in how many calls are in flight
	follower   *follower // of the latency, which moves that bound; nil if it is fixed
	hasPool    bool
	retry      *retrying // nil if no call that failed is made again
	hedge      *hedging  // nil if no call is made twice at a time
	budgets    *budgets  // of retries and hedges, nil if there are neither
	share      float64   // of first attempts, that they may be
	limitsTime bool      // calls or attempts are held to a time limit
	// refusing is the word that is 0 while the admission need not be asked.
	refusing *atomic.Uint32
}

// The words of a guard without an admission, and of one whose admission has no word.
var never, always = new(atomic.Uint32), one()

func one() *atomic.Uint32 {
	word := new(atomic.Uint32)
	word.Store(1)
	return word
}

func refusing(a Admitter) *atomic.Uint32 {
	if a == nil {
		return never
	}
	return cmp.Or(a.Refusing(), always)
}

func newRevision(name string, cfg Config, number uint64) *revision {
	r := &revision{config: cfg.effective(), number: number}
	r.expired = fault.New(fault.Spec{Code: fault.CallTimeout, Component: component, Name: name})
	r.active = protectionsOf(&cfg)
	r.refusing = refusing(cfg.Admission)
	r.hasPool = cfg.Pool != nil
	r.bounded = cfg.Concurrency > 0
	r.retry = newRetrying(name, &r.config)
	r.limitsTime = cfg.Mode == mode.Enforce && (cfg.Timeout > 0 || r.retry != nil && r.retry.policy.AttemptTimeout > 0)
	if cfg.PerTarget && cfg.Breakers != nil && cfg.Mode != mode.Off {
		r.admits = func(member string) bool {
			b, called := cfg.Breakers.Lookup(ratelimit.KeyOf(member))
			return !called || b.Admits(clock.Now())
		}
	}
	r.takesBeforePermit = r.config.RateLimit != nil || r.config.Pool != nil
	return r
}

// breaker returns the breaker of an attempt at c that goes to a member of its target, or nil.
func (r *revision) breaker(c *Call, member string) *breaker.Breaker {
	switch group := r.config.Breakers; {
	case group == nil:
	case r.config.PerTarget:
		return group.ForKey(ratelimit.KeyOf(cmp.Or(member, c.Target)))
	default:
		return group.ForKey(c.Key)
	}
	return r.config.Breaker
}
