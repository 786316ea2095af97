package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/fault"
)

// diagnosis is what a result code of SQLite means for an operator.
type diagnosis struct {
	code    fault.Code
	message string
}

const corrupt = "the database is damaged: restore a backup, or move the directory away to begin with an empty one"

var diagnoses = map[int]diagnosis{
	codes.SQLITE_CORRUPT:  {fault.DataCorrupt, corrupt},
	codes.SQLITE_NOTADB:   {fault.DataCorrupt, corrupt},
	codes.SQLITE_FULL:     {fault.Unavailable, "the disk is full; nothing of this was stored. Free space on it, or keep less"},
	codes.SQLITE_READONLY: {fault.Forbidden, "the database cannot be written: check the permissions and the mount of its directory"},
	codes.SQLITE_PERM:     {fault.Forbidden, "the database cannot be written: check the permissions of its directory"},
	codes.SQLITE_CANTOPEN: {fault.Forbidden, "the database cannot be opened: check the permissions of its directory"},
	codes.SQLITE_IOERR:    {fault.Unavailable, "the disk reports an error; what was being written may be stored or not"},
	codes.SQLITE_BUSY:     {fault.Unavailable, "another program has locked the database: close it"},
	codes.SQLITE_LOCKED:   {fault.Unavailable, "another program has locked the database: close it"},
	codes.SQLITE_NOMEM:    {fault.Unavailable, "SQLite got no memory"},
}

// translated turns an error of the driver or of the system into a fault. It leaves
// faults as they are.
func translated(err error) error {
	if err == nil {
		return nil
	}
	if _, is := errors.AsType[*fault.Error](err); is {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return groupcommit.NewFault(fault.Canceled, "", err)
	}
	if e, is := errors.AsType[*driver.Error](err); is {
		if d, known := diagnoses[e.Code()&0xff]; known {
			return groupcommit.NewFault(d.code, d.message, err)
		}
		return groupcommit.NewFault(fault.Internal, "SQLite refused a statement", err)
	}
	return ofSystem(err)
}

func ofSystem(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return groupcommit.NewFault(fault.Forbidden, "the directory cannot be written: check its permissions and its mount", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return groupcommit.NewFault(fault.Unavailable, diagnoses[codes.SQLITE_FULL].message, err)
	default:
		return groupcommit.NewFault(fault.Unavailable, "the storage cannot be used", err)
	}
}
