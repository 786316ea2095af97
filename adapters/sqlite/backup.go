package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
)

// Backup writes a consistent copy of the database to path, which only its owner can read.
// The copy holds everything that was acknowledged before the call, and is a database of
// its own: put into an empty directory as foundation.db it is opened there. Writers and
// readers go on meanwhile; the log cannot be emptied, so that it grows by what is written.
// A file that stands at path is replaced. On an error nothing is left there.
func (s *Storage) Backup(ctx context.Context, path string) (err error) {
	defer func() { err = translated(err) }()
	if err := groupcommit.Canceled(ctx); err != nil {
		return err
	}
	s.reading.RLock()
	defer s.reading.RUnlock()
	if s.writer.queue.IsClosed() {
		return groupcommit.Closed()
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // SQLite would let others read it
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := vacuumInto(ctx, s.path, path); err != nil {
		return errors.Join(fmt.Errorf("copy %s to %s: %w", s.path, path, err), os.Remove(path))
	}
	return syncFile(path)
}

// vacuumInto copies through a connection of its own: those of readers may write nothing.
func vacuumInto(ctx context.Context, from, to string) (err error) {
	raw, err := openRaw(from, "busy_timeout=5000")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	execer, ok := raw.(driver.ExecerContext)
	if !ok {
		return errors.New("the driver of SQLite cannot execute")
	}
	_, err = execer.ExecContext(ctx, "VACUUM INTO ?", []driver.NamedValue{{Ordinal: 1, Value: to}})
	if gone := groupcommit.Canceled(ctx); err != nil && gone != nil { // SQLite says that it was interrupted
		return gone
	}
	return err
}
