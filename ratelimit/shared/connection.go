package shared

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/ordered"
)

// connection is the shell around the machine: what calls read without a lock, what they
// report, and who is told of the transitions.
type connection struct {
	word    atomic.Uint64 // the generation, and 1 in the lowest bit while calls must not ask the store
	failing atomic.Bool   // there are failures in a row: an answer matters

	mu      sync.Mutex // guards the fields below; no event handler runs under it
	machine machine
	cause   error         // of the last failure
	closed  bool          // for ever away, and nothing probes
	away    time.Duration // in all, without the present time

	transitions ordered.Queue[transition]
}

// transition is a change of state that is to be told.
type transition struct {
	away   bool
	cause  error
	lasted time.Duration // of the state before
}

// open begins with a store that is taken to answer.
func (c *connection) open() { c.machine.since = clock.Now() }

// enter returns the generation in which a call begins, and whether it may ask the store.
func (c *connection) enter() (generation uint64, up bool) {
	w := c.word.Load()
	return w >> 1, w&1 == 0
}

// report tells the machine of something that happened, and reports whether the store went
// away by it.
func (c *connection) report(kind eventKind, generation uint64, cause error) (left bool) {
	if kind == onAnswer && !c.failing.Load() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	now := clock.Now()
	before := c.machine
	c.machine = before.step(event{kind, generation, rand.Float64()}, now)
	if kind != onAnswer && cause != nil && generation == before.generation && !c.explainedLocked(before, cause) {
		c.cause = cause
	}
	c.failing.Store(c.machine.failures > 0)
	if c.machine.generation == before.generation {
		return false
	}
	lasted := now.Sub(before.since)
	if before.away {
		c.away += lasted
	}
	c.publishLocked()
	c.transitions.Add(transition{away: c.machine.away, cause: c.cause, lasted: lasted})
	return c.machine.away
}

// explainedLocked reports whether an error says only that what protects the store refuses to ask
// it, where the error by which that began is known.
func (c *connection) explainedLocked(before machine, cause error) bool {
	return c.cause != nil && errors.Is(cause, fault.CircuitOpen) && (before.away || before.failures > 0)
}

func (c *connection) publishLocked() {
	w := c.machine.generation << 1
	if c.machine.away || c.closed {
		w |= 1
	}
	c.word.Store(w)
}

// close makes the connection be away for ever and reports whether it was open.
func (c *connection) close() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.closed, c.cause = true, fault.New(fault.Spec{Code: fault.Closed, Component: component, Message: "the shared counters are closed"})
	c.publishLocked()
	return true
}

func (c *connection) lastCause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// present returns the state, how long the store was away in all, and the last cause.
func (c *connection) present() (m machine, away time.Duration, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	away = c.away
	if c.machine.away {
		away += clock.Now().Sub(c.machine.since)
	}
	return c.machine, away, c.cause
}

// verdictOn says what an error of the store means for the connection; told is false for
// one that says nothing about the store.
func verdictOn(err error) (kind eventKind, told bool) {
	switch {
	case Answered(err):
		return onAnswer, true
	case errors.Is(err, fault.CircuitOpen), errors.Is(err, fault.Closed):
		return onRefusal, true
	case errors.Is(err, fault.Canceled), errors.Is(err, fault.Unavailable):
		return onFailure, true
	case fault.IsRefusal(err): // one call too many: the next may pass
		return 0, false
	}
	return onFailure, true
}

// Reason says why a [Store] has not answered, in the words of err and without what it says of the call:
// which rule it was for is chance. It is empty for nil.
func Reason(err error) string {
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case err == nil:
		return ""
	case !ok:
		return err.Error()
	case f.Unwrap() == nil || errors.Is(f.Unwrap(), context.DeadlineExceeded): // which the message says
		return f.Message()
	}
	return f.Message() + ": " + Reason(f.Unwrap())
}

// canceled is the error of a call whose caller gave up.
func canceled(ctx context.Context, name string) error {
	return fault.New(fault.Spec{Code: fault.Canceled, Component: component, Name: name, Cause: context.Cause(ctx)})
}
