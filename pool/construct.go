package pool

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// health says how the making of workers goes. The pool's lock guards it.
type health struct {
	failures int    // failed rounds in a row
	round    uint64 // attempts begun in one round count as one failure
	ramp     int    // how many workers may be made side by side
	lastErr  error
	refusal  *fault.Error // for borrowers, until an attempt succeeds
	retryAt  clock.Instant
}

// growLocked begins to make the workers that waiters and the reserve need.
func (p *Pool[T]) growLocked(now clock.Instant) {
	for p.wantsLocked(now) {
		p.makeLocked()
	}
}

func (p *Pool[T]) wantsLocked(now clock.Instant) bool {
	total := p.totalLocked()
	if p.closed || total >= p.capacityLocked() || p.making >= p.health.ramp {
		return false
	}
	if p.health.failures > 0 && (p.making > 0 || now < p.health.retryAt) {
		return false
	}
	alone := p.health.failures > 0 && len(p.slots) == 0 // nobody may come and ask while the pool refuses all
	return alone || p.making < p.queue.len || total < p.cfg.Size && p.reserveLowLocked()
}

// reserveLowLocked reports whether workers are wanted that nobody waits for.
func (p *Pool[T]) reserveLowLocked() bool {
	return p.cfg.Start != Lazy || p.idle.len+p.probing+p.making-p.queue.len < p.cfg.MinIdle
}

// attempt is one attempt to make a worker.
type attempt struct {
	round uint64
	era   uint64          // how many resets there had been when it began
	ctx   context.Context //nolint:containedctx // ends with the era
}

func (p *Pool[T]) makeLocked() {
	p.making++
	p.jobs++
	p.counts.attempts++
	go p.construct(attempt{p.health.round, p.counts.resets, p.era}, p.cfg.CreateTimeout)
}

// construct makes one worker, in a goroutine of its own: the borrower it is made
// for may leave at any time, and then the worker serves the next one.
func (p *Pool[T]) construct(a attempt, timeout time.Duration) {
	defer p.jobDone()
	var worker T
	began, err := clock.Now(), errExited
	defer func() {
		took := clock.Now().Sub(began)
		if err != nil {
			p.notConstructed(err, a)
			return
		}
		p.create.Record(took)
		p.constructed(worker, took, a)
	}()
	ctx, cancel := context.WithTimeout(a.ctx, timeout)
	defer cancel()
	err = calling(func() (err error) {
		worker, err = p.factory.New(ctx)
		return err
	})
}

func (p *Pool[T]) constructed(worker T, took time.Duration, a attempt) {
	now := clock.Now()
	s := &slot[T]{value: worker, owner: p, era: a.era, proven: now, idled: now}
	s.node.of = s
	s.item = Item{Worker: worker, Ref: s}
	s.laned.Store(notLaned)
	p.mu.Lock()
	p.making--
	p.counts.created++
	recovered := p.health.failures
	p.health.failures, p.health.lastErr, p.health.refusal = 0, nil, nil
	// After an outage or a reset the pool makes one worker, then two, then four: a server
	// that comes back is not met by all at once.
	if a.era == p.counts.resets {
		p.health.ramp = min(2*p.health.ramp, maxWorkers)
	} else {
		p.outdated++
	}
	p.degraded.Store(nil)
	s.expires = p.expiryLocked(now)
	s.place = len(p.slots)
	p.slots = append(p.slots, s)
	if s.expires != clock.Max {
		p.armLocked(&p.upkeep, now, s.expires) // nothing else does, if it goes from lane to lane
	}
	w := p.placeLocked(s, now)
	p.growLocked(now)
	p.mu.Unlock()
	if w != nil {
		w.ready <- struct{}{}
	}
	if p.topics.workerStarted.Active() {
		p.topics.workerStarted.Emit(p.base, WorkerStarted{Pool: p.name, Took: took, Recovered: recovered})
	}
}

