package sqlguard

import (
	"database/sql"

	"github.com/elixirscope/foundation/guard"
)

// Rows is [sql.Rows] whose end gives back the call's place in the guard.
type Rows struct {
	*sql.Rows
	db         *DB
	token      *guard.Token
	handedOver bool
	ended      bool
}

// Next is [sql.Rows.Next].
func (r *Rows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.endIfClosed()
	return false
}

// NextResultSet is [sql.Rows.NextResultSet].
func (r *Rows) NextResultSet() bool {
	if r.Rows.NextResultSet() {
		return true
	}
	r.endIfClosed()
	return false
}

// endIfClosed ends the call when database/sql has closed the rows by itself,
// which it does at their end unless another result set follows.
func (r *Rows) endIfClosed() {
	if _, err := r.Columns(); err != nil {
		r.end(r.Err())
	}
}

// Close is [sql.Rows.Close].
func (r *Rows) Close() error {
	defer r.token.Close() // does nothing, unless the driver or the table panicked
	err := r.Rows.Close()
	if fetching := r.Err(); fetching != nil {
		r.end(fetching)
	} else {
		r.end(err)
	}
	return err
}

func (r *Rows) end(err error) {
	if !r.ended {
		r.ended = true
		defer r.token.Close() // also if the judge panics
		_ = r.db.settle(r.token, err)
	}
}

// abandon runs also if the driver or the judge of its error panicked.
func (r *Rows) abandon() {
	if !r.handedOver {
		r.token.Close()
	}
}

// Row is [sql.Row] whose Scan gives back the call's place in the guard.
type Row struct {
	rows *Rows
	err  error
}

// Err is why there is no row to scan yet: a refusal, or the query's error.
func (r *Row) Err() error { return r.err }

// Scan is [sql.Row.Scan]: sql.ErrNoRows if there is no row, the first row
// otherwise. It ends the call.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close() //nolint:errcheck // told below, unless there is a better error
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err // the caller's: the row was there
	}
	return r.rows.Close()
}
