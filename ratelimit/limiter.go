package ratelimit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/internal/stripe"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/telemetry"
)

// Key names who or what is counted; see [KeyOf]. The zero Key is one bucket that
// everybody shares.
type Key = key.Key

// KeyOf returns the key of the given parts: strings and integers of any width,
// without allocating. Parts are kept apart, so KeyOf("a:b", "c") and
// KeyOf("a", "b:c") are two keys; an integer is the same as its decimal text, and
// no value of another type is the same as a text.
// The first four parts are told apart one by one, which is what Config.Parts
// counts; further ones belong to the fourth.
func KeyOf(parts ...any) Key { return key.Of(parts...) }

// ParseKey returns the key that text stands for: percent-encoded parts joined by
// "/", as Key.Text writes them. Every text is a key.
func ParseKey(text string) Key { return key.ParseText(text) }

// Limiter applies one rule to any number of keys. Make one with [New]. It starts
// no goroutine, needs no closing, and is safe for concurrent use.
type Limiter struct {
	name  string
	setup atomic.Pointer[setup]

	allowed, denied, wouldRefuse stripe.Counter
	evictions, overflowed        atomic.Uint64

	waiting  waiters
	watching watchers
	top      topDenied

	requestAllowed telemetry.Topic[RequestAllowed]
	requestDenied  telemetry.Topic[RequestDenied]
	keyReset       telemetry.Topic[KeyReset]
	keysOverflowed telemetry.Topic[KeysOverflowed]

	// change is held while the rule or the parent is changed, and by nothing else.
	change sync.Mutex
	// swap is held for the moment in which one engine is sealed and the next is
	// published. It comes after change.
	swap sync.Mutex
}

// setup is everything about a limiter that can be changed, seen as a whole.
type setup struct {
	class                // of every key that has no override
	quick     bool       // enforced, no parent, no remote, and the table is lock-free: see Limiter.quick
	given     Config     // as it was configured
	overrides *overrides // nil without any
	parent    *Limiter
	remote    Remote // nil: the limiter counts by itself
	revision  uint64
}

// ready returns s with what follows from the rest filled in.
func (s *setup) ready() *setup {
	s.quick = s.config.Mode == mode.Enforce && s.parent == nil && s.remote == nil && s.engine.words != nil
	return s
}

// Option changes what a limiter is connected to.
type Option func(*options)

type options struct {
	bus *telemetry.Bus
}

// WithBus makes the limiter emit its events on b; nil is legal.
func WithBus(b *telemetry.Bus) Option { return func(o *options) { o.bus = b } }

// New returns a limiter for the rule cfg without overrides, or a [fault.InvalidConfig] with every
// fault of the name and of cfg.
func New(name string, cfg Config, opts ...Option) (*Limiter, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	ps := cfg.problems()
	ps.CheckName(name)
	if err := ps.Err(component, name); err != nil {
		return nil, err
	}
	l := &Limiter{
		name:           name,
		requestAllowed: telemetry.TopicOf[RequestAllowed](o.bus),
		requestDenied:  telemetry.TopicOf[RequestDenied](o.bus),
		keyReset:       telemetry.TopicOf[KeyReset](o.bus),
		keysOverflowed: telemetry.TopicOf[KeysOverflowed](o.bus),
	}
	full := cfg.withDefaults()
	first := setup{class: class{config: full}, given: cfg, revision: 1}
	first.engine = newEngine(l, newRule(full, nil), int64(full.MaxKeys), clock.Now())
	l.setup.Store(first.ready())
	return l, nil
}

// Name returns the name that the limiter was made with.
func (l *Limiter) Name() string { return l.name }

// Allow decides about one call of key, now, without waiting.
func (l *Limiter) Allow(key Key) (d Decision) {
	l.allow(&d, clock.Now(), &key, 1)
	return d
}

// AllowN is [Limiter.Allow] for a call that costs more than one. A refused call
// takes nothing. A cost of 0 takes nothing either; a cost below 0 or above what
// the rule ever admits is refused, and waiting does not help.
func (l *Limiter) AllowN(key Key, cost int64) (d Decision) {
	l.allow(&d, clock.Now(), &key, cost)
	return d
}