// expiryLocked returns the end of the life of a worker that was made at now.
func (p *Pool[T]) expiryLocked(now clock.Instant) clock.Instant {
	if p.cfg.MaxLifetime == 0 {
		return clock.Max
	}
	cut := rand.Float64() * p.cfg.LifetimeJitter * float64(p.cfg.MaxLifetime)
	return now.Add(p.cfg.MaxLifetime - time.Duration(cut))
}

func (p *Pool[T]) notConstructed(err error, a attempt) {
	now := clock.Now()
	p.mu.Lock()
	p.making--
	p.counts.failures++
	if p.closed || a.era != p.counts.resets {
		p.stoppedLocked(now)
		p.mu.Unlock()
		return
	}
	h := &p.health
	if h.lastErr = err; a.round == h.round {
		h.round++
		h.failures++
		h.retryAt = now.Add(p.pauseLocked())
	}
	h.ramp = 1
	h.refusal = p.refusedFailing(err, h.failures, h.retryAt.Time())
	p.doubt.Store(int64(now))
	event := WorkerFailed{Pool: p.name, Err: err, Failures: h.failures, Pause: h.retryAt.Sub(now)}
	p.collapseLocked()
	p.armLocked(&p.retry, now, h.retryAt)
	p.mu.Unlock()
	if p.topics.workerFailed.Active() {
		p.topics.workerFailed.Emit(p.base, event)
	}
}

// pauseLocked is the pause before the next attempt: it doubles up to the greatest
// and is cut by up to a half at random, so that many pools do not come at once.
func (p *Pool[T]) pauseLocked() time.Duration {
	pause, most := p.cfg.Backoff, p.cfg.BackoffMax
	for i := 1; i < p.health.failures && pause < most; i++ {
		pause += min(pause, most-pause) // and not twice the pause, which may be more than there is
	}
	return pause - time.Duration(rand.Int64N(int64(pause)/2+1))
}

// collapseLocked refuses whoever waits for a worker that will not come: everybody,
// once no worker is left and none is being made; and those that wait for the
// making of one only, as soon as that has failed.
func (p *Pool[T]) collapseLocked() {
	if p.closed || p.health.failures == 0 || p.making > 0 {
		return
	}
	if len(p.slots) == 0 {
		p.degraded.Store(p.health.refusal)
		p.dismissLocked(failing(p.health.refusal), everyone)
		return
	}
	p.dismissLocked(failing(p.health.refusal), func(w *waiter[T]) bool { return w.noWait })
}

// retryNow is what the retry alarm runs: one attempt, if anybody needs a worker or
// there is none left.
func (p *Pool[T]) retryNow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := clock.Now()
	if p.health.failures > 0 && now < p.health.retryAt {
		p.armLocked(&p.retry, now, p.health.retryAt)
		return
	}
	p.growLocked(now)
}

// destroyLocked closes s, which is in no list, in a goroutine of its own. Until
// that has ended the worker keeps its place, so there are never more workers than
// the pool may have, and never more of these goroutines.
func (p *Pool[T]) destroyLocked(s *slot[T], why string, cause error) {
	s.generation.Add(1)
	s.lent = false
	if p.outdatedLocked(s) {
		p.outdated--
	}
	last := len(p.slots) - 1
	p.slots[s.place], p.slots[last].place = p.slots[last], s.place
	p.slots[last] = nil
	p.slots = p.slots[:last]
	p.closing++
	p.jobs++
	p.callsLocked()
	go p.end(s, why, cause)
	p.collapseLocked()
}

func (p *Pool[T]) end(s *slot[T], why string, cause error) {
	defer p.jobDone()
	err := errExited
	defer func() {
		if err != nil {
			cause = err
		}
		p.ended()
		if p.topics.workerStopped.Active() {
			p.topics.workerStopped.Emit(p.base, WorkerStopped{Pool: p.name, Reason: why, Err: cause})
		}
	}()
	err = calling(func() error {
		p.factory.Close(s.value)
		return nil
	})
}

func (p *Pool[T]) ended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing--
	p.counts.destroyed++
	p.growLocked(clock.Now())
}
