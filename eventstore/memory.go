package eventstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// MemoryOptions bound a memory store. The zero value is ready for use.
type MemoryOptions struct {
	// MaxEvents is the greatest number of events; 0 means 10,000.
	MaxEvents int
	// MaxBytes is the greatest sum of Event.Size; 0 means 32 MiB.
	MaxBytes int64
}

const (
	defaultEvents = 10_000
	defaultBytes  = 32 << 20
)

type memory struct {
	most      int
	mostBytes int64

	mu     sync.RWMutex // guards what follows
	events []Event      // ascending by Seq; nothing in them changes any more
	ids    map[string]struct{}
	bytes  int64
	seq    uint64
	closed bool
	wakers map[*func()]struct{}
}

// NewMemory returns an empty store in the memory of this process: it says that it is
// not durable, and when it is full the oldest events make room for new ones. It
// implements [Notifier]. The fault is invalid_argument.
func NewMemory(o MemoryOptions) (Store, error) {
	var ps fault.Problems
	ps.Require(o.MaxEvents >= 0, "max_events", o.MaxEvents, "must not be negative")
	ps.Require(o.MaxBytes >= 0, "max_bytes", o.MaxBytes, "must not be negative")
	if err := invalid(ps, "the options of the memory store are invalid"); err != nil {
		return nil, err
	}
	m := &memory{most: o.MaxEvents, mostBytes: o.MaxBytes, ids: map[string]struct{}{}, wakers: map[*func()]struct{}{}}
	if m.most == 0 {
		m.most = defaultEvents
	}
	if m.mostBytes == 0 {
		m.mostBytes = defaultBytes
	}
	return m, nil
}

// Append implements [Store].
func (m *memory) Append(ctx context.Context, events ...Event) ([]Event, error) {
	if err := canceled(ctx); err != nil {
		return nil, err
	}
	kept, err := Prepare(time.Now(), events)
	if err != nil {
		return nil, err
	}
	if err := m.fits(kept); err != nil {
		return nil, err
	}
	wakers, err := m.commit(kept)
	if err != nil {
		return nil, err
	}
	for _, wake := range wakers {
		wake()
	}
	return cloned(kept), nil // the caller may write to what it gets
}

// fits refuses a batch that would push out its own beginning.
func (m *memory) fits(events []Event) error {
	var size int64
	for i := range events {
		size += int64(events[i].Size())
	}
	var ps fault.Problems
	ps.Require(len(events) <= m.most, "events", len(events), "this memory store holds at most %d", m.most)
	ps.Require(size <= m.mostBytes, "events", fmt.Sprintf("of %d bytes", size), "this memory store holds at most %d bytes", m.mostBytes)
	return invalid(ps, "the batch is greater than the store; none of it was stored")
}

func (m *memory) commit(events []Event) ([]func(), error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, closed()
	}
	if err := m.twice(events); err != nil {
		return nil, err
	}
	for i := range events {
		m.seq++
		events[i].Seq = m.seq
		m.ids[events[i].ID] = struct{}{}
		m.bytes += int64(events[i].Size())
	}
	m.events = append(m.events, events...)
	m.shrink(m.most, m.mostBytes)
	return m.listeners(), nil
}

func (m *memory) twice(events []Event) error {
	var places []int
	for i := range events {
		if _, stored := m.ids[events[i].ID]; stored {
			places = append(places, i)
		}
	}
	return Exists(events, places...)
}

// shrink removes the oldest events until at most so many of so many bytes remain.
func (m *memory) shrink(events int, bytes int64) (removed int) {
	for removed < len(m.events) && (len(m.events)-removed > events || m.bytes > bytes) {
		m.forget(&m.events[removed])
		removed++
	}
	// The array is left behind when append outgrows it; until then what was
	// removed must not keep its texts alive.
	clear(m.events[:removed])
	m.events = m.events[removed:]
	return removed
}

func (m *memory) forget(e *Event) {
	delete(m.ids, e.ID)
	m.bytes -= int64(e.Size())
}

// Find implements [Store].
func (m *memory) Find(ctx context.Context, q Query) (Page, error) {
	if err := canceled(ctx); err != nil {
		return Page{}, err
	}
	if err := q.Validate(); err != nil {
		return Page{}, err
	}
	page, err := m.page(&q)
	page.Events = cloned(page.Events)
	return page, err
}

func (m *memory) page(q *Query) (Page, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return Page{}, closed()
	}
	page := Page{Next: q.After}
	size := 0
	for i := range m.events {
		if q.Order == Descending {
			i = len(m.events) - 1 - i
		}
		e := &m.events[i]
		if !q.Matches(e) {
			continue
		}
		if size += e.Size(); len(page.Events) == q.PageSize() || len(page.Events) > 0 && size > MaxPageBytes {
			page.More = true
			return page, nil
		}
		page.Events, page.Next = append(page.Events, *e), e.Seq
	}
	if q.Order == Ascending {
		page.Next = max(q.After, m.seq)
	}
	return page, nil
}

// cloned gives the events data of their own, so that whoever writes to it does not
// change the store. It overwrites what it is given.
func cloned(events []Event) []Event {
	out := slices.Clone(events)
	for i := range out {
		out[i].Data = bytes.Clone(out[i].Data)
	}
	return out
}

// Prune implements [Store].
func (m *memory) Prune(ctx context.Context, r Retention) (int, error) {
	if err := canceled(ctx); err != nil {
		return 0, err
	}
	if err := r.Validate(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, closed()
	}
	before := len(m.events)
	m.events = slices.DeleteFunc(m.events, func(e Event) bool {
		old := e.Time.Before(r.Before)
		if old {
			m.forget(&e)
		}
		return old
	})
	removed := before - len(m.events)
	if r.MaxBytes > 0 {
		removed += m.shrink(m.most, r.MaxBytes)
	}
	return removed, nil
}

// Stats implements [Store].
func (m *memory) Stats(ctx context.Context) (Stats, error) {
	if err := canceled(ctx); err != nil {
		return Stats{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return Stats{}, closed()
	}
	s := Stats{Events: len(m.events), Bytes: m.bytes}
	if n := len(m.events); n > 0 {
		s.Oldest, s.Newest = m.events[0].Seq, m.events[n-1].Seq
	}
	return s, nil
}

// Notify implements [Notifier].
func (m *memory) Notify(wake func()) (stop func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wakers[&wake] = struct{}{}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.wakers, &wake)
	}
}

// listeners is called under the lock, what it returns outside of it.
func (m *memory) listeners() []func() {
	var out []func()
	for wake := range m.wakers {
		out = append(out, *wake)
	}
	return out
}

// Close implements [Store].
func (m *memory) Close() error {
	m.mu.Lock()
	m.closed, m.events, m.ids, m.bytes = true, nil, nil, 0
	wakers := m.listeners()
	m.mu.Unlock()
	for _, wake := range wakers {
		wake()
	}
	return nil
}
