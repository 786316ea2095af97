package health

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/elixirscope/foundation/fault"
)

const (
	// lookEvery is how often the parts are looked at, lookAtMost how often at most where results come in.
	lookEvery, lookAtMost = time.Second, 100 * time.Millisecond
	// stopGrace is how long the runs that are under way may take to notice the end.
	stopGrace = time.Second
)

func randomShare() float64 { return rand.Float64() }

// Serve runs the checks until ctx ends, and tells of changes. Checks that do not return
// then are left behind within a second, and named in the log. A second Serve at a time is
// refused with [fault.AlreadyExists].
func (a *Aggregator) Serve(ctx context.Context) error {
	if !a.begin() {
		return fault.New(fault.Spec{Code: fault.AlreadyExists, Component: component, Message: "the checks are run by another Serve"})
	}
	defer a.end()
	watching := a.startWatching(ctx)
	defer func() { a.await(watching, "a handler of the events does not return and is left behind") }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(a.step(ctx, time.Now())))
		select {
		case <-a.wake:
		case <-timer.C:
		case <-watching: // a handler has ended its goroutine
			watching = a.startWatching(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// await waits a moment for done, or says what was left behind.
func (a *Aggregator) await(done <-chan struct{}, otherwise string) {
	limit := time.NewTimer(stopGrace)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		a.log.Warn(otherwise) //nolint:sloglint // one of this file's
	}
}

func (a *Aggregator) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.serving {
		return false
	}
	a.serving = true
	return true
}

// end gives up what runs and waits a moment for it.
func (a *Aggregator) end() {
	a.mu.Lock()
	var running []*call
	for _, c := range a.calls {
		if !c.left {
			c.discard = true
			c.cancel()
			running = append(running, c)
		}
	}
	a.mu.Unlock()
	limit, done := context.WithTimeout(context.Background(), stopGrace)
	defer done()
	for _, c := range running {
		select {
		case <-c.ended:
		case <-limit.Done():
			a.log.Warn("a check does not return and is left behind", slog.String("check", c.name))
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serving = false
	for _, c := range running {
		c.left = true // settle has forgotten it unless it still runs
	}
	for _, e := range a.checks {
		e.due = time.Time{} // another Serve begins at once
	}
}

// step gives up what is overdue, starts what is due, as many as may run at once, and
// returns when there is something to do again.
func (a *Aggregator) step(ctx context.Context, now time.Time) (next time.Time) {
	next = now.Add(time.Hour)
	var gaveUp []string
	a.mu.Lock()
	running := 0
	for _, c := range a.calls {
		switch {
		case c.left:
		case !now.Before(c.overdue()):
			a.giveUpLocked(c, now)
			gaveUp = append(gaveUp, c.name)
		default:
			running++
			next = earlier(next, c.overdue())
		}
	}
	for _, e := range a.dueLocked(now) {
		if running == a.concurrency {
			break // the end of a run wakes this
		}
		if c := a.calls[e.check.Name]; c != nil {
			if c.left || !c.discard { // the end of one that is discarded wakes this: the check that has its name now waits for that
				a.missLocked(e, c, now)
			}
			continue
		}
		a.startLocked(ctx, e, now)
		running++
		next = earlier(next, a.calls[e.check.Name].overdue())
	}
	for _, e := range a.checks {
		if e.due.After(now) {
			next = earlier(next, e.due)
		}
	}
	a.mu.Unlock()
	for _, name := range gaveUp {
		a.log.Warn("a check ignores its context and is given up; it is not started again before it returns", slog.String("check", name))
	}
	return next
}

// dueLocked lists the checks that are due, the one that has waited longest first.
// REQUIRES: a.mu.
func (a *Aggregator) dueLocked(now time.Time) []*entry {
	var due []*entry
	for _, e := range a.checks {
		if !e.due.After(now) {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(x, y *entry) int { return cmp.Or(x.due.Compare(y.due), cmp.Compare(x.check.Name, y.check.Name)) })
	return due
}

// missLocked counts a round that cannot be run because an earlier run has not returned.
// REQUIRES: a.mu.
func (a *Aggregator) missLocked(e *entry, c *call, now time.Time) {
	e.due = now.Add(spread(e.check.Every, a.random()))
	if c.left {
		e.state = e.state.after(hanging(c, now), e.check.Config, now)
	}
}
