package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

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
	addRecord   = "INSERT INTO history (seq, revision, outcome, record) SELECT coalesce(max(seq), 0) + 1, ?, ?, ? FROM history"
	dropRecords = "DELETE FROM history WHERE outcome = ?1 AND seq <= (SELECT seq FROM history WHERE outcome = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)"
	listRecords = "SELECT seq, record FROM history WHERE seq < ? ORDER BY seq DESC LIMIT ?"
	oneRecord   = "SELECT seq, record FROM history WHERE revision = ? AND outcome = ? ORDER BY seq DESC LIMIT 1"
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
	w := h.storage.writer
	return w.queue.Submit(ctx, &request{Alone: func() error {
		if _, err := w.conn.exec(addRecord, int64(r.Revision), r.Outcome, string(text)); err != nil {
			return err
		}
		_, err := w.conn.exec(dropRecords, r.Outcome, int64(config.HistoryKept))
		return err
	}})
}

// List implements [config.History].
func (h *history) List(ctx context.Context, before uint64, limit int) ([]config.Record, error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	switch {
	case limit < 0:
		return nil, groupcommit.NewFault(fault.InvalidArgument, "the limit must not be negative", nil)
	case limit == 0:
		limit = -1 // no limit, for SQLite
	}
	if before == 0 {
		before = math.MaxInt64
	}
	return h.query(ctx, listRecords, seqOf(before), limit)
}

// Revision implements [config.History].
func (h *history) Revision(ctx context.Context, number uint64) (config.Record, error) {
	if err := h.enter(ctx); err != nil {
		return config.Record{}, err
	}
	found, err := h.query(ctx, oneRecord, int64(number), config.OutcomeApplied)
	if err != nil {
		return config.Record{}, err
	}
	if len(found) == 0 {
		return config.Record{}, groupcommit.NewFault(fault.NotFound, fmt.Sprintf("the history has no revision %d: it may be too old to be kept", number), nil)
	}
	return found[0], nil
}

func (h *history) query(ctx context.Context, text string, args ...any) (records []config.Record, err error) {
	err = h.storage.read(ctx, func(tx *sql.Tx) (err error) {
		rows, err := tx.QueryContext(ctx, text, args...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			r, err := recordOf(rows)
			if err != nil {
				return err
			}
			records = append(records, r)
		}
		return rows.Err()
	})
	return records, err
}

func recordOf(from scanner) (r config.Record, err error) {
	var seq int64
	var text []byte
	if err := from.Scan(&seq, &text); err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
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
