package breaker

import (
	"sync"
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/ordered"
	"github.com/elixirscope/foundation/telemetry"
)

// Breaker is a circuit breaker. Make one with [New] or [Group.For]. It is safe
// for concurrent use and has nothing to close.
type Breaker struct {
	name   string
	member string // the text of its key, in a group
	*setup
	ledger *ledger // its own, or that of its group
	own    *tally  // only in a group: what this member did

	era   atomic.Pointer[era]
	edges ordered.Queue[StateChanged]

	// mu guards the fields below and the contents of the era's window. It is held
	// for the time it takes to count; no user code and no handler runs under it.
	// Lock order: mu before the lock of edges, mu before buckets.mu.
	mu      sync.Mutex
	leases  leases
	classes classes
}

// setup is what the options decide, shared by the members of a group.
type setup struct {
	changed  telemetry.Topic[StateChanged]
	executed telemetry.Topic[CallExecuted]
	rejected telemetry.Topic[CallRejected]
	single   bool // members count in one lane each
}

// Option changes how a breaker is wired; what it does is decided by [Config].
type Option func(*setup)

// WithBus makes the breaker emit its events on bus; nil is legal.
func WithBus(bus *telemetry.Bus) Option {
	return func(s *setup) {
		s.changed = telemetry.TopicOf[StateChanged](bus)
		s.executed = telemetry.TopicOf[CallExecuted](bus)
		s.rejected = telemetry.TopicOf[CallRejected](bus)
	}
}

func newSetup(opts []Option) *setup {
	s := new(setup)
	for _, o := range opts {
		o(s)
	}
	return s
}

// New returns a closed breaker. The name appears in errors, events and metrics.
// A bad name or configuration is refused with all its faults at once.
func New(name string, cfg Config, opts ...Option) (*Breaker, error) {
	if err := check(name, cfg); err != nil {
		return nil, err
	}
	r := &rules{Config: cfg.withDefaults(), revision: 1}
	return newBreaker(name, "", r, newSetup(opts), new(ledger)), nil
}

func check(name string, cfg Config) error {
	ps := cfg.problems()
	ps.CheckName(name)
	return ps.Err(component, name)
}

func newBreaker(name, member string, r *rules, s *setup, l *ledger) *Breaker {
	b := &Breaker{name: name, member: member, setup: s, ledger: l}
	now := clock.Now()
	first := &era{breaker: b, m: machine{since: now}, rules: r, window: newWindow(r, s.single), began: now, since: now.Time()}
	first.member = member != ""
	first.settleGate()
	b.era.Store(first)
	return b
}

// Name returns the name that the breaker was made with.
func (b *Breaker) Name() string { return b.name }

// State returns the state that the next call would meet: the end of a cooldown
// or of an override shows at once, although only a call makes the transition.
// It changes nothing, takes no lock, and costs one clock read.
func (b *Breaker) State() State { return b.era.Load().view(clock.Now()) }
