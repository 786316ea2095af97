package breaker

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/mode"
)

const (
	defaultMembers = 1024
	maxMembers     = 1_000_000
	// overflowMember is the member text of the one that stands in beyond the bound.
	overflowMember = "(overflow)"
	// visits is how many members each new one makes the group look at, to drop
	// those that are idle: more than one, or a full group would never recover.
	visits = 8
)

// Group is one breaker for each key: per host, per tenant. Members share the
// configuration, appear in metrics only as their sum, and are made on demand. It
// is safe for concurrent use and has nothing to close.
//
// A group is bounded. A member that nobody asked for, neither during a window nor
// during a probe's lease, so that no call of it is expected back, and that is
// closed, counts nothing and has the group's settings is dropped when others come,
// which changes no answer.
// In a full group an open one is dropped too, once its cooldown has been over for
// as long as it lasted: it would keep a place for a key that may never come again.
// Beyond the bound a new key is let through unprotected, counted in the status
// and the metrics: a breaker shared by strangers would let one bad host shut out
// the rest.
type Group struct {
	name       string
	setup      *setup
	ledger     *ledger
	limit      int
	overflow   *Breaker
	overflowed atomic.Uint64 // calls of For that got overflow
	dropped    atomic.Uint64

	// mu guards the fields below. A breaker's mu may be taken under it; no handler
	// runs under it.
	mu      sync.RWMutex
	rules   *rules
	members map[key.Hash]*member
	order   []*member // for the hand that looks for idle members
	hand    int
}

type member struct {
	*Breaker
	hash key.Hash
	used atomic.Bool // since the hand came by; the rest is the hand's
	idle clock.Instant
	rest bool // idle is set
}

// NewGroup returns an empty group for at most limit keys, from 1 to 1,000,000;
// 0 means 1024. The name and cfg are checked as by [New].
func NewGroup(name string, cfg Config, limit int, opts ...Option) (*Group, error) {
	ps := cfg.problems()
	ps.CheckName(name)
	within(&ps, "max_members", limit, 1, maxMembers)
	if err := ps.Err(component, name); err != nil {
		return nil, err
	}
	s := newSetup(opts)
	s.single = true
	g := &Group{
		name: name, setup: s, ledger: new(ledger), limit: or(limit, defaultMembers),
		rules: &rules{Config: cfg.withDefaults(), revision: 1, group: 1}, members: make(map[key.Hash]*member),
	}
	g.overflow = newBreaker(name, overflowMember, &rules{Config: Config{Mode: mode.Off}.withDefaults(), revision: 1}, s, g.ledger)
	return g, nil
}

// Name returns the name that the group was made with.
func (g *Group) Name() string { return g.name }

// For returns the breaker of the key of parts, which are strings and integers;
// it makes the breaker if there is none. Ask for each call: a breaker that was
// kept may have been dropped from the group meanwhile, and protects, but apart.
func (g *Group) For(parts ...any) *Breaker { return g.ForKey(key.Of(parts...)) }

// ForKey is [Group.For] for a key, as package ratelimit makes them.
func (g *Group) ForKey(k key.Key) *Breaker {
	hash := k.Hash(key.All)
	g.mu.RLock()
	m := g.members[hash]
	g.mu.RUnlock()
	if m == nil {
		return g.admit(hash, k)
	}
	if !m.used.Load() {
		m.used.Store(true)
	}
	return m.Breaker
}

// Lookup returns the breaker of a key, as package ratelimit makes them, without
// making one.
func (g *Group) Lookup(k key.Key) (*Breaker, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	m := g.members[k.Hash(key.All)]
	if m == nil {
		return nil, false
	}
	return m.Breaker, true
}

func (g *Group) admit(hash key.Hash, k key.Key) *Breaker {
	now := clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.members[hash]; m != nil {
		return m.Breaker
	}
	g.sweepLocked(now)
	if len(g.members) >= g.limit {
		g.overflowed.Add(1)
		return g.overflow
	}
	b := newBreaker(g.name, k.Text(), g.rules, g.setup, g.ledger)
	b.own = new(tally)
	m := &member{Breaker: b, hash: hash}
	m.used.Store(true)
	g.members[hash] = m
	g.order = append(g.order, m)
	return b
}

