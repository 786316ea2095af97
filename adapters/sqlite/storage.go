package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

const fileName = "foundation.db"

// Options say how the database is used. The zero value is ready for use.
type Options struct {
	// Readers is the greatest number of queries that run at once; 0 means 4.
	Readers int
}

const defaultReaders = 4

// Storage is one database in a directory of its own. It is safe for concurrent use.
type Storage struct {
	path    string
	lock    *os.File
	readers *sql.DB
	writer  *writer

	reading sync.RWMutex // held by queries while they run, and by Close
	closing sync.Once
	err     error // of closing
}

// Open opens the database in dir and creates both where they are missing, readable by
// their owner only. It waits for nothing but the disk; ctx ends it between its steps.
//
// The faults: invalid_config if dir is no directory, or holds the database of a newer
// version or of another program; forbidden if it cannot be written; unavailable if
// another process, which is named, has it; data_corrupt if what it holds is damaged.
func Open(ctx context.Context, dir string, o Options) (*Storage, error) {
	s, err := open(ctx, dir, o, migrations)
	if err != nil {
		return nil, translated(fmt.Errorf("open storage in %s: %w", dir, err))
	}
	return s, nil
}

func open(ctx context.Context, dir string, o Options, steps [][]string) (*Storage, error) {
	var ps fault.Problems
	ps.Require(o.Readers >= 0, "readers", o.Readers, "must not be negative")
	if err := ps.Err(groupcommit.Component, ""); err != nil {
		return nil, err
	}
	dir, err := prepareDir(dir)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Storage{path: filepath.Join(dir, fileName), lock: lock}
	if err := s.start(ctx, o, steps); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// prepareDir makes the directory if it is missing and returns its absolute path: the
// process may change its working directory later.
func prepareDir(dir string) (string, error) {
	if dir == "" {
		return "", groupcommit.NewFault(fault.InvalidConfig, "the path of the storage is empty", nil)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(abs); err == nil && !info.IsDir() {
		return "", groupcommit.NewFault(fault.InvalidConfig, abs+" is a file, and the storage needs a directory", nil)
	}
	return abs, os.MkdirAll(abs, 0o700)
}

// start opens the database under the lock.
func (s *Storage) start(ctx context.Context, o Options, steps [][]string) error {
	if err := groupcommit.Canceled(ctx); err != nil {
		return err
	}
	file, err := touch(s.path)
	if err != nil {
		return err
	}
	if err := checkLog(s.path + "-wal"); err != nil {
		return err
	}
	c, err := openConn(s.path, writerPragmas...)
	if err != nil {
		return err
	}
	w, err := startWriter(c, s.path, file, func() error { return migrate(c, s.path, steps) })
	if err != nil {
		return errors.Join(err, c.close())
	}
	readers := o.Readers
	if readers == 0 {
		readers = defaultReaders
	}
	s.writer, s.readers = w, openReaders(s.path, readers)
	return nil
}

// writerPragmas: FULL makes every commit of the log wait for the disk. The log is
// copied into the database every 4,000 pages, and cut when a burst has made it long.
var writerPragmas = []string{
	"busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4000",
	"journal_size_limit=67108864", "cache_size=-16000", "temp_store=MEMORY", "cell_size_check=ON",
}

// touch creates the file if it is missing, so that only its owner can read it: SQLite
// gives the log the same permissions. A new name is made durable with its directory.
func touch(path string) (os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return info, syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Events returns a store of the events in the database. Closing it leaves the storage
// open. It implements [eventstore.Notifier].
func (s *Storage) Events() eventstore.Store { return &events{storage: s} }

// read runs f in a transaction, which sees one state of the database.
func (s *Storage) read(ctx context.Context, f func(*sql.Tx) error) error {
	s.reading.RLock()
	defer s.reading.RUnlock()
	tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err == nil {
		err = f(tx)
		if end := tx.Rollback(); !errors.Is(end, sql.ErrTxDone) { // the end of ctx ends it too
			err = errors.Join(err, end)
		}
	}
	if err == nil {
		return nil
	}
	// A query that ends because ctx or the storage did may name another reason.
	if gone := groupcommit.Canceled(ctx); gone != nil {
		return gone
	}
	if s.writer.queue.IsClosed() {
		return groupcommit.Closed()
	}
	if moved, is := errors.AsType[*fault.Error](s.writer.unmoved()); is {
		return moved // for which SQLite would blame the permissions
	}
	return translated(err)
}

// History returns the history of configurations in the database. Closing it leaves the
// storage open.
func (s *Storage) History() config.History { return &history{storage: s} }

// Close stores what waits, closes the database and gives the directory free. It waits
// for queries that run. A further Close returns what the first one did.
func (s *Storage) Close() error {
	s.closing.Do(func() {
		s.writer.stop()
		s.reading.Lock() // sql.DB does not wait for its transactions
		defer s.reading.Unlock()
		// The writer is the last connection, which empties the log and removes it.
		s.err = translated(errors.Join(s.readers.Close(), s.writer.conn.close(), s.lock.Close()))
	})
	return s.err
}
