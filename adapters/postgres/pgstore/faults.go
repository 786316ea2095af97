package pgstore

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/fault"
)

// diagnosis is what an error of the server means for an operator.
type diagnosis struct {
	code    fault.Code
	message string
}

const corrupt = "the database is damaged: restore a backup, or use another schema to begin with an empty one"

// states are the SQLSTATEs that deserve words of their own.
var states = map[string]diagnosis{
	"25006": {fault.Unavailable, "the server takes no writes, as a standby does: name the primary, or set target_session_attrs=read-write in the DSN"},
	"28000": {fault.Forbidden, "the server does not let this role in: check the role and pg_hba.conf"},
	"28P01": {fault.Forbidden, "the server refuses the password"},
	"3D000": {fault.InvalidConfig, "the database does not exist: create it, or name another one"},
	"3F000": {fault.Unavailable, gone},
	"42501": {fault.Forbidden, "the role may not do this: grant it CREATE on the database, or make it the owner of the schema"},
	"42703": {fault.Unavailable, gone},
	"42P01": {fault.Unavailable, gone},
	"53100": {fault.Unavailable, "the disk of the server is full"},
	"53300": {fault.Unavailable, "the server has no connection to spare: raise its max_connections, or end others"},
	"57014": {fault.Unavailable, "the server ended the statement: it took longer than the statement_timeout of the role allows, or somebody ended it"},
	"XX001": {fault.DataCorrupt, corrupt},
	"XX002": {fault.DataCorrupt, corrupt},
}

const gone = "the tables were dropped or changed while in use: restore them and start again"

// classes are the first two characters of the SQLSTATEs that say that the server cannot
// do it now.
var classes = map[string]diagnosis{
	"08": {fault.Unavailable, unreachable},
	"25": {fault.Unavailable, "the server ended the transaction, which took too long"},
	"40": {fault.Unavailable, "the server ended the transaction because of another one"},
	"53": {fault.Unavailable, "the server lacks a resource"},
	"55": {fault.Unavailable, "another transaction has locked what this one needs"},
	"57": {fault.Unavailable, "the server is starting, ending or being restored"},
	"58": {fault.Unavailable, "the server reports an error of its system"},
}

const unreachable = "the server cannot be reached"

// translated turns an error of the driver into a fault. It leaves faults as they are.
func translated(err error) error {
	if err == nil {
		return nil
	}
	if _, is := errors.AsType[*fault.Error](err); is {
		return err
	}
	if e, is := errors.AsType[*pgconn.PgError](err); is {
		return ofServer(e, err)
	}
	if timedOut(err) {
		return groupcommit.NewFault(fault.Unavailable, "the server did not answer in time", err)
	}
	return groupcommit.NewFault(fault.Unavailable, unreachable, err)
}

// ownFault tells errors that the driver found before it sent anything, or in an answer
// that it could not read, from those of the connection, which do not leave it open.
func ownFault(c *pgx.Conn, err error) error {
	if err == nil || c == nil || c.IsClosed() || timedOut(err) {
		return err
	}
	_, ofLayer := errors.AsType[*fault.Error](err)
	if _, is := errors.AsType[*pgconn.PgError](err); is || ofLayer {
		return err
	}
	return groupcommit.NewFault(fault.Internal, "the driver of PostgreSQL refused a statement or its answer", err)
}

func ofServer(e *pgconn.PgError, err error) error {
	d, known := states[e.Code]
	if !known && len(e.Code) == 5 {
		d, known = classes[e.Code[:2]]
	}
	if !known {
		return groupcommit.NewFault(fault.Internal, "PostgreSQL refused a statement", err)
	}
	return groupcommit.NewFault(d.code, d.message, err)
}

// uncertain translates an error of the exchange that commits: if there was no answer,
// the transaction may have taken place.
func uncertain(err error) error {
	if err != nil && (lost(err) || timedOut(err)) {
		return groupcommit.NewFault(fault.Unavailable, "the connection ended during the commit; what was being written may be stored or not", err)
	}
	return translated(err)
}