// sweepLocked moves the hand over a few members and drops those that are idle.
// REQUIRES: g.mu for writing.
func (g *Group) sweepLocked(now clock.Instant) {
	rest := max(g.rules.Window, g.rules.ProbeLease)
	for range min(visits, len(g.order)) {
		g.hand %= len(g.order)
		m := g.order[g.hand]
		if !m.droppable(now, rest, g.rules, len(g.order) >= g.limit) {
			g.hand++
			continue
		}
		delete(g.members, m.hash)
		last := len(g.order) - 1
		g.order[g.hand] = g.order[last]
		g.order[last] = nil
		g.order = g.order[:last]
		g.dropped.Add(1)
		if last == 0 {
			return
		}
	}
}

// droppable is called under the group's mu, which guards idle and rest.
func (m *member) droppable(now clock.Instant, rest time.Duration, common *rules, full bool) bool {
	if m.used.Swap(false) || !m.rest {
		m.idle, m.rest = now, true
		return false
	}
	return now.Sub(m.idle) >= rest && m.dispensable(now, common, full)
}

// dispensable reports whether b answers as one that was just made under the common
// rules would, or if lapsed is set, would do so had it been asked to recover. What time
// has ended counts as ended, though no call has noticed.
func (b *Breaker) dispensable(now clock.Instant, common *rules, lapsed bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.era.Load()
	switch {
	case e.gate == gateOff || e.injected != nil || e.override.active(now):
		return false
	case e.rules.own && !e.rules.same(common.Config):
		return false
	case e.m.state != StateClosed:
		return lapsed && e.m.lapsed(now)
	case e.m.ramping && now < e.m.until || e.m.relapsed(now):
		return false
	}
	return e.window.totalsLocked(e.rules, now) == totals{}
}

// Reconfigure puts cfg into force for all members, present and future, as
// [Breaker.Reconfigure] does for one. It replaces also the settings of members
// that were given their own, unless cfg is equal to the group's present settings:
// then it is a no-op for every member, so that who applies a configuration again
// takes nothing back. Such a member follows its group again when it is given the
// group's settings itself.
func (g *Group) Reconfigure(cfg Config) error {
	if err := check(g.name, cfg); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	g.mu.Lock()
	if g.rules.same(cfg) {
		g.mu.Unlock()
		return nil
	}
	r := &rules{Config: cfg, revision: g.rules.revision + 1, group: g.rules.group + 1}
	g.rules = r
	members := slices.Clone(g.order)
	g.mu.Unlock()
	for _, m := range members { // outside the lock: this may deliver events
		m.reconfigure(cfg, r.group)
	}
	return nil
}

// Members returns the breakers of the group in the order of their key's text.
func (g *Group) Members() []*Breaker {
	g.mu.RLock()
	out := make([]*Breaker, 0, len(g.order))
	for _, m := range g.order {
		out = append(out, m.Breaker)
	}
	g.mu.RUnlock()
	slices.SortFunc(out, func(a, b *Breaker) int { return strings.Compare(a.member, b.member) })
	return out
}

// GroupStatus is a group at one moment.
type GroupStatus struct {
	Name       string
	Members    int
	MaxMembers int
	// ByState counts the members by the state that their next call would meet.
	ByState map[State]int
	// Dropped counts idle members that were removed.
	Dropped uint64
	// Overflowed counts calls that got no breaker because the group was full.
	Overflowed uint64
	Revision   uint64
	Config     Config
	Totals     Counts
}

// Status returns a picture of the group; that of a member is its own Status.
func (g *Group) Status() GroupStatus {
	now := clock.Now()
	g.mu.RLock()
	defer g.mu.RUnlock()
	s := GroupStatus{
		Name: g.name, Members: len(g.order), MaxMembers: g.limit, ByState: g.byStateLocked(now),
		Dropped: g.dropped.Load(), Overflowed: g.overflowed.Load(),
		Revision: g.rules.revision, Config: g.rules.Config, Totals: g.ledger.counts(),
	}
	return s
}

// byStateLocked REQUIRES: g.mu for reading.
func (g *Group) byStateLocked(now clock.Instant) map[State]int {
	by := map[State]int{StateClosed: 0, StateOpen: 0, StateHalfOpen: 0}
	for _, m := range g.order {
		by[m.era.Load().view(now)]++
	}
	return by
}
