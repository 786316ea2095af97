package health

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// call is one run of a check.
type call struct {
	name    string
	entry   *entry
	started time.Time
	limit   time.Duration
	cancel  context.CancelFunc
	ended   chan struct{} // closed when the goroutine is about to end

	// The fields below are guarded by the aggregator's mu.
	discard bool // the result is of no use any more
	left    bool // it was given up: its check was told, and it has not returned
}

// grace is how long a check may take to notice that its context has ended.
const grace = 100 * time.Millisecond

// overdue is when a call is given up.
func (c *call) overdue() time.Time { return c.started.Add(c.limit + grace) }

// startLocked runs a check on a goroutine of its own. REQUIRES: a.mu.
func (a *Aggregator) startLocked(ctx context.Context, e *entry, now time.Time) {
	limited, cancel := context.WithTimeout(ctx, e.check.Timeout)
	c := &call{name: e.check.Name, entry: e, started: now, limit: e.check.Timeout, cancel: cancel, ended: make(chan struct{})}
	a.calls[c.name] = c
	e.due = now.Add(spread(e.check.Every, a.random()))
	run := e.check.Run
	go func() {
		r := result{outcome: Exited, output: "the check ended its goroutine"}
		defer func() {
			if cause := recover(); cause != nil {
				r = result{outcome: Panicked, output: fmt.Sprintf("the check panicked: %.500v", cause)}
			}
			cancel()
			a.settle(c, r, ctx.Err() != nil)
		}()
		r = read(run(limited))
	}()
}

// read reads what a check returned. The text is the check's as well, and may panic.
func read(err error) result {
	r := result{outcome: outcomeOf(err)}
	if err != nil {
		r.output = err.Error()
	}
	return r
}

// spread is an interval, a tenth more or less.
func spread(d time.Duration, random float64) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*random))
}

// settle takes the result of a call that has ended. Once the service has been told to end,
// results are of no use: they may be those of the end.
func (a *Aggregator) settle(c *call, r result, over bool) {
	now := time.Now()
	r.took, r.output = now.Sub(c.started), readable(r.output)
	if r.took >= c.limit && (r.outcome == Passed || r.outcome == Warned || r.outcome == Failed) {
		r.output = overTime(c.limit, r.output)
		r.outcome = TimedOut
	}
	a.mu.Lock()
	delete(a.calls, c.name)
	switch {
	case c.left:
		c.entry.state.late++
	case !c.discard && !over:
		c.entry.state = c.entry.state.after(r, c.entry.check.Config, now)
	}
	left := c.left
	a.mu.Unlock()
	close(c.ended)
	if left {
		a.log.Info("a check that was given up has returned; its result is discarded",
			slog.String("check", c.name), slog.Duration("took", r.took))
	}
	a.nudge()
}

func overTime(limit time.Duration, output string) string {
	text := fmt.Sprintf("it was not done within %v", limit)
	if output != "" {
		text += ": " + output
	}
	return readable(text)
}

// giveUpLocked notes that a call has ignored the end of its context. REQUIRES: a.mu.
func (a *Aggregator) giveUpLocked(c *call, now time.Time) {
	c.left = true
	if !c.discard {
		c.entry.state = c.entry.state.after(hanging(c, now), c.entry.check.Config, now)
	}
}

func hanging(c *call, now time.Time) result {
	return result{outcome: Hung, took: now.Sub(c.started), output: fmt.Sprintf("it ignores that its time of %v is over, runs for %v, and is not started again before it returns",
		c.limit, now.Sub(c.started).Round(time.Second))}
}
