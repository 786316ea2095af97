package pgstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/adapters/internal/scan"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

const columns = "seq, id, time, severity, type, component, name, node, correlation, parent, data"

// sizeOf is about what an event occupies with its indexes, before compression. It reads
// no data that is stored apart from its row.
const sizeOf = `(224 + octet_length(type) + octet_length(component) + octet_length(name) + octet_length(node)
	+ 2 * coalesce(octet_length(correlation), 0) + coalesce(octet_length(data), 0))`

// find answers a query with one statement, so that the cursor after the last page
// belongs to the same state as the page. What does not fit the page is not sent.
func find(ctx context.Context, c *pgx.Conn, s schema, q *eventstore.Query) (page eventstore.Page, err error) {
	w, err := selection(ctx, c, s, q)
	if err != nil {
		return page, err
	}
	rows, err := c.Query(ctx, s.sql(w.text(q)), w.args...)
	if err != nil {
		return page, err
	}
	var r row
	page.Next = q.After
	tag, err := pgx.ForEachRow(rows, r.into(), func() error {
		if !r.seq.Valid || len(page.Events) == q.PageSize() {
			return nil
		}
		e, err := r.event()
		page.Events, page.Next = append(page.Events, e), e.Seq
		return err
	})
	if err != nil {
		return page, err
	}
	if tag.RowsAffected() == 0 {
		return page, groupcommit.NewFault(fault.DataCorrupt, corrupt, errors.New("the row of counters is missing"))
	}
	switch page.More = r.found > int64(len(page.Events)); {
	case page.More:
	case w.stretch > 0:
		page.More, page.Next = true, w.stretch
	case q.Order == eventstore.Ascending:
		page.Next = max(q.After, r.last)
	}
	return page, nil
}

// clauses is the WHERE of a query with its arguments.
type clauses struct {
	few     bool   // of a range of time
	stretch uint64 // the cursor behind what is looked through; 0 if nothing is behind it
	terms   []string
	args    []any
}

// where adds a term, in which %s stands for the argument.
func (w *clauses) where(term string, arg any) {
	w.args = append(w.args, arg)
	w.terms = append(w.terms, fmt.Sprintf(term, fmt.Sprintf("$%d", len(w.args))))
}

func (w *clauses) condition() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// text asks for one event more than the page holds, which tells whether there is more,
// and leaves out what is beyond the bytes of a page. The planner takes LIMIT for a
// promise that matches are found soon in the order of seq; where a range of time is
// known to hold few, seq + 0 keeps it from that.
func (w *clauses) text(q *eventstore.Query) string {
	order, key := "ASC", "seq"
	if q.Order == eventstore.Descending {
		order = "DESC"
	}
	if w.few {
		key = "seq + 0"
	}
	limit := fmt.Sprintf("$%d", len(w.args)+1)
	bytes := fmt.Sprintf("$%d", len(w.args)+2)
	w.args = append(w.args, q.PageSize()+1, eventstore.MaxPageBytes)
	return `SELECT last_seq, coalesce(found, 0), ` + columns + ` FROM {schema}.counters LEFT JOIN (
		SELECT * FROM (
			SELECT *, count(*) OVER () AS found, sum(size) OVER (ORDER BY seq ` + order + ` ROWS UNBOUNDED PRECEDING) AS total
			FROM (SELECT ` + columns + `, ` + sizeOf + ` AS size FROM {schema}.events` + w.condition() + ` ORDER BY ` + key + ` ` + order + ` LIMIT ` + limit + `) matching
		) sums WHERE total <= ` + bytes + ` OR total = size
	) page ON true ORDER BY seq ` + order
}

