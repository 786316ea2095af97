package pgstore

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// statements are those of the writer, with the schema in them.
type statements struct{ lock, stored, insert string }

func newStatements(s schema) statements {
	return statements{s.sql(lockText), s.sql(storedText), s.sql(insertText)}
}

const (
	// lockText begins every transaction that writes. A process that is stopped while it
	// holds the lock must not stop the others: the server ends its transaction.
	lockText = `SELECT last_seq,
		set_config('idle_in_transaction_session_timeout', $1, true),
		set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)
		FROM {schema}.counters FOR UPDATE`
	storedText = `SELECT id FROM {schema}.events WHERE id = ANY($1::uuid[])`
	insertText = `WITH added AS (
		INSERT INTO {schema}.events (` + columns + `)
		SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::uuid[], $11::text[])
		RETURNING ` + sizeOf + ` AS size)
		UPDATE {schema}.counters SET last_seq = $12, events = events + $13, bytes = bytes + (SELECT sum(size) FROM added)`
)

// exchange runs f with a context that ends when the server took too long to answer.
func (w *writer) exchange(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(w.life, w.timeout)
	defer cancel()
	return ownFault(w.conn, f(ctx))
}

// begin opens a transaction that holds the lock of the schema and returns the last
// seq. A connection that was lost since it was used last is replaced.
func (w *writer) begin() (last int64, err error) {
	for {
		reused := w.conn != nil
		err := w.exchange(func(ctx context.Context) error {
			if w.conn == nil {
				if w.conn, err = w.connect(ctx); err != nil {
					w.conn = nil
					return err
				}
			}
			return w.lock(ctx, &last)
		})
		if err == nil || !reused || !lost(err) {
			return last, err
		}
		w.drop()
	}
}

func (w *writer) lock(ctx context.Context, last *int64) error {
	var b pgx.Batch
	b.Queue(beginText)
	b.Queue(w.text.lock, strconv.FormatInt(w.timeout.Milliseconds(), 10)).QueryRow(func(row pgx.Row) error {
		err := row.Scan(last, nil, nil)
		if errors.Is(err, pgx.ErrNoRows) {
			return groupcommit.NewFault(fault.DataCorrupt, corrupt, errors.New("the row of counters is missing"))
		}
		return err
	})
	return w.conn.SendBatch(ctx, &b).Close()
}

// write stores a group and commits. A request that is refused leaves the others as they
// are; what fails the transaction fails them all.
func (w *writer) write(group []*request, last int64) error {
	if len(group) == 1 && group[0].Alone != nil {
		if err := w.exchange(func(ctx context.Context) error { return group[0].Alone(ctx, w.conn) }); err != nil {
			return err
		}
		return w.commit(&pgx.Batch{})
	}
	if err := w.refuse(group); err != nil {
		return err
	}
	events, chunk := []*eventstore.Event(nil), 0
	for _, r := range group {
		for i := range r.Events {
			if r.Err != nil {
				break
			}
			if size := r.Events[i].Size(); chunk+size > groupcommit.MaxBytes && len(events) > 0 {
				if err := w.exchange(func(ctx context.Context) error { return w.conn.SendBatch(ctx, w.insertion(events)).Close() }); err != nil {
					return err
				}
				events, chunk = events[:0], 0
			}
			last++
			r.Events[i].Seq = uint64(last)
			events, chunk = append(events, &r.Events[i]), chunk+r.Events[i].Size()
		}
	}
	return w.commit(w.insertion(events))
}

var errRolledBack = errors.New("the server rolled the transaction back")

// commit ends the transaction with what b holds.
func (w *writer) commit(b *pgx.Batch) error {
	b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return groupcommit.NewFault(fault.Internal, "nothing was stored", errRolledBack)
		}
		return nil
	})
	return uncertain(w.exchange(func(ctx context.Context) error { return w.conn.SendBatch(ctx, b).Close() }))
}

// refuse marks the requests that hold an id that is stored already. An id that the store
// makes was never given before, so only those of the callers are looked up.
func (w *writer) refuse(group []*request) error {
	var ids []pgtype.UUID
	for _, r := range group {
		for _, i := range r.Named {
			ids = append(ids, uuidOf(r.Events[i].ID))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	stored, err := w.stored(ids)
	if err != nil {
		return err
	}
	for _, r := range group {
		var twice []int
		for _, i := range r.Named {
			if stored[uuidOf(r.Events[i].ID)] {
				twice = append(twice, i)
			}
		}
		if r.Err = eventstore.Exists(r.Events, twice...); r.Err != nil {
			continue
		}
		for _, i := range r.Named {
			stored[uuidOf(r.Events[i].ID)] = true // for the rest of the group
		}
	}
	return nil
}

func (w *writer) stored(ids []pgtype.UUID) (map[pgtype.UUID]bool, error) {
	found := make(map[pgtype.UUID]bool)
	err := w.exchange(func(ctx context.Context) error {
		rows, err := w.conn.Query(ctx, w.text.stored, ids)
		if err != nil {
			return err
		}
		var id pgtype.UUID
		_, err = pgx.ForEachRow(rows, []any{&id}, func() error { found[id] = true; return nil })
		return err
	})
	return found, err
}

// insertion is a batch that inserts events, which have their numbers, and counts them.
func (w *writer) insertion(events []*eventstore.Event) *pgx.Batch {
	var b pgx.Batch
	n := len(events)
	if n == 0 {
		return &b
	}
	seq, id, at, severity := make([]int64, n), make([]pgtype.UUID, n), make([]time.Time, n), make([]int16, n)
	kind, part, name, node := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	correlation, parent, data := make([]pgtype.Text, n), make([]pgtype.UUID, n), make([]pgtype.Text, n)
	for i, e := range events {
		seq[i], id[i], at[i], severity[i] = int64(e.Seq), uuidOf(e.ID), e.Time, int16(e.Severity.Rank())
		kind[i], part[i], name[i], node[i] = e.Type, e.Component, e.Name, e.Node
		correlation[i], parent[i], data[i] = orNull(e.Correlation), uuidOf(e.Parent), orNull(string(e.Data))
	}
	b.Queue(w.text.insert, seq, id, at, severity, kind, part, name, node, correlation, parent, data, seq[n-1], n)
	return &b
}

func orNull(s string) pgtype.Text { return pgtype.Text{String: s, Valid: s != ""} }

// uuidOf reads what [eventstore.Prepare] has checked; empty is null.
func uuidOf(id string) pgtype.UUID {
	if id == "" {
		return pgtype.UUID{}
	}
	return pgtype.UUID{Bytes: uuid.MustParse(strings.ToLower(id)), Valid: true}
}
