package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	sqlite "modernc.org/sqlite"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/fault"
)

// Report is what [Check] found in a database that is intact.
type Report struct {
	// Path is the file that was read.
	Path string
	// Version is that of the schema, and Newest the latest that this program knows: one
	// that is older is migrated when it is opened.
	Version, Newest int
	Bytes           int64 // of the file
	LogBytes        int64 // of what the process before has not copied into the file
	Events          int
	// The oldest and the newest event; zero without any.
	OldestSeq, NewestSeq   uint64
	OldestTime, NewestTime time.Time
}

// Check reads the whole database in a directory, or in a copy that [Storage.Backup] made,
// and changes nothing in it. It takes as long as reading the file does; ctx ends it.
//
// The faults: not_found if there is no database; unavailable if another process, which
// is named, has it; data_corrupt with what is damaged; invalid_config if it is the
// database of a newer version or of another program.
func Check(ctx context.Context, path string) (r Report, err error) {
	defer func() {
		if err != nil {
			err = translated(fmt.Errorf("check %s: %w", path, err))
		}
	}()
	abs, err := filepath.Abs(path) // a relative one cannot stand in the URI that SQLite opens
	if err != nil {
		return Report{}, err
	}
	file, release, err := take(abs)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := checkLog(file + "-wal"); err != nil {
		return Report{}, err
	}
	r, err = sizes(file)
	if err != nil {
		return Report{}, err
	}
	db := sql.OpenDB(&readOnly{file})
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := r.read(ctx, db); err != nil {
		if gone := groupcommit.Canceled(ctx); gone != nil { // SQLite says that it was interrupted
			err = gone
		}
		return Report{}, err
	}
	return r, nil
}

// take finds the database of a path and keeps other processes from it. Nobody holds a
// directory without a lock file, such as one that a copy was put into.
func take(path string) (file string, release func() error, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", nil, groupcommit.NewFault(fault.NotFound, "there is no such file or directory", nil)
	case err != nil:
		return "", nil, err
	case !info.IsDir():
		return path, func() error { return nil }, nil
	}
	file = filepath.Join(path, fileName)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return "", nil, groupcommit.NewFault(fault.NotFound, "the directory holds no "+fileName, nil)
	}
	if _, err := os.Stat(filepath.Join(path, lockName)); errors.Is(err, os.ErrNotExist) {
		return file, func() error { return nil }, nil
	}
	lock, err := lockDir(path)
	if err != nil {
		return "", nil, err
	}
	return file, lock.Close, nil
}

func sizes(file string) (Report, error) {
	r := Report{Path: file, Newest: len(migrations)}
	info, err := os.Stat(file)
	if err != nil {
		return r, err
	}
	r.Bytes = info.Size()
	if info, err := os.Stat(file + "-wal"); err == nil {
		r.LogBytes = info.Size()
	}
	return r, nil
}

// read looks through the database. What SQLite finds comes before what is read from it.
func (r *Report) read(ctx context.Context, db *sql.DB) error {
	if err := r.version(ctx, db); err != nil {
		return err
	}
	if err := intact(ctx, db); err != nil {
		return err
	}
	if r.Version == 0 {
		return nil
	}
	var counted int
	if err := db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM events), (SELECT events FROM counters)").Scan(&r.Events, &counted); err != nil {
		return err
	}
	if r.Events != counted {
		return groupcommit.NewFault(fault.DataCorrupt, fmt.Sprintf("the database holds %d events and says that it holds %d: restore a backup", r.Events, counted), nil)
	}
	var err error
	if r.OldestSeq, r.OldestTime, err = end(ctx, db, "ASC"); err == nil {
		r.NewestSeq, r.NewestTime, err = end(ctx, db, "DESC")
	}
	return err
}

func (r *Report) version(ctx context.Context, db *sql.DB) error {
	var id, tables int
	if err := db.QueryRowContext(ctx, "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id, pragma_user_version").Scan(&id, &r.Version, &tables); err != nil {
		return err
	}
	if id != applicationID && (tables > 0 || r.Version != 0 || id != 0) {
		return groupcommit.NewFault(fault.InvalidConfig, "it is a SQLite database of another program", nil)
	}
	if r.Version > r.Newest {
		return groupcommit.NewFault(fault.InvalidConfig, fmt.Sprintf("it has version %d of the schema and this program knows no later one than %d: check it with the newer program", r.Version, r.Newest), nil)
	}
	return nil
}

// mostFaults is how many faults of a database are named.
const mostFaults = 5

func intact(ctx context.Context, db *sql.DB) (err error) {
	rows, err := db.QueryContext(ctx, fmt.Sprintf("PRAGMA integrity_check(%d)", mostFaults))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var faults []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			faults = append(faults, strings.ReplaceAll(text, "\n", " "))
		}
	}
	if err := rows.Err(); err != nil || len(faults) == 0 {
		return err
	}
	return groupcommit.NewFault(fault.DataCorrupt, "the database is damaged ("+strings.Join(faults, "; ")+"): restore a backup, or move the directory away to begin with an empty one", nil)
}

// end returns the first event in an order of the places.
func end(ctx context.Context, db *sql.DB, order string) (uint64, time.Time, error) {
	var seq, at int64
	err := db.QueryRowContext(ctx, "SELECT seq, time FROM events ORDER BY seq "+order+" LIMIT 1").Scan(&seq, &at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, time.Time{}, nil
	case err != nil:
		return 0, time.Time{}, err
	}
	return uint64(seq), time.UnixMicro(at).UTC(), nil
}

// readOnly gives database/sql connections that cannot write.
type readOnly struct{ path string }

// Connect implements [driver.Connector].
func (c *readOnly) Connect(context.Context) (driver.Conn, error) {
	dsn := url.URL{Scheme: "file", Path: c.path, RawQuery: "mode=ro"}
	raw, err := (&sqlite.Driver{}).Open(dsn.String())
	if err != nil {
		return nil, err
	}
	for _, p := range []string{"query_only=ON", "cell_size_check=ON", "temp_store=MEMORY"} {
		if err := run(raw, "PRAGMA "+p); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
	}
	return raw, nil
}

// Driver implements [driver.Connector].
func (c *readOnly) Driver() driver.Driver { return &sqlite.Driver{} }
