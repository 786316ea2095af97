package guard

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// Guard protects the calls of one purpose. Make one with [New]; there is nothing
// to close. A *Guard follows its name: keep it, it serves the newest settings.
type Guard struct {
	name     string
	log      *slog.Logger
	executed telemetry.Topic[Executed]
	expired  telemetry.Topic[LeasesExpired]
	panicked telemetry.Topic[DetachedPanicked]
	retried  telemetry.Topic[Retried]
	hedged   telemetry.Topic[Hedged]
	random   func() float64

	revision atomic.Pointer[revision]

	// The accounts survive every change of settings.
	slots    slots
	detached atomic.Int64 // detached calls that ran past their time and have not ended
	losers   atomic.Int64 // attempts that lost against another one of their call and have not ended
	leases   leases
	budgets  atomic.Pointer[budgets]  // nil until there are retries or hedges
	latency  atomic.Pointer[latency]  // nil until hedges follow it
	follower atomic.Pointer[follower] // nil until a bound adapts
	stats    stats

	// change is held while the settings are changed, and by nothing else.
	change sync.Mutex
}

// Option attaches a guard to its surroundings; settings belong in [Config].
type Option func(*options)

type options struct {
	bus    *telemetry.Bus
	log    *slog.Logger
	random func() float64
}

// WithBus makes the guard emit its events on bus; nil is legal.
func WithBus(bus *telemetry.Bus) Option { return func(o *options) { o.bus = bus } }

// WithLogger makes the guard log what nobody is there to be told: leases that
// expired, panics of detached calls. nil is legal and silent, as is the default.
func WithLogger(log *slog.Logger) Option { return func(o *options) { o.log = log } }

// WithRandom replaces the source of randomness of the waits between attempts, for
// simulations. It returns a number in [0, 1) and must be safe for concurrent use. nil is
// legal and changes nothing.
func WithRandom(source func() float64) Option {
	return func(o *options) {
		if source != nil {
			o.random = source
		}
	}
}

// New returns a guard. The name appears in errors, events and metrics. A bad name
// or configuration is refused with all its faults at once.
func New(name string, cfg Config, opts ...Option) (*Guard, error) {
	if err := check(name, &cfg); err != nil {
		return nil, err
	}
	o := options{random: rand.Float64}
	for _, opt := range opts {
		opt(&o)
	}
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	g := &Guard{
		name:     name,
		log:      o.log,
		executed: telemetry.TopicOf[Executed](o.bus),
		expired:  telemetry.TopicOf[LeasesExpired](o.bus),
		panicked: telemetry.TopicOf[DetachedPanicked](o.bus),
		retried:  telemetry.TopicOf[Retried](o.bus),
		hedged:   telemetry.TopicOf[Hedged](o.bus),
		random:   o.random,
	}
	g.stats.init()
	g.leases.init()
	g.revision.Store(g.newRevision(cfg, 1))
	return g, nil
}

func check(name string, cfg *Config) error {
	ps := cfg.problems()
	ps.CheckName(name)
	return ps.Err(component, name)
}

// newRevision makes the budgets of a guard whose calls are made again for the first time: they
// take kilobytes.
func (g *Guard) newRevision(cfg Config, number uint64) *revision {
	r := newRevision(g.name, cfg, number)
	r.hedge = g.newHedging(&r.config)
	if cfg.Retry != nil || cfg.Hedge != nil {
		g.budgets.CompareAndSwap(nil, new(budgets))
		r.budgets, r.share = g.budgets.Load(), shareOf(&r.config)
	}
	if r.follower = g.adapt(&r.config); r.follower != nil {
		r.bounded = true
	}
	return r
}

// Name returns the name that the guard was made with.
func (g *Guard) Name() string { return g.name }

// Config returns the settings in force, defaults filled in. After [Guard.Remove]
// they are the last ones.
func (g *Guard) Config() Config { return g.revision.Load().config }

// Reconfigure replaces the settings, also those of a removed guard, which is
// thereby back. Calls in flight end under the revision that they began with;
// counters and concurrency are kept. On an error everything stays as it was.
func (g *Guard) Reconfigure(cfg Config) error {
	if err := check(g.name, &cfg); err != nil {
		return err
	}
	g.change.Lock()
	defer g.change.Unlock()
	now := g.revision.Load()
	if now.final {
		return now.gone
	}
	g.revision.Store(g.newRevision(cfg, now.number+1))
	return nil
}

// Remove makes the guard answer [fault.NotFound] until it is configured again.
// Calls in flight are not disturbed.
func (g *Guard) Remove() { g.leave(fault.NotFound, "the guard was removed", false) }

// Close makes the guard answer [fault.Closed] for good. Calls in flight are not
// disturbed. Closing again does nothing.
func (g *Guard) Close() { g.leave(fault.Closed, "the layer was closed", true) }

func (g *Guard) leave(code fault.Code, message string, final bool) {
	g.change.Lock()
	defer g.change.Unlock()
	now := g.revision.Load()
	if now.final || now.gone != nil && !final {
		return
	}
	next := *now
	next.number++
	next.final = final
	next.gone = fault.New(fault.Spec{Code: code, Component: component, Name: g.name, Message: message})
	g.revision.Store(&next)
}
