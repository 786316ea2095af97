package sqlite

import (
	"context"
	"slices"
)

// Exec runs a statement on the connection that writes.
func (s *Storage) Exec(ctx context.Context, query string) error {
	return s.writer.queue.Submit(ctx, &request{Alone: func() error { return run(s.writer.conn.raw, query) }})
}

// Int answers a query of one integer on the connection that writes.
func (s *Storage) Int(ctx context.Context, query string) (n int64, err error) {
	err = s.writer.queue.Submit(ctx, &request{Alone: func() error {
		row, err := s.writer.conn.row(query)
		if err == nil {
			n = row[0]
		}
		return err
	}})
	return n, err
}

// OpenLater opens with further steps of the schema than are known.
func OpenLater(ctx context.Context, dir string, steps ...string) (*Storage, error) {
	s, err := open(ctx, dir, Options{}, append(slices.Clip(migrations), steps))
	return s, translated(err)
}

// OpenFirst opens with the first step of the schema alone.
func OpenFirst(ctx context.Context, dir string) (*Storage, error) {
	return open(ctx, dir, Options{}, migrations[:1])
}
