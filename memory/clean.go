package memory

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// cleaning is what can be given up, and what is known of it.
type cleaning struct {
	round sync.WaitGroup // the round that runs, at most one

	mu    sync.Mutex // guards the fields below; no cleaner runs under it
	busy  bool
	items []*item // the last is the forced garbage collection
}

// item is a cleaner and its history.
type item struct {
	Cleaner

	history history
	behind  bool // it was left behind and has not returned
}

func (c *cleaning) init(cleaners []Cleaner) {
	for _, cl := range cleaners {
		c.items = append(c.items, &item{Cleaner: cl.withDefaults()})
	}
	c.items = append(c.items, &item{Cleaner: Cleaner{Name: heapCleaner, MinLevel: High}})
}

// wait waits for the round that runs.
func (c *cleaning) wait() { c.round.Wait() }

func (c *cleaning) status() []CleanerStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]CleanerStatus, 0, len(c.items))
	for _, i := range c.items {
		h := i.history
		s := CleanerStatus{
			Name: i.Name, MinLevel: i.MinLevel, Runs: h.runs, Failures: h.failures, Freed: h.freed, LastAt: h.last.at, LastFreed: h.last.freed,
			LastMeasured: h.last.measured, LastTook: h.last.took, Cooldown: h.cooldown, Behind: i.behind,
		}
		if h.last.err != nil {
			s.LastErr = h.last.err.Error()
		}
		all = append(all, s)
	}
	return all
}

// due lists what may run at a level now, and takes the turn if there is anything; heap says
// that collecting garbage is among it.
func (c *cleaning) due(l Level, now time.Time, collecting bool) (due []*item, heap *item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy {
		return nil, nil
	}
	for _, i := range c.items {
		switch {
		case i.MinLevel > l || i.behind || now.Before(i.history.next):
		case i.Name != heapCleaner:
			due = append(due, i)
		case collecting:
			heap = i
		}
	}
	c.busy = len(due) > 0 || heap != nil
	return due, heap
}

func (c *cleaning) over() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
}

// clean begins a round if there is something to give up: on a goroutine of its own, which
// Serve waits for, so that a cleaner holds up no sample.
func (m *Manager) clean(ctx context.Context) {
	l := m.view.Load().level
	if l < Elevated {
		return
	}
	m.mu.Lock()
	pause := m.config.GCInterval
	target := m.wantedLocked(l)
	m.mu.Unlock()
	due, heap := m.cleaning.due(l, time.Now(), pause > 0)
	if len(due) == 0 && heap == nil {
		return
	}
	m.cleaning.round.Go(func() {
		defer m.cleaning.over()
		m.cleanUp(ctx, l, due, target)
		if heap != nil && ctx.Err() == nil {
			m.collect(ctx, l, heap, target, pause)
		}
	})
}

// wantedLocked is how many bytes have to be freed for the level to be left.
func (m *Manager) wantedLocked(l Level) int64 {
	top, known := highest(m.last.Terms)
	if !known {
		return leastTarget
	}
	return max(leastTarget, int64(float64(top.Used)-m.thresholds.exit[l]*float64(top.Limit)))
}

// cleanUp runs what is due, the best first, until enough is freed.
func (m *Manager) cleanUp(ctx context.Context, l Level, due []*item, target int64) {
	type ranked struct {
		*item

		rank float64
	}
	all := make([]ranked, 0, len(due))
	for _, i := range due {
		estimate := m.estimate(i)
		if estimate == 0 {
			m.cleaning.postpone(i, time.Now().Add(i.Cooldown)) // or the next round would begin at once
			continue
		}
		all = append(all, ranked{i, m.cleaning.historyOf(i).rank(estimate, i.Cost)})
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Compare(b.rank, a.rank) })
	for left, i := target, 0; left > 0 && i < len(all) && ctx.Err() == nil; i++ {
		c := all[i].item
		r := m.measured(func() (int64, error) { return m.call(ctx, c, left) })
		m.record(ctx, c, l, r, left, c.Cooldown)
		left -= max(r.freed, r.measured, 0)
	}
}

