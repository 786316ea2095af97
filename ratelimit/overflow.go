package ratelimit

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/elixirscope/foundation/internal/key"
)

// overflow counts the keys for which a limiter has no room. They share buckets
// by hash: a key may be refused because of others in its bucket, but none gets
// quota that it does not have, and nothing grows.
type overflow struct {
	buckets atomic.Pointer[[overflowBuckets]overflowBucket] // made when first used
}

const overflowBuckets = 1024

// closedBuckets stands in for the buckets of an engine that was replaced before
// any key overflowed. It is not written to.
var closedBuckets [overflowBuckets]overflowBucket

type overflowBucket struct {
	mu     sync.Mutex // guards the fields below
	state  state
	sealed bool
}

func (o *overflow) bucket(h key.Hash) *overflowBucket {
	buckets := o.buckets.Load()
	if buckets == nil {
		return nil
	}
	return &buckets[h.Lo%overflowBuckets]
}

func (o *overflow) open() {
	fresh := new([overflowBuckets]overflowBucket)
	for i := range fresh {
		fresh[i].state = unused()
	}
	o.buckets.CompareAndSwap(nil, fresh)
}

func (o *overflow) visit(h key.Hash, fn visitor) visited {
	b := o.bucket(h)
	if b == nil {
		o.open() // or they were closed in this moment
		b = o.bucket(h)
	}
	if o.buckets.Load() == &closedBuckets {
		return tableSealed
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return tableSealed
	}
	if after, keep := fn(b.state); keep {
		b.state = after
	}
	return visitDone
}

// copy returns the state of a key's bucket, or false if no key ever overflowed.
func (o *overflow) copy(h key.Hash) (state, bool) {
	b := o.bucket(h)
	if b == nil || o.buckets.Load() == &closedBuckets {
		return state{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.clone(), true
}

// inherit fills o with the buckets of prev, which are sealed one by one.
func (o *overflow) inherit(e, prev *engine) {
	if prev.overflow.buckets.CompareAndSwap(nil, &closedBuckets) {
		return // a call on its way there must not open buckets that nobody inherits
	}
	o.open()
	mine, theirs := o.buckets.Load(), prev.overflow.buckets.Load()
	for i := range theirs {
		b := &theirs[i]
		b.mu.Lock()
		b.sealed = true
		mine[i].state = e.rule.inherit(prev.rule, b.state, e.since)
		b.mu.Unlock()
	}
}

// clone returns a state that shares no memory with st.
func (st state) clone() state {
	if st.log != nil {
		log := *st.log
		log.entries = slices.Clone(log.entries)
		st.log = &log
	}
	return st
}
