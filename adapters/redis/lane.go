package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// maxBatch bounds how long the server is busy with one script, which nobody else is
	// served by it meanwhile: less than a millisecond, or a few with long logs. It is the
	// weight of the calls together, see [counted.weight].
	maxBatch = 256
	// maxQueue bounds the calls that wait in a lane.
	maxQueue = 16_384
)

// call is one call that waits for the script's answer.
type call struct {
	rule       *counted
	key        string
	what       byte
	cost       paced
	mark       int64
	generation int64
	deadline   time.Time // zero if its caller has none

	given atomic.Bool   // up, by its caller
	done  chan struct{} // receives once got, text and err are set
	now   int64         // the server's time, in ticks
	got   record
	text  string // of the error, if the server had one
	err   error
}

// lane sends calls, those that are there at a time together. Whoever finds nobody
// sending has its calls sent at once; else they go with the next batch. With a
// cluster a lane is a hash tag, and so a slot.
type lane struct {
	store *Store
	given atomic.Bool // up, by callers whose calls may still be queued

	// mu guards what follows. It is held for an append or a swap only.
	mu      sync.Mutex
	queue   []*call
	sending bool // somebody does; two at once would make smaller batches, which cost more
	closed  bool
}

// ask has a call decided and waits for it as long as ctx lasts.
//
// Who finds nobody sending sends by itself if its context will end soon anyway or never:
// alone, a call costs no change of goroutines, which takes longer than the server's part.
// A call that is sent so ends with its deadline, not when it is canceled before.
func (l *lane) ask(ctx context.Context, c *call) error {
	own, err := l.enter(c, ctx.Done() == nil || !c.deadline.IsZero() && time.Until(c.deadline) <= soon)
	switch {
	case err != nil:
		return err
	case own:
		l.sendOwn(ctx, c)
		<-c.done
		return c.problem()
	}
	select {
	case <-c.done:
		return c.problem()
	case <-ctx.Done():
		c.given.Store(true)
		l.given.Store(true)
		return gone(ctx, c.rule.Name)
	}
}

// deadline is a context that never ends with a time for the client to give up at: without
// a timer.
type deadline struct {
	context.Context //nolint:containedctx // it is one

	at time.Time
}

// Deadline implements [context.Context].
func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

// soon is how long a canceled call may be kept by its own exchange.
const soon = 50 * time.Millisecond

// enter queues a call, or reports that its caller is to send it.
func (l *lane) enter(c *call, able bool) (own bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return false, errClosed
	case l.full():
		return false, unavailable(c.rule.Name, "redis is too slow", errFull)
	}
	idle := !l.sending
	l.sending = true
	if idle && able {
		l.store.work.Add(1)
		return true, nil
	}
	l.queue = append(l.queue, c)
	if idle {
		l.store.work.Go(l.send)
	}
	return false, nil
}

// full reports whether there is no place in the queue, for which it drops those whose
// callers have given up.
// REQUIRES: l.mu is held.
func (l *lane) full() bool {
	if len(l.queue) >= maxQueue && l.given.Swap(false) {
		l.queue = slices.DeleteFunc(l.queue, func(c *call) bool { return c.given.Load() })
	}
	return len(l.queue) >= maxQueue
}

// sendOwn sends one call and leaves what has been queued meanwhile to a goroutine.
func (l *lane) sendOwn(ctx context.Context, c *call) {
	defer l.store.work.Done()
	b := batches.Get().(*batch) //nolint:errcheck,forcetypeassert // nothing else is put there
	defer batches.Put(b)
	b.clear()
	b.calls = append(b.calls, c)
	if _, ends := ctx.Deadline(); !ends {
		ctx = deadline{ctx, time.Now().Add(l.store.timeout)}
	}
	l.store.flush(ctx, b)
	b.clear()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sending = len(l.queue) > 0; l.sending {
		l.store.work.Go(l.send)
	}
}

// send sends batches until nothing is queued.
func (l *lane) send() {
	b := batches.Get().(*batch) //nolint:errcheck,forcetypeassert // nothing else is put there
	defer batches.Put(b)
	for l.next(b) {
		l.store.flushAll(b)
	}
	b.clear()
}

