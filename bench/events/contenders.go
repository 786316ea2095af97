package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/elixirscope/foundation/adapters/sqlite"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// event is a typical one: a correlation has three events.
func event(worker, n int) eventstore.Event {
	return eventstore.Event{
		Type: "circuit_breaker.state_change", Severity: fault.SeverityWarning, Component: "circuit_breaker", Name: "payments", Node: "shop-7f9c4",
		Correlation: fmt.Sprintf("%08x-ac96-774b-%04x-b302099a8057", n/3, worker),
		Data:        []byte(`{"from":"closed","to":"open","failures":5,"threshold":5,"window_seconds":10,"revision":17}`),
	}
}

// contender makes events durable, one for each call of what open returns.
type contender struct {
	name string
	one  bool // appends from one goroutine, many events a call
	open func(dir string) (appendOne func(worker, n int) error, done func() error, err error)
}

var contenders = []contender{
	{"ours", false, openOurs},
	{"naive group commit, 100 or 5 ms", false, openNaive(100)},
	{"naive group commit, 256 or 5 ms", false, openNaive(256)},
	{"naive group commit, 1000 or 5 ms", false, openNaive(1000)},
	{"raw batches of 256", true, openRaw},
}

type result struct {
	name      string
	appenders int
	rate      float64
	latencies []time.Duration
	cpu       time.Duration // an event
}

func (r result) String() string {
	at := func(share float64) time.Duration {
		return r.latencies[min(len(r.latencies)-1, int(share*float64(len(r.latencies))))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%s\t%d\t%.0f\t%v\t%v\t%v\t%v", r.name, r.appenders, r.rate, at(.5), at(.99), at(.999), r.cpu)
}

const batch = 256

func (c contender) measure(dir string, appenders int, each time.Duration) (result, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return result{}, err
	}
	appendOne, done, err := c.open(dir)
	if err != nil {
		return result{}, err
	}
	per := 1
	if c.one {
		appenders, per = 1, batch
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all []time.Duration
	var failed error
	before, begin := cpu(), time.Now()
	for worker := range appenders {
		wg.Go(func() {
			var took []time.Duration
			var err error
			for n := 0; err == nil && time.Since(begin) < each; n++ {
				from := time.Now()
				err = appendOne(worker, n)
				took = append(took, time.Since(from))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	took, used := time.Since(begin), cpu()-before
	if err := done(); err != nil || failed != nil {
		return result{}, fmt.Errorf("%w, %w", failed, err)
	}
	slices.Sort(all)
	n := len(all) * per
	return result{c.name, appenders, float64(n) / took.Seconds(), all, used / time.Duration(n)}, nil
}

// cpu is the processor time of the process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func openOurs(dir string) (func(worker, n int) error, func() error, error) {
	s, err := sqlite.Open(context.Background(), dir, sqlite.Options{})
	if err != nil {
		return nil, nil, err
	}
	events := s.Events()
	return func(worker, n int) error {
		_, err := events.Append(context.Background(), event(worker, n))
		return err
	}, s.Close, nil
}

// table makes the same table with the same indexes and the same pragmas.
func table(dir string) (*sql.DB, error) {
	s, err := sqlite.Open(context.Background(), dir, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "foundation.db")+
		"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=wal_autocheckpoint(4000)&_pragma=cache_size(-16000)")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

const insert = "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?)"

// store inserts events in a transaction, one statement each.
func store(db *sql.DB, st *sql.Stmt, events []eventstore.Event, seq *int64) error {
	ctx := context.Background()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	in := tx.StmtContext(ctx, st)
	for _, e := range events {
		*seq++
		id := uuid.Must(uuid.NewV7())
		if _, err := in.ExecContext(ctx, *seq, id[:], time.Now().UnixMicro(), 1, e.Type, e.Component, e.Name, e.Node, e.Correlation, nil, string(e.Data)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func openRaw(dir string) (func(worker, n int) error, func() error, error) {
	db, err := table(dir)
	if err != nil {
		return nil, nil, err
	}
	st, err := db.PrepareContext(context.Background(), insert)
	if err != nil {
		return nil, nil, err
	}
	var seq int64
	events := make([]eventstore.Event, batch)
	return func(worker, n int) error {
		for i := range events {
			events[i] = event(worker, n*batch+i)
		}
		return store(db, st, events, &seq)
	}, db.Close, nil
}

type waiter struct {
	event eventstore.Event
	done  chan error
}

// openNaive collects from a channel until so many events wait or 5 ms have passed, as
// group commits are often written. One of 256 is made for 256 appenders.
func openNaive(most int) func(dir string) (func(worker, n int) error, func() error, error) {
	return func(dir string) (func(worker, n int) error, func() error, error) {
		db, err := table(dir)
		if err != nil {
			return nil, nil, err
		}
		st, err := db.PrepareContext(context.Background(), insert)
		if err != nil {
			return nil, nil, err
		}
		queue, ended := make(chan waiter), make(chan struct{})
		go func() {
			defer close(ended)
			var seq int64
			for first := range queue {
				group := collect(first, queue, most)
				events := make([]eventstore.Event, len(group))
				for i := range group {
					events[i] = group[i].event
				}
				err := store(db, st, events, &seq)
				for _, w := range group {
					w.done <- err
				}
			}
		}()
		return func(worker, n int) error {
				w := waiter{event(worker, n), make(chan error, 1)}
				queue <- w
				return <-w.done
			}, func() error {
				close(queue)
				<-ended
				return db.Close()
			}, nil
	}
}

func collect(first waiter, queue <-chan waiter, most int) []waiter {
	group := []waiter{first}
	timer := time.NewTimer(5 * time.Millisecond)
	defer timer.Stop()
	for len(group) < most {
		select {
		case w, ok := <-queue:
			if !ok {
				return group
			}
			group = append(group, w)
		case <-timer.C:
			return group
		}
	}
	return group
}
