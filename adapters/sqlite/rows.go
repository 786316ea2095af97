package sqlite

import (
	"database/sql/driver"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

const columns = "seq, id, time, severity, type, component, name, node, correlation, parent, data"

const columnCount = 11

// many is how many rows one statement takes: its fixed cost is that of several rows.
const many = 32

var insertOne, insertMany = insert(1), insert(many)

func insert(rows int) string {
	row := "(" + strings.Repeat("?,", columnCount-1) + "?)"
	return "INSERT OR ROLLBACK INTO events (" + columns + ") VALUES " + strings.Repeat(row+",", rows-1) + row
}

// rows collects the events of one transaction.
type rows struct {
	args  []driver.NamedValue
	named map[uuid.UUID]struct{} // ids of callers in this transaction
}

func (r *rows) reset() {
	r.args = r.args[:0]
	clear(r.named)
}

func (r *rows) add(c *conn, e *eventstore.Event) error {
	id, err := uuid.Parse(e.ID)
	if err != nil {
		return err
	}
	var parent any
	if e.Parent != "" {
		p, err := uuid.Parse(e.Parent)
		if err != nil {
			return err
		}
		parent = p[:]
	}
	for _, v := range [columnCount]any{
		int64(e.Seq), id[:], e.Time.UnixMicro(), int64(e.Severity.Rank()), e.Type, e.Component, e.Name, e.Node,
		orNull(e.Correlation), parent, orNull(string(e.Data)),
	} {
		r.args = append(r.args, driver.NamedValue{Ordinal: len(r.args) + 1, Value: v})
	}
	if len(r.args) < many*columnCount {
		return nil
	}
	_, err = c.execNamed(insertMany, r.args)
	r.args = r.args[:0]
	return err
}

// flush inserts what is left, a row at a time.
func (r *rows) flush(c *conn) error {
	for args := r.args; len(args) > 0; args = args[columnCount:] {
		row := args[:columnCount]
		for i := range row {
			row[i].Ordinal = i + 1
		}
		if _, err := c.execNamed(insertOne, row); err != nil {
			return err
		}
	}
	r.args = r.args[:0]
	return nil
}

// has reports whether an id is stored, or is about to be in this transaction.
func (r *rows) has(c *conn, id string) (bool, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return false, err
	}
	if _, ok := r.named[u]; ok {
		return true, nil
	}
	found, err := c.row("SELECT 1 FROM events WHERE id = ?", u[:])
	return found != nil, err
}

func (r *rows) name(id string) {
	if r.named == nil {
		r.named = map[uuid.UUID]struct{}{}
	}
	if u, err := uuid.Parse(id); err == nil { // it was parsed before
		r.named[u] = struct{}{}
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

var severities = [...]fault.Severity{fault.Info, fault.Warning, fault.Critical}

// scanner reads the columns in their order.
type scanner interface{ Scan(into ...any) error }

func scan(from scanner) (eventstore.Event, error) {
	var (
		e                     eventstore.Event
		seq, at, rank         int64
		id, parent, data      []byte
		correlation           *string
		kind, component, name string
		node                  string
	)
	if err := from.Scan(&seq, &id, &at, &rank, &kind, &component, &name, &node, &correlation, &parent, &data); err != nil {
		return e, err
	}
	u, err := uuid.FromBytes(id)
	if err != nil || rank < 0 || int(rank) >= len(severities) {
		return e, newFault(fault.DataCorrupt, corrupt, err)
	}
	e = eventstore.Event{
		ID: u.String(), Seq: uint64(seq), Type: kind, Time: time.UnixMicro(at).UTC(), Severity: severities[rank],
		Component: component, Name: name, Node: node, Data: data,
	}
	if correlation != nil {
		e.Correlation = *correlation
	}
	if parent != nil {
		if u, err = uuid.FromBytes(parent); err != nil {
			return e, newFault(fault.DataCorrupt, corrupt, err)
		}
		e.Parent = u.String()
	}
	return e, nil
}
