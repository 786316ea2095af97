package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/jackc/puddle/v2"

	"github.com/elixirscope/foundation/pool"
)

// resource is what the pools lend.
type resource struct{ _ [64]byte }

// lender runs use with a resource that nobody else has meanwhile.
type lender func(use func())

type poolKind struct {
	name string
	make func(size int) (lender, func())
}

const crowd = 64 // waiters of the crowded scenarios

func poolScenarios() []scenario {
	var all []scenario
	for _, m := range modes() {
		all = append(all,
			scenario{"pool/checkout/" + m.name, m.workers, lend(ourPool, 8), []contender{lend(puddlePool, 8), lend(sqlPool, 8)}},
			scenario{"pool/checkout/unlike:a-channel-has-no-lifetimes-checks-or-statistics/" + m.name, m.workers, lend(ourPool, 8), []contender{lend(channelPool, 8)}},
		)
	}
	return append(all,
		scenario{"pool/64-waiters-on-4/throughput", crowd, lend(ourPool, 4), []contender{lend(puddlePool, 4), lend(sqlPool, 4)}},
		scenario{"pool/64-waiters-on-4/p99-wait", crowd, wait99(ourPool), []contender{wait99(puddlePool), wait99(sqlPool)}},
		scenario{"pool/64-waiters-on-4/throughput-unlike:a-channel-has-no-lifetimes-checks-or-statistics", crowd, lend(ourPool, 4), []contender{lend(channelPool, 4)}},
	)
}

// lend checks out and returns. Between the two, a crowded pool's borrower gives
// its processor away, as one that waits for an answer does.
func lend(kind poolKind, size int) contender {
	return contender{name: kind.name, start: func() (loop, func()) {
		with, stop := kind.make(size)
		use := func() {}
		if size < crowd/8 {
			use = runtime.Gosched
		}
		return func(_, n int) {
			for range n {
				with(use)
			}
		}, stop
	}}
}

// wait99 reads, in place of the time of an operation, the wait for a resource
// that one operation in a hundred exceeded.
func wait99(kind poolKind) contender {
	var (
		mu    sync.Mutex // guards waits
		waits []time.Duration
	)
	start := func() (loop, func()) {
		with, stop := kind.make(4)
		return func(_, n int) {
			mine := make([]time.Duration, 0, n)
			var asked time.Time
			use := func() {
				mine = append(mine, time.Since(asked))
				runtime.Gosched()
			}
			for range n {
				asked = time.Now()
				with(use)
			}
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, mine...)
		}, stop
	}
	figure := func() float64 {
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(waits)
		worst := waits[len(waits)*99/100]
		waits = waits[:0]
		return float64(worst)
	}
	return contender{name: kind.name, start: start, figure: figure}
}

func newResource() (*resource, error) { return new(resource), nil }

var ourPool = poolKind{"ours", func(size int) (lender, func()) {
	p := must(pool.New("bench", pool.Config{Size: size}, pool.Factory[*resource]{
		New: func(context.Context) (*resource, error) { return newResource() },
	}))
	ctx := context.Background()
	with := func(use func()) {
		lease := must(p.Acquire(ctx))
		use()
		lease.Release()
	}
	return with, func() { _ = p.Close(ctx) }
}}

var puddlePool = poolKind{"puddle", func(size int) (lender, func()) {
	p := must(puddle.NewPool(&puddle.Config[*resource]{
		Constructor: func(context.Context) (*resource, error) { return newResource() },
		Destructor:  func(*resource) {},
		MaxSize:     int32(size),
	}))
	ctx := context.Background()
	with := func(use func()) {
		r := must(p.Acquire(ctx))
		use()
		r.Release()
	}
	return with, p.Close
}}

var channelPool = poolKind{"channel", func(size int) (lender, func()) {
	free := make(chan *resource, size)
	for range size {
		free <- must(newResource())
	}
	return func(use func()) {
		r := <-free
		use()
		free <- r
	}, nil
}}

var sqlPool = poolKind{"sql.DB", func(size int) (lender, func()) {
	db := sql.OpenDB(idle{})
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	ctx := context.Background()
	with := func(use func()) {
		conn := must(db.Conn(ctx))
		use()
		_ = conn.Close()
	}
	return with, func() { _ = db.Close() }
}}

// idle is a database whose connections do nothing, so that only the pooling of
// sql.DB is measured.
type idle struct{}

var (
	_ driver.Connector = idle{}
	_ driver.Conn      = idle{}
	_ io.Closer        = idle{}
)

func (idle) Connect(context.Context) (driver.Conn, error) { return idle{}, nil }
func (idle) Driver() driver.Driver                        { return nil }
func (idle) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (idle) Close() error                                 { return nil }
func (idle) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }
