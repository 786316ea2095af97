package health

import (
	"context"
	"time"
)

// seen is what was last told of a check, or of the whole.
type seen struct {
	status   Status
	flapping bool
}

// startWatching makes reports until ctx ends, on a goroutine of its own: handlers of the
// events run on it, and one that blocks must not keep the checks from running.
func (a *Aggregator) startWatching(ctx context.Context) (ended <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.watch(ctx)
	}()
	return done
}

// watch makes a report each second, and soon after there is news.
func (a *Aggregator) watch(ctx context.Context) {
	a.mu.Lock()
	told := a.told
	a.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		events, now := news(a.publish(true).Report, told)
		told = now
		a.mu.Lock()
		if ctx.Err() == nil { // one that was left behind has nothing to say any more
			a.told = told
		}
		a.mu.Unlock()
		a.tell(ctx, events)
		timer.Reset(lookAtMost)
		select { // no report follows another at once, however many results come in
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		timer.Reset(lookEvery - lookAtMost)
		select {
		case <-a.news:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// news are the differences of a report to what was told before.
func news(r *Report, before map[string]seen) (events []StatusChanged, told map[string]seen) {
	told = make(map[string]seen, len(before)+1)
	for i := range r.Components {
		c := &r.Components[i]
		if c.Check == nil {
			continue
		}
		was, now := before[c.Name], seen{c.Status, c.Check.Flapping}
		told[c.Name] = now
		muted := was.flapping && now.flapping && now.status <= was.status
		if was != now && !muted {
			events = append(events, StatusChanged{
				Component: c.Name, From: was.status, To: now.status, Output: c.Output, Impacted: c.Impacted, Causes: c.Causes, Flapping: now.flapping, Score: r.Score,
			})
		}
	}
	was, now := before[""], seen{status: r.Status}
	told[""] = now
	if was != now {
		events = append(events, StatusChanged{From: was.status, To: now.status, Output: r.summary(), Score: r.Score})
	}
	return events, told
}

// tell emits events. A handler that ends the goroutine does not keep the rest from being
// told.
func (a *Aggregator) tell(ctx context.Context, events []StatusChanged) {
	for i, e := range events {
		returned := false
		func() {
			defer func() {
				if !returned {
					a.tell(ctx, events[i+1:])
				}
			}()
			a.changed.Emit(ctx, e)
			returned = true
		}()
	}
}
