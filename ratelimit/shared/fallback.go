package shared

import (
	"context"
	"maps"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

// fallback counts the calls of one rule in this process, by its share of the limit. What
// the store admits is debited here as well, so that it begins from what is known when the
// store goes away.
//
// The store admits no more than the limit, and the shares of all instances together no
// more than the limit and one call for each instance. So while the store goes away at most
// both are admitted, about twice the limit, and then at most limit + instances in each
// window. What was debited before makes it less: if all instances have admitted alike, no
// more than limit + instances from the first moment on.
type fallback struct {
	name   string
	latest atomic.Pointer[share] // that of most calls

	mu        sync.Mutex // guards the fields below
	instances int64
	shares    map[ratelimit.Config]*share // by what keys are counted by: overrides have their own
}

// mostShares is how many limits have a share of their own. Those beyond it, which takes so
// many different overrides, count as the next lower power of two, and share.
const mostShares = 256

// of returns the share by which a key is counted that the store counts by whole.
func (f *fallback) of(whole *ratelimit.Config) (*share, error) {
	if s := f.latest.Load(); s != nil && s.whole == *whole {
		return s, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := clock.Now()
	if old := f.latest.Load(); old != nil {
		old.asked = now // up to now it was found without looking
	}
	s, err := f.shareLocked(*whole, now)
	if err == nil && s.whole == *whole {
		f.latest.Store(s)
	}
	return s, err
}

func (f *fallback) shareLocked(whole ratelimit.Config, now clock.Instant) (*share, error) {
	s := f.shares[whole]
	if s == nil && len(f.shares) >= mostShares {
		maps.DeleteFunc(f.shares, func(_ ratelimit.Config, s *share) bool { return s.spent(now) })
		if len(f.shares) >= mostShares {
			whole.Limit, whole.Burst = powerBelow(whole.Limit), powerBelow(whole.Burst)
			s = f.shares[whole]
		}
	}
	if s == nil {
		var err error
		if s, err = newShare(f.name, whole, f.instances); err != nil {
			return nil, err
		}
		f.shares[whole] = s
	}
	s.asked = now
	return s, nil
}

// powerBelow returns the greatest power of two that is not above v, and v itself if that is
// not positive.
func powerBelow(v int64) int64 {
	if v <= 0 {
		return v
	}
	return 1 << (bits.Len64(uint64(v)) - 1)
}

// divide makes the shares those of one of n processes. That takes long with many keys, and
// calls go on meanwhile. It is not called twice at a time.
func (f *fallback) divide(n int64) {
	f.mu.Lock()
	f.instances = n
	all := slices.Collect(maps.Values(f.shares))
	f.mu.Unlock()
	for _, s := range all {
		s.divide(n)
	}
}

// take decides a call locally.
func (f *fallback) take(ctx context.Context, ask *ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	s, err := f.of(ask.Config)
	if err != nil {
		return d, err
	}
	_, err = s.limiter.Admit(ctx, &d, s.at(ask.Now), &ask.Key, ask.Cost, -1)
	s.finish(ask, &d)
	return d, err
}

func (f *fallback) peek(ask *ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	s, err := f.of(ask.Config)
	if err != nil {
		return d, err
	}
	d = s.limiter.PeekAt(s.at(ask.Now), ask.Key, ask.Cost)
	s.finish(ask, &d)
	return d, nil
}

// mirror debits what the store admitted, as far as the share has it.
func (f *fallback) mirror(ask *ratelimit.RemoteCall, by *ratelimit.Decision) {
	if by.Taken <= 0 {
		return
	}
	s, err := f.of(ask.Config)
	if err != nil {
		return
	}
	s.align(ask.Now, by.ResetAfter)
	if rest := s.debit(ask, by.Taken); rest > 0 {
		s.debit(ask, rest)
	}
}

// refund gives back what a local decision took.
func (f *fallback) refund(ask *ratelimit.RemoteCall, d *ratelimit.Decision) {
	if s, err := f.of(ask.Config); err == nil {
		d.RefundAt(s.at(ask.Now))
	}
}

func (f *fallback) reset(ask *ratelimit.RemoteCall) {
	if s, err := f.of(ask.Config); err == nil {
		_ = s.limiter.Reset(ask.Key, "") // it counts by itself, which cannot fail
	}
}
