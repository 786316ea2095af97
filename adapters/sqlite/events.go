package sqlite

import (
	"context"
	"database/sql"
	"math"
	"sync"
	"time"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/eventstore"
)

// events is the face of the storage as a store of events.
type events struct {
	storage *Storage

	mu     sync.Mutex // guards what follows
	closed bool
	stops  []func() // of Notify
}

// enter says why the store cannot be used, or nothing.
func (s *events) enter(ctx context.Context) error {
	if err := groupcommit.Canceled(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return groupcommit.Closed()
	}
	return nil
}

// Append implements [eventstore.Store].
func (s *events) Append(ctx context.Context, given ...eventstore.Event) ([]eventstore.Event, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	r, err := groupcommit.Append[func() error](time.Now(), given)
	if err != nil || r == nil {
		return nil, err
	}
	if err := s.storage.writer.queue.Submit(ctx, r); err != nil {
		return nil, err
	}
	return r.Events, nil
}

// Find implements [eventstore.Store].
func (s *events) Find(ctx context.Context, q eventstore.Query) (page eventstore.Page, err error) {
	if err := s.enter(ctx); err != nil {
		return page, err
	}
	if err := q.Validate(); err != nil {
		return page, err
	}
	err = s.storage.read(ctx, func(tx *sql.Tx) error {
		page, err = find(ctx, tx, &q)
		return err
	})
	if err != nil {
		return eventstore.Page{}, err
	}
	return page, nil
}

// Stats implements [eventstore.Store].
func (s *events) Stats(ctx context.Context) (eventstore.Stats, error) {
	out := eventstore.Stats{Durable: true}
	if err := s.enter(ctx); err != nil {
		return out, err
	}
	err := s.storage.read(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, "SELECT events FROM counters").Scan(&out.Events); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, usedText).Scan(&out.Bytes); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT coalesce((SELECT min(seq) FROM events), 0), coalesce((SELECT max(seq) FROM events), 0)").Scan(&out.Oldest, &out.Newest)
	})
	return out, err
}

// slice is how many events one transaction removes: appends wait for it no longer
// than for a few groups of their own.
const slice = 256

// Prune implements [eventstore.Store].
func (s *events) Prune(ctx context.Context, r eventstore.Retention) (int, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	if err := r.Validate(); err != nil {
		return 0, err
	}
	total := 0
	if !r.Before.IsZero() {
		n, err := s.remove(ctx, func(*conn) (string, error) {
			return "SELECT seq FROM events INDEXED BY events_time WHERE time < ?2 ORDER BY time LIMIT ?1", nil
		}, ceilMicro(r.Before))
		if total += n; err != nil {
			return total, err
		}
	}
	if r.MaxBytes == 0 {
		return total, nil
	}
	n, err := s.remove(ctx, func(c *conn) (string, error) {
		used, err := usedBytes(c)
		if err != nil || used <= r.MaxBytes {
			return "", err
		}
		return "SELECT seq FROM events ORDER BY seq LIMIT ?1", nil
	})
	return total + n, err
}

// remove deletes slice after slice of what a query selects, until nothing is left or
// choose returns no query.
func (s *events) remove(ctx context.Context, choose func(*conn) (string, error), args ...any) (total int, err error) {
	w := s.storage.writer
	for {
		n := 0
		err := w.queue.Submit(ctx, &request{Alone: func() error {
			which, err := choose(w.conn)
			if err != nil || which == "" {
				return err
			}
			n, err = w.conn.exec("DELETE FROM events WHERE seq IN ("+which+")", append([]any{int64(slice)}, args...)...)
			if err == nil {
				_, err = w.conn.exec("UPDATE counters SET events = events - ?", int64(n))
			}
			return err
		}})
		if err != nil {
			return total, err
		}
		if total += n; n == 0 {
			return total, nil
		}
	}
}

// usedText asks for the bytes of the pages in use: what Stats tells and Prune bounds.
const usedText = "SELECT page_size * (page_count - freelist_count) FROM pragma_page_size, pragma_page_count, pragma_freelist_count"

func usedBytes(c *conn) (int64, error) {
	row, err := c.row(usedText)
	if err != nil {
		return 0, err
	}
	return row[0], nil
}

// Notify implements [eventstore.Notifier].
func (s *events) Notify(wake func()) (stop func()) {
	stop = s.storage.writer.listen(wake)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stops = append(s.stops, wake, stop)
	return stop
}

// Close implements [eventstore.Store].
func (s *events) Close() error {
	s.mu.Lock()
	stops := s.stops
	s.closed, s.stops = true, nil
	s.mu.Unlock()
	for _, f := range stops {
		f()
	}
	return nil
}

// ceilMicro returns the first microsecond that is not before t.
func ceilMicro(t time.Time) int64 {
	if t.Nanosecond()%1000 == 0 {
		return t.UnixMicro()
	}
	return t.UnixMicro() + 1
}

// seqOf keeps a cursor within what a column can hold.
func seqOf(after uint64) int64 { return int64(min(after, math.MaxInt64)) }
