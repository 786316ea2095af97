package sqlite

import (
	"database/sql/driver"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

const columns = "seq, id, time, severity, type, component, name, node, correlation, parent, data"

const columnCount = 11

// insertRow takes one row: a statement of many rows would keep a journal of its own, to
// be able to undo half of itself, which costs more than it saves. OR ROLLBACK spares
// that of a single row; that an id is stored already is known before.
var insertRow = "INSERT OR ROLLBACK INTO events (" + columns + ") VALUES (" + strings.Repeat("?,", columnCount-1) + "?)"

// rows inserts events. It keeps the space for the values of one.
type rows struct {
	args [columnCount]driver.NamedValue
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
	for i, v := range [columnCount]any{
		int64(e.Seq), id[:], e.Time.UnixMicro(), int64(e.Severity.Rank()), e.Type, e.Component, e.Name, e.Node,
		orNull(e.Correlation), parent, orNull(string(e.Data)),
	} {
		r.args[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	_, err = c.execNamed(insertRow, r.args[:])
	return err
}

// has reports whether an id is stored, also by this transaction.
func has(c *conn, id string) (bool, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return false, err
	}
	found, err := c.row("SELECT 1 FROM events WHERE id = ?", u[:])
	return found != nil, err
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

var severities = [...]fault.Severity{fault.SeverityInfo, fault.SeverityWarning, fault.SeverityError}

// scanner reads the columns in their order.
type scanner interface{ Scan(into ...any) error }

func eventOf(from scanner) (eventstore.Event, error) {
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
		return e, groupcommit.NewFault(fault.DataCorrupt, corrupt, err)
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
			return e, groupcommit.NewFault(fault.DataCorrupt, corrupt, err)
		}
		e.Parent = u.String()
	}
	return e, nil
}
