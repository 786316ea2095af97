package postgres

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// Adopted is a *pgxpool.Pool as the stage of a guard. It lends *pgx.Conn values and
// leaves all pooling to pgxpool. Make one with [Adopt]; it is safe for concurrent
// use, and the pool is still its owner's to close.
type Adopted struct {
	name    string
	pool    *pgxpool.Pool
	timeout time.Duration
	asking  atomic.Int64 // checkouts under way
	counts  struct{ checkouts, waits, timeouts, full, canceled, failed, stale atomic.Uint64 }
}

var _ pool.Lender = (*Adopted)(nil)

// Adopt makes a stage of p. timeout is how long a checkout waits; 0 means
// 5 s, as in a pool.
func Adopt(name string, p *pgxpool.Pool, timeout time.Duration) (*Adopted, error) {
	var ps fault.Problems
	ps.CheckName(name)
	ps.Require(p != nil, "pool", "", "is required")
	ps.Require(timeout >= 0, "checkout_timeout", timeout, "must not be negative")
	if err := ps.Err(component, name); err != nil {
		return nil, err
	}
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	return &Adopted{name: name, pool: p, timeout: timeout}, nil
}

const component = "connection_pool"

// borrowed is one lending; the flag refuses a second return.
type borrowed struct {
	conn  *pgxpool.Conn
	item  pool.Item
	ended atomic.Bool
}

// Name implements [pool.Lender].
func (a *Adopted) Name() string { return a.name }

// WorkerType implements [pool.Lender]: it is *pgx.Conn.
func (a *Adopted) WorkerType() reflect.Type { return reflect.TypeFor[*pgx.Conn]() }

// Checkout implements [pool.Lender]. pgxpool has no checkout that does not wait, so
// with NoWait a checkout that finds every connection borrowed is refused, and one
// that loses the last connection to another borrower at that moment waits.
func (a *Adopted) Checkout(ctx context.Context, o pool.CheckoutOptions) (pool.Loan, error) {
	if ctx.Err() != nil {
		return pool.Loan{}, a.tooLate(ctx)
	}
	if o.NoWait && a.occupied() {
		a.counts.full.Add(1)
		return pool.Loan{}, a.fault(fault.PoolFull, nil)
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = a.timeout
	}
	began := time.Now()
	a.asking.Add(1)
	defer a.asking.Add(-1)
	crowded := a.crowded()
	inner, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := a.pool.Acquire(inner)
	if err != nil {
		return pool.Loan{}, a.refused(ctx, inner, err, crowded)
	}
	a.counts.checkouts.Add(1)
	b := &borrowed{conn: c}
	b.item = pool.Item{Worker: c.Conn(), Ref: b}
	return pool.Loan{Item: &b.item, Waited: time.Since(began)}, nil
}

// tooLate answers a caller whose context was done before it came.
func (a *Adopted) tooLate(ctx context.Context) error {
	code, count := fault.Canceled, &a.counts.canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		code, count = fault.PoolTimeout, &a.counts.timeouts
	}
	count.Add(1)
	return a.fault(code, context.Cause(ctx))
}

func (a *Adopted) occupied() bool {
	s := a.pool.Stat()
	return s.AcquiredConns()+s.ConstructingConns() >= s.MaxConns()
}

// crowded reports whether more connections are borrowed and asked for than there may
// be. The borrowed ones alone do not tell: one may just be on its way from one
// borrower to the next.
func (a *Adopted) crowded() bool {
	s := a.pool.Stat()
	return s.ConstructingConns() == 0 && int64(s.AcquiredConns())+a.asking.Load() > int64(s.MaxConns())
}

// refused tells occupancy, which is nobody's failure, from a server that cannot be
// reached, which is. A checkout that began or ended in a crowd, with no connection
// in the making, ran out of time because of the crowd.
func (a *Adopted) refused(caller, inner context.Context, err error, crowded bool) error {
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		a.counts.canceled.Add(1)
		return a.fault(fault.Canceled, err)
	case inner.Err() != nil && a.pool.Stat().ConstructingConns() == 0 && (crowded || a.crowded()):
		a.counts.timeouts.Add(1)
		return a.fault(fault.PoolTimeout, err)
	case err.Error() == closedPool:
		return a.fault(fault.Closed, err)
	default:
		a.counts.failed.Add(1)
		return a.fault(fault.WorkerFailed, err)
	}
}

// closedPool is the text of an error that pgxpool returns and does not export.
const closedPool = "closed pool"

func (a *Adopted) fault(code fault.Code, cause error) error {
	s := a.pool.Stat()
	return fault.New(fault.Spec{
		Code: code, Component: component, Name: a.name, Cause: cause,
		Evidence: []fault.Fact{fault.Against("in_use", float64(s.AcquiredConns()), float64(s.MaxConns()), "workers")},
	})
}

// Return implements [pool.Lender]. A connection with an open transaction is closed
// by pgxpool; a suspect one is pinged first, because pgxpool would lend it on as it
// is.
func (a *Adopted) Return(l pool.Loan, fate pool.Fate) {
	if l.Item == nil {
		return
	}
	b, ok := l.Item.Ref.(*borrowed)
	if !ok {
		return
	}
	if b.ended.Swap(true) {
		a.counts.stale.Add(1)
		return
	}
	if c := b.conn.Conn(); !fit(c, fate) {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		_ = c.Close(ctx) // pgxpool replaces a closed connection
	}
	b.conn.Release()
}

// fit reports whether a connection can be lent on.
func fit(c *pgx.Conn, fate pool.Fate) bool {
	if fate != pool.Suspect || c.IsClosed() {
		return fate == pool.Reuse
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	return c.Ping(ctx) == nil
}

// Stats returns the counts of this moment, as far as pgxpool tells.
func (a *Adopted) Stats() pool.Stats {
	s := a.pool.Stat()
	return pool.Stats{
		Size: int(s.MaxConns()), Idle: int(s.IdleConns()), InUse: int(s.AcquiredConns()), Making: int(s.ConstructingConns()),
		Checkouts: a.counts.checkouts.Load(), Waits: uint64(max(0, s.EmptyAcquireCount())), Timeouts: a.counts.timeouts.Load(),
		Full: a.counts.full.Load(), Canceled: a.counts.canceled.Load(), Failed: a.counts.failed.Load(), StaleEnds: a.counts.stale.Load(),
		Created: uint64(max(0, s.NewConnsCount())), Attempts: uint64(max(0, s.NewConnsCount())),
		Destroyed: uint64(max(0, s.MaxIdleDestroyCount()+s.MaxLifetimeDestroyCount())), WaitTime: s.EmptyAcquireWaitTime(),
	}
}