// next takes what is queued into b. It reports false if that is nothing, and then the
// lane is idle.
func (l *lane) next(b *batch) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.clear()
	taken := 0
	for _, c := range l.queue {
		if !c.given.Load() && !b.add(c) {
			break
		}
		taken++
	}
	rest := copy(l.queue, l.queue[taken:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	if len(b.calls) == 0 {
		l.sending = false
		return false
	}
	return true
}

// close refuses further calls; those that are queued are still sent.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// batch is what one execution of the script takes and gives, used again and again.
type batch struct {
	calls []*call
	weigh int64
	rules []*counted
	args  []any
	heads []byte // the rules
	items []byte
	clock []byte
	reply []byte
}

var batches = sync.Pool{New: func() any { return &batch{reply: make([]byte, headSize+maxBatch*recordSize+textSize)} }}

func (b *batch) clear() {
	clear(b.calls)
	clear(b.rules)
	clear(b.args)
	b.calls, b.rules, b.args, b.weigh = b.calls[:0], b.rules[:0], b.args[:0], 0
}

// add adds a call, unless that would keep the server busy for too long.
func (b *batch) add(c *call) bool {
	if len(b.calls) > 0 && b.weigh+c.rule.weight() > maxBatch {
		return false
	}
	b.weigh += c.rule.weight()
	b.calls = append(b.calls, c)
	return true
}

// flushAll is flush for as long as anybody waits.
func (s *Store) flushAll(b *batch) {
	ctx, cancel := context.WithDeadline(context.Background(), s.until(b.calls))
	defer cancel()
	s.flush(ctx, b)
}

// flush has a batch decided and tells those who wait.
func (s *Store) flush(ctx context.Context, b *batch) {
	reply, err := s.exchange(ctx, b)
	if err == nil && len(reply) < headSize+len(b.calls)*recordSize {
		err = errShort
	}
	for i, c := range b.calls {
		if c.err = err; err == nil {
			c.now = getUint(reply, headSize)
			c.got = readRecord(reply[headSize+i*recordSize:])
			if c.got.state == failed {
				c.text = string(reply[headSize+len(b.calls)*recordSize:])
			}
		}
		c.done <- struct{}{}
	}
}

// exchange has the script run. What panics on the way, such as a hook of the client, is
// an error of the batch: it must not end the process, nor leave others waiting.
func (s *Store) exchange(ctx context.Context, b *batch) (reply []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the client panicked: %v", p)
		}
	}()
	reply, err = run(ctx, s.client, s.pack(b), b.reply)
	if err != nil {
		s.lookAgain(ctx, err)
	}
	return reply, err
}

// lookAgain makes the client of a cluster learn which server has which slots when one could not be
// reached: it would do so by itself for a command that it may send again, which a take is not, and
// go on asking a server that has been replaced.
func (s *Store) lookAgain(ctx context.Context, err error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if _, answered := errors.AsType[redis.Error](err); ok && !answered {
		cluster.ReloadState(ctx) // in a goroutine, one at a time
	}
}

var errShort = errors.New("the script's answer is too short")

// until is when the last of those who wait gives up, and no later than the
// store's own patience.
func (s *Store) until(calls []*call) time.Time {
	limit, last := time.Now().Add(s.timeout), time.Time{}
	if ends := s.ends.Load(); ends != nil && ends.Before(limit) {
		limit = *ends
	}
	for _, c := range calls {
		if c.deadline.IsZero() || c.deadline.After(limit) {
			return limit
		}
		if c.deadline.After(last) {
			last = c.deadline
		}
	}
	return last
}

// pack returns the arguments of the script.
func (s *Store) pack(b *batch) []any {
	b.args = append(b.args, nil, nil, len(b.calls))
	b.heads, b.items = b.heads[:0], b.items[:0]
	for _, c := range b.calls {
		b.args = append(b.args, &c.key)
		b.items = append(b.items, c.what)
		b.items = putUint(b.items, int64(b.ruleNumber(c.rule)), 2)
		b.items = putUint(b.items, c.cost.whole, 7)
		b.items = putUint(b.items, c.cost.part, 7)
		b.items = putUint(b.items, c.mark, 7)
		b.items = putUint(b.items, c.generation, 2)
	}
	b.args = append(b.args, b.heads, b.items)
	if s.clock != nil {
		b.clock = s.clock(b.clock[:0])
		b.args = append(b.args, b.clock)
	}
	return b.args
}

// ruleNumber returns the number of a rule in the batch, from 1. A batch has few rules.
func (b *batch) ruleNumber(r *counted) int {
	for i, known := range b.rules {
		if known == r {
			return i + 1
		}
	}
	b.rules, b.heads = append(b.rules, r), append(b.heads, r.raw[:]...)
	return len(b.rules)
}

// clustered reports whether keys of one batch must share a slot.
func clustered(client redis.UniversalClient) bool {
	switch client.(type) {
	case *redis.Client:
		return false
	default: // also a client of another make: one slot is right for all of them
		return true
	}
}
