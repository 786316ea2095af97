package pgstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// events is the face of the storage as a store of events.
type events struct {
	storage *Storage
	closed  atomic.Bool
}

// enter says why the store cannot be used, or nothing.
func (s *events) enter(ctx context.Context) error {
	if err := groupcommit.Canceled(ctx); err != nil {
		return err
	}
	if s.closed.Load() {
		return groupcommit.Closed()
	}
	return nil
}

// Append implements [eventstore.Store].
func (s *events) Append(ctx context.Context, given ...eventstore.Event) ([]eventstore.Event, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	r, err := groupcommit.Append[alone](time.Now(), given)
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
	err = s.storage.read(ctx, func(ctx context.Context, c *pgx.Conn) error {
		page, err = find(ctx, c, s.storage.schema, &q)
		return err
	})
	if err != nil {
		return eventstore.Page{}, err
	}
	return page, nil
}

const statsText = `SELECT events, bytes,
	coalesce((SELECT min(seq) FROM {schema}.events), 0), coalesce((SELECT max(seq) FROM {schema}.events), 0)
	FROM {schema}.counters`

// Stats implements [eventstore.Store].
func (s *events) Stats(ctx context.Context) (eventstore.Stats, error) {
	out := eventstore.Stats{Durable: true}
	if err := s.enter(ctx); err != nil {
		return out, err
	}
	err := s.storage.read(ctx, func(ctx context.Context, c *pgx.Conn) error {
		err := c.QueryRow(ctx, s.storage.schema.sql(statsText)).Scan(&out.Events, &out.Bytes, &out.Oldest, &out.Newest)
		if errors.Is(err, pgx.ErrNoRows) {
			return groupcommit.NewFault(fault.DataCorrupt, corrupt, errors.New("the row of counters is missing"))
		}
		return err
	})
	return out, err
}

// slice is how many events one transaction removes: appends wait for it no longer
// than for a few groups of their own.
const slice = 256

const (
	removeText = `WITH gone AS (DELETE FROM {schema}.events WHERE seq IN (`
	countText  = `) RETURNING ` + sizeOf + ` AS size)
		UPDATE {schema}.counters SET events = events - (SELECT count(*) FROM gone), bytes = bytes - (SELECT coalesce(sum(size), 0) FROM gone)
		RETURNING (SELECT count(*) FROM gone)`
	// What is removed is known by the sizes of the events before it.
	largeText = `SELECT seq FROM (
		SELECT seq, sum(size) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - size AS before
		FROM (SELECT seq, ` + sizeOf + ` AS size FROM {schema}.events ORDER BY seq LIMIT $1) oldest) sums
		WHERE before < (SELECT bytes FROM {schema}.counters) - $2`
	oldText = `SELECT seq FROM {schema}.events WHERE time < $2 ORDER BY time LIMIT $1`
)

// Prune implements [eventstore.Store].
func (s *events) Prune(ctx context.Context, r eventstore.Retention) (total int, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	if err := r.Validate(); err != nil {
		return 0, err
	}
	if !r.Before.IsZero() {
		if total, err = s.remove(ctx, oldText, ceilMicro(r.Before)); err != nil {
			return total, err
		}
	}
	if r.MaxBytes == 0 {
		return total, nil
	}
	n, err := s.remove(ctx, largeText, r.MaxBytes)
	return total + n, err
}

// remove deletes slice after slice of what a query selects, until nothing is left.
func (s *events) remove(ctx context.Context, which string, bound any) (total int, err error) {
	text := s.storage.schema.sql(removeText + which + countText)
	for {
		n := 0
		err := s.storage.writer.queue.Submit(ctx, &request{Alone: func(ctx context.Context, c *pgx.Conn) error {
			return c.QueryRow(ctx, text, slice, bound).Scan(&n)
		}})
		if err != nil {
			return total, err
		}
		if total += n; n == 0 {
			return total, nil
		}
	}
}

// Close implements [eventstore.Store].
func (s *events) Close() error {
	s.closed.Store(true)
	return nil
}

// ceilMicro returns the first microsecond that is not before t: the server would cut
// what is finer.
func ceilMicro(t time.Time) time.Time {
	if t.Nanosecond()%1000 == 0 {
		return t
	}
	return t.Truncate(time.Microsecond).Add(time.Microsecond)
}
