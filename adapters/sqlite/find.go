package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/elixirscope/foundation/adapters/internal/scan"
	"github.com/elixirscope/foundation/eventstore"
)

// find answers a query within a transaction, so that the cursor after the last page
// belongs to the same state as the page.
func find(ctx context.Context, tx *sql.Tx, q *eventstore.Query) (page eventstore.Page, err error) {
	var last uint64
	if err := tx.QueryRowContext(ctx, "SELECT last_seq FROM counters").Scan(&last); err != nil {
		return page, err
	}
	s, err := selection(ctx, tx, q, last)
	if err != nil {
		return page, err
	}
	stretch, err := s.bound(ctx, tx, q, last)
	if err != nil {
		return page, err
	}
	found, err := tx.QueryContext(ctx, s.text(q), append(s.args, q.PageSize()+1)...)
	if err != nil {
		return page, err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	page.Next = q.After
	for size := 0; found.Next(); {
		e, err := eventOf(found)
		if err != nil {
			return page, err
		}
		if size += e.Size(); len(page.Events) == q.PageSize() || len(page.Events) > 0 && size > eventstore.MaxPageBytes {
			page.More = true
			return page, nil
		}
		page.Events, page.Next = append(page.Events, e), e.Seq
	}
	page.More = stretch > 0
	switch {
	case page.More:
		page.Next = stretch
	case q.Order == eventstore.Ascending:
		page.Next = max(q.After, last)
	}
	return page, found.Err()
}

// bound keeps a query that no index helps to a stretch of the events, and returns the
// cursor behind it; 0 if there is nothing behind it.
func (s *clauses) bound(ctx context.Context, tx *sql.Tx, q *eventstore.Query, last uint64) (uint64, error) {
	if s.index != noIndex {
		return 0, nil
	}
	var oldest uint64
	if err := tx.QueryRowContext(ctx, "SELECT coalesce(min(seq), 0) FROM events").Scan(&oldest); err != nil {
		return 0, err
	}
	stretch := scan.Stretch(q, oldest, last)
	switch {
	case stretch == 0:
	case q.Order == eventstore.Descending:
		s.where("seq >= ?", seqOf(stretch))
	default:
		s.where("seq <= ?", seqOf(stretch))
	}
	return stretch, nil
}

// clauses is the WHERE of a query with its arguments, and the index to take.
type clauses struct {
	index string
	terms []string
	args  []any
}

func (s *clauses) where(term string, args ...any) {
	s.terms, s.args = append(s.terms, term), append(s.args, args...)
}

func (s *clauses) text(q *eventstore.Query) string {
	order := "ASC"
	if q.Order == eventstore.Descending {
		order = "DESC"
	}
	text := "SELECT " + columns + " FROM events " + s.index
	if len(s.terms) > 0 {
		text += " WHERE " + strings.Join(s.terms, " AND ")
	}
	return text + " ORDER BY seq " + order + " LIMIT ?"
}

const noIndex = "NOT INDEXED"

// selection chooses the index itself: the planner of SQLite knows nothing of how the
// values are spread unless somebody runs ANALYZE.
func selection(ctx context.Context, tx *sql.Tx, q *eventstore.Query, last uint64) (*clauses, error) {
	s := &clauses{index: noIndex}
	if err := s.times(ctx, tx, q, last); err != nil {
		return nil, err
	}
	if q.Correlation != "" {
		s.index = "INDEXED BY events_correlation"
		s.where("correlation = ?", q.Correlation)
	}
	if q.ID != "" {
		id, err := uuid.Parse(q.ID)
		if err != nil {
			return nil, err
		}
		s.index = "INDEXED BY events_id"
		s.where("id = ?", id[:])
	}
	s.rest(q)
	return s, nil
}

func (s *clauses) times(ctx context.Context, tx *sql.Tx, q *eventstore.Query, last uint64) error {
	if !q.Since.IsZero() {
		s.where("time >= ?", ceilMicro(q.Since))
	}
	if !q.Until.IsZero() {
		s.where("time <= ?", q.Until.UnixMicro())
	}
	if len(s.terms) == 0 || scan.NearEnd(q, last) {
		return nil
	}
	var n int
	count := "SELECT count(*) FROM (SELECT 1 FROM events INDEXED BY events_time WHERE " + strings.Join(s.terms, " AND ") + " LIMIT ?)"
	if err := tx.QueryRowContext(ctx, count, append(slices.Clip(s.args), scan.Few)...).Scan(&n); err != nil {
		return err
	}
	if n < scan.Few {
		s.index = "INDEXED BY events_time"
	}
	return nil
}

func (s *clauses) rest(q *eventstore.Query) {
	if q.After > 0 && q.Order == eventstore.Descending {
		s.where("seq < ?", seqOf(q.After))
	} else if q.After > 0 {
		s.where("seq > ?", seqOf(q.After))
	}
	if rank := q.Severity.Rank(); rank > 0 {
		s.where("severity >= ?", rank)
	}
	if strings.ContainsAny(q.Type, "*?") {
		s.where("type GLOB ?", q.Type) // no other character of a pattern means anything to GLOB
	} else if q.Type != "" {
		s.where("type = ?", q.Type)
	}
	if q.Name != "" {
		s.where("name = ?", q.Name)
	}
	if n := len(q.Components); n > 0 {
		args := make([]any, n)
		for i, c := range q.Components {
			args[i] = c
		}
		s.where("component IN ("+strings.Repeat("?,", n-1)+"?)", args...)
	}
}
