package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/fault"
)

// applicationID marks the file as ours: "Fndn".
const applicationID = 0x466e646e

// migrations lead from each version of the schema to the next. What was released is
// never changed, only followed by another step. Times are microseconds since 1970,
// ids the 16 bytes of a UUID, severities their rank.
//
// history holds a record as JSON, so that what a later version adds to one needs no step.
// counters holds what would cost a scan to find, and the last seq also when its event
// was pruned: no place is given twice.
var migrations = [][]string{
	{
		`CREATE TABLE events (
			seq INTEGER PRIMARY KEY,
			id BLOB NOT NULL,
			time INTEGER NOT NULL,
			severity INTEGER NOT NULL,
			type TEXT NOT NULL,
			component TEXT NOT NULL,
			name TEXT NOT NULL,
			node TEXT NOT NULL,
			correlation TEXT,
			parent BLOB,
			data TEXT
		) STRICT`,
		`CREATE UNIQUE INDEX events_id ON events (id)`,
		`CREATE INDEX events_correlation ON events (correlation) WHERE correlation IS NOT NULL`,
		`CREATE INDEX events_time ON events (time)`,
		`CREATE TABLE counters (events INTEGER NOT NULL, last_seq INTEGER NOT NULL) STRICT`,
		`INSERT INTO counters VALUES (0, 0)`,
	},
	{
		`CREATE TABLE history (seq INTEGER PRIMARY KEY, revision INTEGER NOT NULL, outcome TEXT NOT NULL, record TEXT NOT NULL) STRICT`,
		`CREATE INDEX history_outcome ON history (outcome, seq)`,
		`CREATE INDEX history_revision ON history (revision)`,
	},
}

// migrate brings the schema to the newest version, after it has saved a copy of a
// database that holds anything.
func migrate(c *conn, path string, steps [][]string) error {
	version, err := versionOf(c)
	if err != nil {
		return err
	}
	if version > len(steps) {
		return groupcommit.NewFault(fault.InvalidConfig, fmt.Sprintf(
			"%s has version %d of the schema and this program knows no later one than %d: run the newer program, or put back the copy that it saved as %s before it migrated",
			path, version, len(steps), copyName(path, len(steps))), nil)
	}
	if version > 0 && version < len(steps) {
		if err := saveCopy(c, path, version); err != nil {
			return err
		}
	}
	for ; version < len(steps); version++ {
		if err := c.tx(func() error { return step(c, steps[version], version+1) }); err != nil {
			return fmt.Errorf("migrate %s to version %d: %w", path, version+1, err)
		}
	}
	return nil
}

// versionOf returns the version of the schema, 0 for an empty file.
func versionOf(c *conn) (int, error) {
	id, err := c.row("PRAGMA application_id")
	if err != nil {
		return 0, err
	}
	version, err := c.row("PRAGMA user_version")
	if err != nil {
		return 0, err
	}
	tables, err := c.row("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return 0, err
	}
	if id[0] != applicationID && (tables[0] > 0 || version[0] != 0 || id[0] != 0) {
		return 0, groupcommit.NewFault(fault.InvalidConfig, "the file "+fileName+" is a SQLite database of another program: choose another directory", nil)
	}
	return int(version[0]), nil
}

func step(c *conn, statements []string, version int) error {
	for _, s := range append(slices.Clip(statements),
		fmt.Sprintf("PRAGMA application_id=%d", applicationID), fmt.Sprintf("PRAGMA user_version=%d", version)) {
		if err := run(c.raw, s); err != nil {
			return err
		}
	}
	return nil
}

func copyName(path string, version int) string { return fmt.Sprintf("%s.v%d.bak", path, version) }

// saveCopy writes the whole database, with what is in its log, beside it. The name is
// given only to a copy that is complete and on the disk.
func saveCopy(c *conn, path string, version int) error {
	unfinished := copyName(path, version) + ".tmp"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if _, err := c.exec("VACUUM INTO ?", unfinished); err != nil {
		return fmt.Errorf("save a copy before the migration: %w", err)
	}
	if err := syncFile(unfinished); err != nil {
		return err
	}
	if err := os.Rename(unfinished, copyName(path, version)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
