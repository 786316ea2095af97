package shared

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
)

// fallback counts the calls of one rule in this process, by its share of the limit. What
// the store admits is debited here as well, so that it begins from what is known when the
// store goes away.
type fallback struct {
	name   string
	latest atomic.Pointer[share] // that of most calls

	mu        sync.Mutex // guards the fields below
	instances int64
	shares    map[ratelimit.Config]*share // by what keys are counted by: overrides have their own
}

// share is the local part of one limit.
type share struct {
	whole    ratelimit.Config
	limiter  *ratelimit.Limiter
	capacity atomic.Int64 // what it admits at once
}

// of returns the share by which a key is counted that the store counts by whole.
func (f *fallback) of(whole *ratelimit.Config) (*share, error) {
	if s := f.latest.Load(); s != nil && s.whole == *whole {
		return s, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.shares[*whole]
	if s == nil {
		local := divided(*whole, f.instances)
		l, err := ratelimit.New(f.name, local)
		if err != nil {
			return nil, err
		}
		s = &share{whole: *whole, limiter: l}
		s.capacity.Store(capacityOf(&local))
		f.shares[*whole] = s
	}
	f.latest.Store(s)
	return s, nil
}

// divide makes the shares those of one of n processes.
func (f *fallback) divide(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instances = n
	for whole, s := range f.shares {
		local := divided(whole, n)
		_ = s.limiter.ReconfigureAt(clock.Now(), local) // a share of a legal rule is legal
		s.capacity.Store(capacityOf(&local))
	}
}

// divided returns the share of one of n processes, rounded up: together they admit less
// than n above the limit.
func divided(c ratelimit.Config, n int64) ratelimit.Config {
	c.Limit, c.Burst = ceil(c.Limit, n), ceil(c.Burst, n)
	c.Parts, c.Mode = 0, mode.Enforce
	return c
}

// ceil returns ⌈v/n⌉ of what is positive, and v else.
func ceil(v, n int64) int64 {
	if v <= 0 {
		return v
	}
	return (v-1)/n + 1
}

// capacityOf is what a rule admits at once.
func capacityOf(c *ratelimit.Config) int64 {
	if c.Burst > 0 {
		return c.Burst
	}
	return max(c.Limit, 0)
}

// take decides a call locally.
func (f *fallback) take(ctx context.Context, ask *ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	s, err := f.of(ask.Config)
	if err != nil {
		return d, err
	}
	_, err = s.limiter.Admit(ctx, &d, ask.Now, &ask.Key, ask.Cost, -1)
	d.Source = ratelimit.Fallback
	if !d.OK && ask.Cost > s.capacity.Load() {
		d.RetryAfter = time.Second // more than the share ever admits: until the store is back
	}
	return d, err
}

func (f *fallback) peek(ask *ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	s, err := f.of(ask.Config)
	if err != nil {
		return d, err
	}
	d = s.limiter.PeekAt(ask.Now, ask.Key, ask.Cost)
	d.Source = ratelimit.Fallback
	return d, nil
}

// mirror debits what the store admitted, as far as the share has it.
func (f *fallback) mirror(ask *ratelimit.RemoteCall, cost int64) {
	s, err := f.of(ask.Config)
	if err != nil || cost <= 0 {
		return
	}
	var d ratelimit.Decision
	_, _ = s.limiter.Admit(context.Background(), &d, ask.Now, &ask.Key, cost, -1)
	if !d.OK && d.Remaining > 0 {
		rest := d.Remaining
		d = ratelimit.Decision{}
		_, _ = s.limiter.Admit(context.Background(), &d, ask.Now, &ask.Key, rest, -1)
	}
}

func (f *fallback) reset(ask *ratelimit.RemoteCall) {
	if s, err := f.of(ask.Config); err == nil {
		s.limiter.Reset(ask.Key, "")
	}
}
