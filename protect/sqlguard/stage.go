package sqlguard

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"reflect"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

// Stage lets a guard lend the connections of a *sql.DB, which keeps its own
// pooling: its size, life times and idle connections stay what SetMaxOpenConns
// and its kin say. Workers are *sql.Conn. Make one with [NewStage]; it is safe
// for concurrent use and leaves the closing of the database to its owner.
type Stage struct {
	name    string
	db      *sql.DB
	timeout time.Duration
}

var (
	_ pool.Lender      = (*Stage)(nil)
	_ telemetry.Source = (*Stage)(nil)
)

// NewStage returns a stage over db. A checkout waits for a connection as long as
// timeout says if the guard does not say; 0 means as long as the caller's context
// allows.
func NewStage(name string, db *sql.DB, timeout time.Duration) (*Stage, error) {
	var ps fault.Problems
	ps.CheckName(name)
	ps.Require(db != nil, "db", "nil", "must be a database")
	ps.Require(timeout >= 0, "checkout_timeout", timeout, "must not be negative")
	if err := ps.Err(component, name); err != nil {
		return nil, err
	}
	return &Stage{name: name, db: db, timeout: timeout}, nil
}

const component = "connection_pool"

// Name implements [pool.Lender].
func (s *Stage) Name() string { return s.name }

// WorkerType implements [pool.Lender]: *sql.Conn.
func (s *Stage) WorkerType() reflect.Type { return reflect.TypeFor[*sql.Conn]() }

// Checkout implements [pool.Lender]. database/sql cannot try without waiting: with
// NoWait the answer is pool_full if all connections are out when asked, which
// another borrower may change a moment later.
func (s *Stage) Checkout(ctx context.Context, o pool.CheckoutOptions) (pool.Loan, error) {
	if o.NoWait && full(s.db.Stats()) {
		return pool.Loan{}, s.refuse(fault.PoolFull, nil)
	}
	waiting, cancel := s.bound(ctx, o.Timeout)
	defer cancel()
	began := time.Now()
	conn, err := s.db.Conn(waiting)
	if err != nil {
		return pool.Loan{}, s.explain(ctx, waiting, err)
	}
	return pool.Loan{Item: &pool.Item{Worker: conn}, Waited: time.Since(began)}, nil
}

func full(st sql.DBStats) bool {
	return st.MaxOpenConnections > 0 && st.InUse >= st.MaxOpenConnections
}

func (s *Stage) bound(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout == 0 {
		timeout = s.timeout
	}
	if timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// explain tells who is to blame: the caller who left, a pool without a free
// connection, or a database that cannot be reached. A caller's deadline that has passed
// is pool_timeout, as a [pool.Pool] has it.
func (s *Stage) explain(ctx, waiting context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return s.refuse(fault.Canceled, err)
	case ctx.Err() != nil, waiting.Err() != nil && full(s.db.Stats()):
		return s.refuse(fault.PoolTimeout, err)
	case errors.Is(err, sql.ErrConnDone), err.Error() == "sql: database is closed":
		return s.refuse(fault.Closed, err)
	default:
		return s.refuse(fault.WorkerFailed, err)
	}
}

func (s *Stage) refuse(code fault.Code, cause error) error {
	st := s.db.Stats()
	return fault.New(fault.Spec{
		Code: code, Component: component, Name: s.name, Cause: cause,
		Evidence: []fault.Fact{fault.Against("in_use", float64(st.InUse), float64(st.MaxOpenConnections), "")},
	})
}

// Return implements [pool.Lender]: the connection goes back to the database, which
// checks and resets it by itself, or is closed.
func (s *Stage) Return(loan pool.Loan, fate pool.Fate) {
	if loan.Item == nil {
		return
	}
	conn, ok := loan.Item.Worker.(*sql.Conn)
	if !ok {
		return
	}
	if fate == pool.Destroy {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // makes database/sql forget it
	}
	_ = conn.Close() // sql.ErrConnDone: the loan ended before
}

// Stats returns the counts of this moment. Of what database/sql does not count, the
// fields stay zero.
func (s *Stage) Stats() pool.Stats {
	st := s.db.Stats()
	return pool.Stats{
		Size: st.MaxOpenConnections, Idle: st.Idle, InUse: st.InUse,
		Waits: uint64(max(0, st.WaitCount)), WaitTime: st.WaitDuration,
		Destroyed: uint64(max(0, st.MaxIdleClosed+st.MaxIdleTimeClosed+st.MaxLifetimeClosed)),
	}
}

// Collect implements [telemetry.Source] as [Collector] does.
func (s *Stage) Collect(emit func(telemetry.Sample)) { NewCollector(s.name, s.db).Collect(emit) }