// allow puts the decision into d, which must be zero: returned by value through every
// layer it would be copied once for each.
func (l *Limiter) allow(d *Decision, now clock.Instant, key *Key, cost int64) {
	if !l.quick(d, key, now, cost) {
		l.tryNow(context.Background(), d, key, call{now: now, cost: cost})
	} else if d.OK && !l.requestAllowed.Active() { // all that report would do
		l.allowed.Add(1)
		return
	}
	l.report(context.Background(), d, key)
}

// Peek answers what [Limiter.Allow] would, also while others wait, and takes
// nothing: Remaining is what is left before such a call.
func (l *Limiter) Peek(key Key) Decision { return l.PeekAt(clock.Now(), key, 1) }

// PeekAt is [Limiter.Peek] for a call of a cost, and for a caller that has just read the clock.
func (l *Limiter) PeekAt(now clock.Instant, key Key, cost int64) (d Decision) {
	l.tryNow(context.Background(), &d, &key, call{now: now, cost: cost, peek: true})
	return d
}

// Reset forgets what key has taken under this rule, not under its parents. What
// is counted in an overflow bucket stays: it is not of this key alone. The event
// carries the actor, who asked for it; empty if that is not known. The error is that
// of a [Remote] that could not be asked; a limiter that counts by itself has none.
func (l *Limiter) Reset(key Key, actor string) error {
	s := l.setup.Load()
	h := key.Hash(s.config.Parts)
	if s.remote != nil {
		if err := s.remote.Reset(context.Background(), s.remoteCall(s.of(h), &key, call{now: clock.Now()})); err != nil {
			return unreachable(context.Background(), l.name, err)
		}
	}
	for !s.of(h).engine.reset(h) { // replaced meanwhile
		s = l.newest()
		h = key.Hash(s.config.Parts)
	}
	l.watching.tell(h)
	if l.keyReset.Active() {
		l.keyReset.Emit(context.Background(), KeyReset{Name: l.name, Key: key.First(s.config.Parts).Text(), Actor: actor, At: time.Now()})
	}
	return nil
}

const maxDepth = 8

// SetParent makes every call also count against p, by the parts of the key that p's
// rule looks at: a call is admitted by all rules or takes from none. It replaces the
// parent before; nil removes it. A parent that the limiter is
// itself an ancestor of is refused, as is one that would make the limiter more
// than the eighth in line, counted from the top. What stands below the limiter is
// not counted, so build chains from the top.
func (l *Limiter) SetParent(p *Limiter) error {
	parentage.Lock() // no two changes may close a circle together
	defer parentage.Unlock()
	depth := 0
	for a := p; a != nil; a = a.setup.Load().parent {
		if depth++; a == l || depth >= maxDepth {
			return fault.New(fault.Spec{Code: fault.InvalidConfig, Component: component, Name: l.name, Problems: []fault.Problem{{
				Field: "parent", Value: p.name, Message: "must not lead back to the rule itself, nor through more than 8 rules",
			}}})
		}
	}
	l.change.Lock()
	defer l.change.Unlock()
	next := *l.setup.Load()
	if next.parent == p {
		return nil
	}
	next.parent = p
	l.publish(&next)
	return nil
}

// SetRemote makes r count the calls of the limiter from now on, in place of the remote
// before it; nil makes the limiter count by itself again, from what it had counted until
// a remote took over. Calls that are being decided end where they began, and what they
// took is given back there.
func (l *Limiter) SetRemote(r Remote) {
	l.change.Lock()
	defer l.change.Unlock()
	next := *l.setup.Load()
	next.remote = r
	l.publish(&next)
}

// publish makes next what calls are decided by, those that wait already included.
func (l *Limiter) publish(next *setup) {
	l.setup.Store(next.ready())
	l.watching.tellAll()
}

// parentage orders changes of parents, which look at several limiters.
var parentage sync.Mutex
