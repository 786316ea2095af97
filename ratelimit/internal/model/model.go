// Package model says what the algorithms of package ratelimit mean, as plainly as that
// can be written: fractions of unlimited size, lists of calls, no packing and no
// cleverness. The limiter and every shared store are held to it by tests.
package model

import (
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

// Answer is what a model says: the exported numbers of a Decision, and what its own
// refund needs.
type Answer struct {
	OK               bool
	Remaining        int64
	RetryAfter       time.Duration
	ResetAfter       time.Duration
	takenAt, takenTo int64
}

// Numbers returns the answer without what a refund needs.
func (a Answer) Numbers() Answer {
	a.takenAt, a.takenTo = 0, 0
	return a
}

// Key is one key under one rule. The times that it is asked about never go backwards.
type Key interface {
	// Allow decides a call.
	Allow(now clock.Instant, cost int64) Answer
	// Peek answers what Allow would, and takes nothing.
	Peek(now clock.Instant, cost int64) Answer
	// Refund gives back what a call took that was answered so.
	Refund(now clock.Instant, cost int64, given Answer)
	// Plain is whether what a refund gives back is the same without knowing when
	// the call was made.
	Plain(now clock.Instant, cost int64, given Answer) bool
}

// New returns a key under the rule c that was never used.
func New(c ratelimit.Config) Key {
	if c.Burst == 0 {
		c.Burst = c.Limit
	}
	switch c.Algorithm {
	case ratelimit.FixedWindow:
		return &windowModel{c: c, counts: map[int64]int64{}}
	case ratelimit.SlidingWindow:
		return &windowModel{c: c, counts: map[int64]int64{}, sliding: true}
	case ratelimit.SlidingLog:
		return &logModel{c: c}
	case ratelimit.GCRA, ratelimit.LeakyBucket:
	}
	return &bucketModel{c: c}
}
