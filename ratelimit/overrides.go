package ratelimit

import (
	"iter"
	"maps"
	"math/bits"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// class is what keys with the same numbers are counted by: those without an override,
// or those whose overrides come to the same.
type class struct {
	engine *engine
	config Config // with its defaults filled in
	exempt bool   // counted by nobody; engine keeps what was taken before
	keys   int    // how many have it, but for that of the rule
}

// quick returns the engine if it can decide without a lock, else nil.
func (c *class) quick() *engine {
	if c.exempt || c.engine.words == nil {
		return nil
	}
	return c.engine
}

// overrides finds the class of a key by the hash that a call computes anyway: an
// open-addressed table that is never changed. The tags are a byte of each slot's hash, beside
// each other: calls of keys that have no override look at one or two of these, and
// stay in the cache of the processor.
type overrides struct {
	given   map[string]Override
	tags    []uint8 // 0 where the slot is free
	slots   []overrideSlot
	classes map[numbers]*class
	keys    int
}

type overrideSlot struct {
	hash  key.Hash
	class *class // nil while the slot is free
}

// numbers tell one class of a rule from another.
type numbers struct {
	limit, burst int64
	per          time.Duration
	exempt       bool
}

func (c *class) numbers() numbers {
	if c.exempt {
		return numbers{exempt: true}
	}
	return numbers{c.config.Limit, c.config.Burst, c.config.Per, false}
}

func newOverrides(given map[string]Override) *overrides {
	n := 1 << bits.Len(uint(len(given)*3/2)) // at most two thirds full
	return &overrides{
		given: maps.Clone(given), tags: make([]uint8, n), slots: make([]overrideSlot, n), classes: make(map[numbers]*class),
	}
}

// add adds a key.
func (o *overrides) add(k Key, c Config, exempt bool) {
	one := class{config: c, exempt: exempt}
	of := o.like(&one)
	if of == nil {
		of = &one
		o.classes[of.numbers()] = of
	}
	of.keys++
	o.keys++
	h := k.Hash(key.All)
	i := h.Lo & uint64(len(o.tags)-1)
	for o.tags[i] != 0 {
		i = (i + 1) & uint64(len(o.tags)-1)
	}
	o.tags[i], o.slots[i] = tagOf(h), overrideSlot{h, of}
}

// tagOf is made of bits that choose neither the slot nor, in the table of the rule, the shard.
func tagOf(h key.Hash) uint8 { return uint8(h.Hi>>8) | 1 }

// like returns the class with the same numbers, nil if there is none.
func (o *overrides) like(c *class) *class {
	if o == nil {
		return nil
	}
	return o.classes[c.numbers()]
}

// find returns the class of a key, nil if it has no override.
func (o *overrides) find(h key.Hash) *class {
	tag, mask := tagOf(h), uint64(len(o.tags)-1)
	for i := h.Lo & mask; o.tags[i] != 0; i = (i + 1) & mask {
		if o.tags[i] == tag && o.slots[i].hash == h {
			return o.slots[i].class
		}
	}
	return nil
}

func (o *overrides) len() int {
	if o == nil {
		return 0
	}
	return o.keys
}

// all returns what was given; it is not to be changed.
func (o *overrides) all() map[string]Override {
	if o == nil {
		return nil
	}
	return o.given
}

// list returns the classes.
func (o *overrides) list() map[numbers]*class {
	if o == nil {
		return nil
	}
	return o.classes
}

// each yields every key that has an override.
func (o *overrides) each() iter.Seq2[key.Hash, *class] {
	return func(yield func(key.Hash, *class) bool) {
		if o == nil {
			return
		}
		for i := range o.slots {
			if s := &o.slots[i]; s.class != nil && !yield(s.hash, s.class) {
				return
			}
		}
	}
}

// of returns the class of a key.
func (s *setup) of(h key.Hash) *class {
	if s.overrides == nil {
		return &s.class
	}
	if c := s.overrides.find(h); c != nil {
		return c
	}
	return &s.class
}

// engines yields the engine of the rule and those of its overrides.
func (s *setup) engines() iter.Seq[*engine] {
	return func(yield func(*engine) bool) {
		if !yield(s.engine) {
			return
		}
		for _, c := range s.overrides.list() {
			if !c.exempt && !yield(c.engine) {
				return
			}
		}
	}
}

// tracked is how many keys are counted one by one.
func (s *setup) tracked() (n int64) {
	for e := range s.engines() {
		n += e.keys.Load()
	}
	return n
}

// origin is where keys come from that move to an engine: what they were counted by
// before a change.
type origin struct {
	setup *setup
	at    clock.Instant // of the change
}

// leave takes the state of a key from the engine it was in and returns what it becomes in e.
// Locks are taken in one order: an engine that is new, that of the rule, one that loses keys.
// REQUIRES: the lock of the key's shard in e is held.
func (o *origin) leave(e *engine, h key.Hash) (state, bool) {
	from := o.setup.of(h).engine
	if from == e {
		return unused(), false
	}
	st, known := from.remove(h)
	if !known {
		return st, false
	}
	if from.keys != e.keys { // it has its place wherever it goes, even above MaxKeys
		from.keys.Add(-1)
		e.keys.Add(1)
	}
	return e.rule.inherit(from.rule, st, o.at), true
}

// spilled returns what a key begins with in e that was counted in a bucket which it
// shared. Where an engine replaces another it inherits all buckets.
func (o *origin) spilled(e *engine, h key.Hash) (state, bool) {
	from := o.setup.of(h).engine
	if from == e || from.keys == e.keys {
		return unused(), false
	}
	st, ok := from.overflow.copy(h)
	if !ok {
		return st, false
	}
	return e.rule.inherit(from.rule, st, o.at), true
}

// holds reports whether a key that is not in the table belongs there: a call that began
// before a change may ask the engine that its key was in. It is asked under the lock of the key's
// shard, and a change is published before it moves any key.
func (e *engine) holds(h key.Hash) bool {
	s := e.lim.setup.Load()
	return s.overrides == nil && !e.special || s.of(h).engine == e
}
