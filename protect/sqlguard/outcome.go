package sqlguard

import (
	"context"
	"database/sql"
	"errors"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/errtree"
	"github.com/elixirscope/foundation/internal/exhausted/dialing"
	"github.com/elixirscope/foundation/outcome"
)

// Outcome says what err means for the health of the database:
//
//	nil, sql.ErrNoRows                  success
//	an error with an SQLSTATE           as [StateOutcome] says
//	context.Canceled, sql.ErrTxDone     ignored: the caller ended it
//	a refusal by another protection     ignored
//	no descriptor or port left here     ignored: the database was not asked
//	anything else                       failure: no connection, a protocol error, a timeout
//
// The SQLSTATE is read from any error in the chain with a method SQLState()
// string, as pgx and lib/pq have. For a driver without one give [WithOutcome] a
// function that knows its errors and falls back to this one.
//
// Of an error that joins several, as errors.Join makes, each is judged, and a failure
// wins over a success, which wins over what is ignored.
func Outcome(err error) outcome.Outcome {
	return errtree.Worst(err, outcomeOf, outcome.Failure, outcome.Success, outcome.Ignored)
}

func outcomeOf(err error) outcome.Outcome {
	switch {
	case err == nil, errors.Is(err, sql.ErrNoRows):
		return outcome.Success
	case errors.Is(err, context.Canceled), errors.Is(err, sql.ErrTxDone), fault.IsRefusal(err):
		return outcome.Ignored
	}
	if s, ok := errors.AsType[stater](err); ok {
		return StateOutcome(s.SQLState())
	}
	if _, own := dialing.Exhausted(err); own {
		return outcome.Ignored
	}
	return outcome.Failure
}

// stater is an error of a driver that keeps the standard's code.
type stater interface {
	error
	SQLState() string
}

// StateOutcome says what an SQLSTATE means for the health of the database. A
// database that names the caller's mistake is well: broken constraints (23), bad
// data (22), statements (42), transaction states (25) and raised exceptions (P0)
// are successes. Conflicts between transactions (40, 55) are ignored: they speak
// of contention. Connections (08), authorisation (28), missing databases (3D),
// resources (53), operator intervention (57), system and internal errors (58, XX)
// and whatever is not known are failures.
func StateOutcome(state string) outcome.Outcome {
	if len(state) != 5 {
		return outcome.Failure
	}
	switch state[:2] {
	case "00", "01", "02", // success, warning, no data
		"03", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23", "24", "25", "26", "27",
		"2B", "2D", "2F", "34", "38", "39", "3B", "3F", "42", "44", "54", "P0":
		return outcome.Success
	case "40", "55":
		return outcome.Ignored
	default:
		return outcome.Failure
	}
}
