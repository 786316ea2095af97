package ratelimit

import (
	"maps"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// change is how one setup of a limiter follows another. Engines stay whose rule does and
// that gain no key. All others are made anew, and keys move to them from where they
// were: each when it is asked for, and the rest before the change returns.
type change struct {
	lim       *Limiter
	old, next *setup
	at        clock.Instant
	anew      bool // the keys are others: no state is carried over

	gaining []*engine  // those that keys move to
	back    []key.Hash // keys that come back to the rule
	peak    int64      // the greatest count that these may have
}

// planOverrides makes the table of overrides and the engines that it needs.
func (c *change) planOverrides(byKey map[string]Override) {
	c.peak = c.old.engine.rule.most()
	if c.next.overrides = nil; len(byKey) > 0 {
		c.next.overrides = newOverrides(byKey)
		for text, o := range byKey {
			c.next.overrides.add(ParseKey(text), o.on(c.next.given).withDefaults(), o.Exempt)
		}
		c.planClasses()
	}
	for h, before := range c.old.overrides.each() {
		if after := c.next.of(h); !before.exempt && (after == &c.next.class || after.exempt) {
			c.back = append(c.back, h)
			c.peak = max(c.peak, before.engine.rule.most())
		}
	}
}

// sources is where the keys of a class were counted.
type sources struct {
	peak  int64 // the greatest count that one of them may have
	other bool  // not all by the engine of the class with the same numbers
}

// planClasses gives every class of overrides an engine: the one that has counted all of
// its keys with the same numbers, else another.
func (c *change) planClasses() {
	next := c.next.overrides
	from := make(map[*class]*sources, len(next.classes))
	for h, class := range next.each() {
		s := from[class]
		if s == nil {
			s = new(sources)
			from[class] = s
		}
		was := c.old.of(h)
		s.peak = max(s.peak, was.engine.rule.most())
		s.other = s.other || was.exempt || was != c.old.overrides.like(class)
	}
	for class, s := range from {
		if class.exempt {
			continue
		}
		r := newRule(class.config, &rule{peak: s.peak})
		if before := c.old.overrides.like(class); !s.other && !c.anew && r.same(before.engine.rule) {
			class.engine = before.engine
			continue
		}
		class.engine = newSpecialEngine(c.lim, r, class.keys, c.at)
		c.gain(class.engine)
	}
}

// newSpecialEngine returns an engine for keys that have an override. They are few and
// known, so it has a place for each.
func newSpecialEngine(l *Limiter, r *rule, keys int, now clock.Instant) *engine {
	e := newEngineFor(l, r, int64(keys), now)
	e.special = true
	shards := 1 + keys/keysPerSpecialShard
	e.makeTable(min(shards, leastShards), min(shards, cellShards))
	return e
}

// keysPerSpecialShard keeps an engine small that has a key or two: there may be as many
// of them as there are overrides.
const keysPerSpecialShard = 64

// gain makes an engine take the keys that move to it from where they were.
func (c *change) gain(e *engine) {
	if !c.anew {
		e.prev.Store(&origin{c.old, c.at})
		c.gaining = append(c.gaining, e)
	}
}

// planRule gives the rule itself its engine, the one before if it can stay.
func (c *change) planRule() {
	old, next := c.old.engine, c.next
	r := newRule(next.config, &rule{peak: c.peak})
	stays := !c.anew && r.same(old.rule) && (paced(r.algorithm) || r.peak <= old.rule.peak)
	returned, fits := old.returnees(c.back, c.at)
	switch {
	case !stays || !fits: // a rule of its own: receipts are void
		next.engine = newEngine(c.lim, r, int64(next.config.MaxKeys), c.at)
	case next.config.MaxKeys != c.old.config.MaxKeys:
		next.engine = newEngine(c.lim, old.rule, int64(next.config.MaxKeys), c.at)
		next.engine.refunds.sums.Store(old.refunds.opened())
	}
	e := next.engine
	if e.rule == old.rule {
		e.returned.Store(returned)
	}
	if e != old && !c.anew {
		e.keys = old.keys
	}
	if e != old || len(c.back) > 0 {
		c.gain(e)
	}
	for _, class := range next.overrides.list() {
		if class.exempt {
			class.engine = e
		}
	}
}

// publish makes the next setup what calls are decided by. An engine of overrides needs no
// seal: a key that has left it does not come back, see [engine.holds].
func (c *change) publish() {
	c.lim.swap.Lock()
	defer c.lim.swap.Unlock()
	if before, after := c.old.engine, c.next.engine; before != after && !c.anew {
		before.seal()
		after.overflow.inherit(after, before)
	}
	c.lim.publish(c.next)
}

// move moves every key that is counted by another engine now, a few at a time, so that
// no call waits long for a lock.
func (c *change) move() {
	if len(c.gaining) == 0 {
		return
	}
	bring := func(h key.Hash) {
		if e := c.next.of(h).engine; e != c.old.of(h).engine {
			e.bring(h, c.at)
		}
	}
	if c.next.engine != c.old.engine {
		c.old.engine.each(bring)
	}
	for _, o := range []*overrides{c.old.overrides, c.next.overrides} {
		for h := range o.each() {
			bring(h)
		}
	}
	for _, e := range c.gaining {
		e.prev.Store(nil)
	}
}

// bring takes a key from where it was; one that nobody has used needs no place.
func (e *engine) bring(h key.Hash, at clock.Instant) {
	e.visitTable(h, at, func(st state) (state, bool) { return st, !e.rule.spent(st, at) })
}

// returnees are keys that had an override and have none any more, and since when. What
// was taken before is not to be given back, because the key was counted by other
// numbers meanwhile.
type returnees map[key.Hash]clock.Instant

// mostReturnees bounds them: if there are more all receipts are void.
const mostReturnees = 1 << 14

// returnees returns those of e with some more, or false if they are too many.
func (e *engine) returnees(more []key.Hash, at clock.Instant) (*returnees, bool) {
	known := e.returned.Load()
	if len(more) == 0 {
		return known, true
	}
	all := make(returnees, len(more))
	if known != nil {
		maps.Copy(all, *known)
	}
	for _, h := range more {
		all[h] = at
	}
	return &all, len(all) <= mostReturnees
}

// voids reports whether a receipt of a key is from before it came back to the engine.
func (e *engine) voids(h key.Hash, at clock.Instant) bool {
	r := e.returned.Load()
	if r == nil {
		return false
	}
	since, known := (*r)[h]
	return known && at < since
}
