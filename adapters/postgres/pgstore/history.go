package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// history is the face of the storage as a history of configurations.
type history struct {
	storage *Storage
	closed  atomic.Bool
}

func (h *history) enter(ctx context.Context) error {
	if err := groupcommit.Canceled(ctx); err != nil {
		return err
	}
	if h.closed.Load() {
		return groupcommit.Closed()
	}
	return nil
}

// The newest record is never dropped, so its number is the greatest that was given.
const (
	addText  = `INSERT INTO {schema}.history (seq, revision, outcome, record) SELECT coalesce(max(seq), 0) + 1, $1, $2, $3 FROM {schema}.history`
	dropText = `DELETE FROM {schema}.history WHERE outcome = $1 AND seq <= (SELECT seq FROM {schema}.history WHERE outcome = $1 ORDER BY seq DESC OFFSET $2 LIMIT 1)`
	listText = `SELECT seq, record FROM {schema}.history WHERE seq < $1 ORDER BY seq DESC LIMIT $2`
	oneText  = `SELECT seq, record FROM {schema}.history WHERE revision = $1 AND outcome = $2 ORDER BY seq DESC LIMIT 1`
)

// Add implements [config.History].
func (h *history) Add(ctx context.Context, r config.Record) error {
	if err := h.enter(ctx); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return groupcommit.NewFault(fault.InvalidArgument, "the record cannot be written as JSON", err)
	}
	sql := h.storage.schema.sql
	return h.storage.writer.queue.Submit(ctx, &request{Alone: func(ctx context.Context, c *pgx.Conn) error {
		if _, err := c.Exec(ctx, sql(addText), int64(r.Revision), r.Outcome, string(text)); err != nil {
			return err
		}
		_, err := c.Exec(ctx, sql(dropText), r.Outcome, config.HistoryKept)
		return err
	}})
}

// List implements [config.History].
func (h *history) List(ctx context.Context, before uint64, limit int) ([]config.Record, error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	if limit < 0 {
		return nil, groupcommit.NewFault(fault.InvalidArgument, "the limit must not be negative", nil)
	}
	if before == 0 {
		before = math.MaxInt64
	}
	most := &limit // null, which is no limit, for 0
	if limit == 0 {
		most = nil
	}
	return h.query(ctx, listText, int64(min(before, math.MaxInt64)), most)
}

// Revision implements [config.History].
func (h *history) Revision(ctx context.Context, number uint64) (config.Record, error) {
	if err := h.enter(ctx); err != nil {
		return config.Record{}, err
	}
	found, err := h.query(ctx, oneText, int64(number), config.OutcomeApplied)
	if err != nil {
		return config.Record{}, err
	}
	if len(found) == 0 {
		return config.Record{}, groupcommit.NewFault(fault.NotFound, fmt.Sprintf("the history has no revision %d: it may be too old to be kept", number), nil)
	}
	return found[0], nil
}

func (h *history) query(ctx context.Context, text string, args ...any) (records []config.Record, err error) {
	err = h.storage.read(ctx, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, h.storage.schema.sql(text), args...)
		if err != nil {
			return err
		}
		records, err = pgx.CollectRows(rows, recordOf)
		return err
	})
	return records, err
}

func recordOf(row pgx.CollectableRow) (r config.Record, err error) {
	var seq int64
	var text string
	if err := row.Scan(&seq, &text); err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, groupcommit.NewFault(fault.DataCorrupt, corrupt, errors.Join(fmt.Errorf("record %d of the history", seq), err))
	}
	r.Seq = uint64(seq)
	return r, nil
}

// Close implements [config.History].
func (h *history) Close() error {
	h.closed.Store(true)
	return nil
}