// estimate asks a cleaner what there is; one that panics does not know.
func (m *Manager) estimate(i *item) (n int64) {
	defer func() {
		if cause := recover(); cause != nil {
			m.options.log.Warn("the estimate of a cleaner panicked", slog.String("cleaner", i.Name), slog.Any("panic", cause))
			n = -1
		}
	}()
	return i.Estimate()
}

func (c *cleaning) postpone(i *item, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i.history.next = until
}

func (c *cleaning) historyOf(i *item) history {
	c.mu.Lock()
	defer c.mu.Unlock()
	return i.history
}

// measured runs fn and looks how much Go's heap and what is mapped have shrunk.
func (m *Manager) measured(fn func() (int64, error)) (r run) {
	before := m.options.runtime()
	r.at = time.Now()
	r.freed, r.err = fn()
	r.took = time.Since(r.at)
	after := m.options.runtime()
	r.measured = max(int64(before.objects)-int64(after.objects), int64(before.mapped)-int64(after.mapped), 0)
	return r
}

// record notes a run and tells of it.
func (m *Manager) record(ctx context.Context, i *item, l Level, r run, target int64, base time.Duration) {
	m.cleaning.mu.Lock()
	i.history = i.history.after(r, target, base)
	cooldown := i.history.cooldown
	m.cleaning.mu.Unlock()
	attrs := []any{
		slog.String("cleaner", i.Name), slog.String("level", l.String()), slog.Int64("wanted", target), slog.Int64("freed", r.freed),
		slog.Int64("measured", r.measured), slog.Duration("took", r.took), slog.Duration("cooldown", cooldown),
	}
	if r.err != nil {
		m.options.log.Warn("a cleaner has failed", append(attrs, slog.Any("error", r.err))...)
	} else {
		m.options.log.Info("memory was cleaned up", attrs...)
	}
	m.cleaned.Emit(ctx, CleanupExecuted{
		Cleaner: i.Name, Level: l, Target: target, Freed: r.freed, Measured: r.measured, Took: r.took, Err: r.err, Cooldown: cooldown,
	})
}

// collect forces a garbage collection, which comes last: what the cleaners have let go is
// freed by it.
func (m *Manager) collect(ctx context.Context, l Level, heap *item, target int64, pause time.Duration) {
	r := m.measured(func() (int64, error) { m.options.collect(l >= Critical); return 0, nil })
	r.freed = r.measured
	m.record(ctx, heap, l, r, target, pause)
}

// answer is what a cleaner has returned.
type answer struct {
	freed int64
	err   error
}

// call runs a cleaner for as long as it may take, and leaves behind one that takes longer.
func (m *Manager) call(ctx context.Context, i *item, target int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	done := make(chan answer, 1)
	go func() {
		a := answer{err: fault.New(fault.Spec{Code: fault.Internal, Component: component, Name: i.Name, Message: "the cleaner ended its goroutine"})}
		defer func() {
			if cause := recover(); cause != nil {
				a.err = fault.New(fault.Spec{Code: fault.Internal, Component: component, Name: i.Name, Message: fmt.Sprintf("the cleaner panicked: %.500v", cause)})
			}
			done <- a
			m.cleaning.returned(i) // after it has answered, see leave
		}()
		a.freed, a.err = i.Clean(ctx, target)
	}()
	select {
	case a := <-done:
		return a.freed, a.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(cleanGrace)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.freed, a.err
	case <-timer.C:
	}
	m.cleaning.leave(i, done)
	return 0, fault.New(fault.Spec{
		Code: fault.CallTimeout, Component: component, Name: i.Name, Message: fmt.Sprintf("the cleaner did not return within %v; it is left behind, and not called again before it has", i.Timeout),
	})
}

// leave marks a cleaner that has not returned. It may have returned meanwhile.
func (c *cleaning) leave(i *item, done <-chan answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i.behind = len(done) == 0
}

func (c *cleaning) returned(i *item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i.behind = false
}