func selection(ctx context.Context, c *pgx.Conn, s schema, q *eventstore.Query) (*clauses, error) {
	w := &clauses{}
	indexed := q.ID != "" || q.Correlation != ""
	var oldest, newest uint64
	if !indexed {
		const ends = "SELECT coalesce((SELECT min(seq) FROM {schema}.events), 0), last_seq FROM {schema}.counters"
		if err := c.QueryRow(ctx, s.sql(ends)).Scan(&oldest, &newest); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, err // without the row of counters the query itself says so
		}
	}
	if !q.Since.IsZero() {
		w.where("time >= %s", ceilMicro(q.Since))
	}
	if !q.Until.IsZero() {
		w.where("time <= %s", q.Until)
	}
	if len(w.terms) > 0 && (indexed || !scan.NearEnd(q, newest)) {
		var n int
		count := fmt.Sprintf("SELECT count(*) FROM (SELECT FROM {schema}.events%s LIMIT %d) matching", w.condition(), scan.Few)
		if err := c.QueryRow(ctx, s.sql(count), w.args...).Scan(&n); err != nil {
			return nil, err
		}
		w.few = n < scan.Few
	}
	w.rest(q)
	if !indexed && !w.few {
		w.bound(q, oldest, newest)
	}
	return w, nil
}

// bound keeps a query that no index helps to a stretch of the events.
func (w *clauses) bound(q *eventstore.Query, oldest, newest uint64) {
	w.stretch = scan.Stretch(q, oldest, newest)
	switch {
	case w.stretch == 0:
	case q.Order == eventstore.Descending:
		w.where("seq >= %s", int64(w.stretch))
	default:
		w.where("seq <= %s", int64(w.stretch))
	}
}

// likePattern turns a pattern of types, which has letters, digits and _ . : / -.
var likePattern = strings.NewReplacer("_", `\_`, "*", "%", "?", "_")

func (w *clauses) rest(q *eventstore.Query) {
	if q.ID != "" {
		w.where("id = %s", uuidOf(q.ID))
	}
	if q.Correlation != "" {
		w.where("correlation = %s", q.Correlation)
	}
	if after := int64(min(q.After, math.MaxInt64)); after > 0 && q.Order == eventstore.Descending {
		w.where("seq < %s", after)
	} else if after > 0 {
		w.where("seq > %s", after)
	}
	if rank := q.Severity.Rank(); rank > 0 {
		w.where("severity >= %s", rank)
	}
	if strings.ContainsAny(q.Type, "*?") {
		w.where("type LIKE %s", likePattern.Replace(q.Type))
	} else if q.Type != "" {
		w.where("type = %s", q.Type)
	}
	if q.Name != "" {
		w.where("name = %s", q.Name)
	}
	if len(q.Components) > 0 {
		w.where("component = ANY(%s::text[])", q.Components)
	}
}

// row is what a query for events answers; everything but the first two is null if it
// found none.
type row struct {
	last                                           uint64
	found                                          int64
	seq                                            pgtype.Int8
	id, parent                                     pgtype.UUID
	at                                             pgtype.Timestamptz
	severity                                       pgtype.Int2
	kind, component, name, node, correlation, data pgtype.Text
}

func (r *row) into() []any {
	return []any{
		&r.last, &r.found, &r.seq, &r.id, &r.at, &r.severity, &r.kind, &r.component, &r.name, &r.node, &r.correlation, &r.parent, &r.data,
	}
}

var severities = [...]fault.Severity{fault.SeverityInfo, fault.SeverityWarning, fault.SeverityError}

func (r *row) event() (eventstore.Event, error) {
	if rank := int(r.severity.Int16); rank < 0 || rank >= len(severities) {
		return eventstore.Event{}, groupcommit.NewFault(fault.DataCorrupt, corrupt, fmt.Errorf("event %d has severity %d", r.seq.Int64, rank))
	}
	e := eventstore.Event{
		ID: uuid.UUID(r.id.Bytes).String(), Seq: uint64(r.seq.Int64), Type: r.kind.String, Time: r.at.Time.UTC(), Severity: severities[r.severity.Int16],
		Component: r.component.String, Name: r.name.String, Node: r.node.String, Correlation: r.correlation.String,
	}
	if r.parent.Valid {
		e.Parent = uuid.UUID(r.parent.Bytes).String()
	}
	if r.data.Valid {
		e.Data = []byte(r.data.String)
	}
	return e, nil
}
