package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/elixirscope/foundation/fault"
)

// component is the name under which faults of the storage are reported.
const component = "storage"

func newFault(code fault.Code, message string, cause error) error {
	return fault.New(fault.Spec{Code: code, Component: component, Message: message, Cause: cause})
}

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
		return newFault(fault.Canceled, "", err)
	}
	if e, is := errors.AsType[*driver.Error](err); is {
		if d, known := diagnoses[e.Code()&0xff]; known {
			return newFault(d.code, d.message, err)
		}
		return newFault(fault.Internal, "SQLite refused a statement", err)
	}
	return ofSystem(err)
}

func ofSystem(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return newFault(fault.Forbidden, "the directory cannot be written: check its permissions and its mount", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return newFault(fault.Unavailable, diagnoses[codes.SQLITE_FULL].message, err)
	default:
		return newFault(fault.Unavailable, "the storage cannot be used", err)
	}
}

func closed() error { return newFault(fault.Closed, "the storage is closed", nil) }

func canceled(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return newFault(fault.Canceled, "", context.Cause(ctx))
}
