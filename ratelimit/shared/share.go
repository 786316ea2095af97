package shared

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
)

// share is the local part of one limit.
type share struct {
	whole    ratelimit.Config
	limiter  *ratelimit.Limiter
	capacity atomic.Int64 // what it admits at once
	// offset is what its clock is ahead of the process's, so that its windows are the store's.
	offset atomic.Int64
	placed atomic.Bool // the offset is known

	asked clock.Instant // when a call last looked for it; guarded by fallback.mu
}

func newShare(name string, whole ratelimit.Config, n int64) (*share, error) {
	local := divided(whole, n)
	l, err := ratelimit.New(name, local)
	if err != nil {
		return nil, err
	}
	s := &share{whole: whole, limiter: l}
	s.capacity.Store(capacityOf(&local))
	return s, nil
}

func (s *share) divide(n int64) {
	local := divided(s.whole, n)
	_ = s.limiter.ReconfigureAt(s.at(clock.Now()), local) // a share of a legal rule is legal
	s.capacity.Store(capacityOf(&local))
}

// spent reports whether all that the share has counted has run off.
func (s *share) spent(now clock.Instant) bool {
	c := &s.whole
	longest := 2 * float64(c.Per) // a window and the one before
	if c.Limit > 0 {
		longest = max(longest, float64(c.Burst)*float64(c.Per)/float64(c.Limit))
	}
	return float64(now.Sub(s.asked)) > longest+float64(time.Minute)
}

func (s *share) at(now clock.Instant) clock.Instant { return now.Add(time.Duration(s.offset.Load())) }

const (
	// aligned is how much later than those of the store the windows of a share may end.
	aligned = 20 * time.Millisecond
	// alignable is the shortest window for which that means anything.
	alignable = 10 * aligned
)

// align makes the windows of the share those of the store, by how long the store says that a
// key of it takes to run off. Else a window of the share could end within one of the
// store, which would see up to three times the limit as the store goes away.
//
// The answer is as old as its way was long, so that a window seems to end earlier than it
// does: of several answers the one with the latest end is right, unless clocks drift.
func (s *share) align(now clock.Instant, resetAfter time.Duration) {
	a, per := s.whole.Algorithm, s.whole.Per
	if a != ratelimit.FixedWindow && a != ratelimit.SlidingWindow || per < alignable {
		return
	}
	late := time.Duration(s.at(now).Add(resetAfter)) % per // by how much the store's window ends later, of either sign
	switch {
	case late > per/2:
		late -= per
	case late < -per/2:
		late += per
	}
	if late > 0 || late < -aligned || late != 0 && !s.placed.Load() {
		s.offset.Add(-int64(late))
	}
	s.placed.Store(true)
}

// debit takes a cost. If there is not so much, it takes nothing and returns how much there is.
func (s *share) debit(ask *ratelimit.RemoteCall, cost int64) (rest int64) {
	var d ratelimit.Decision
	_, err := s.limiter.Admit(context.Background(), &d, s.at(ask.Now), &ask.Key, cost, -1)
	if err != nil || d.OK {
		return 0
	}
	return d.Remaining
}

// finish makes the answer of the share's limiter that of the fall-back. A call that costs more
// than the share ever admits is refused until the store is back.
func (s *share) finish(ask *ratelimit.RemoteCall, d *ratelimit.Decision) {
	d.Source = ratelimit.Fallback
	if !d.OK && ask.Cost > s.capacity.Load() {
		d.RetryAfter = time.Second
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
