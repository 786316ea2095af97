package pgstore

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Exec runs a statement in a transaction of the writer.
func (s *Storage) Exec(ctx context.Context, query string) error {
	return s.writer.queue.Submit(ctx, &request{Alone: func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, query)
		return err
	}})
}

// Text answers a query of one text in a transaction of the writer.
func (s *Storage) Text(ctx context.Context, query string) (text string, err error) {
	err = s.writer.queue.Submit(ctx, &request{Alone: func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, query).Scan(&text)
	}})
	return text, err
}

// OpenLater opens with further steps of the schema than are known.
func OpenLater(ctx context.Context, dsn string, o Options, steps ...string) (*Storage, error) {
	return open(ctx, dsn, o, append(slices.Clip(migrations), steps))
}

// Version is the newest version of the schema.
func Version() int { return len(migrations) }
