package pool_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

var errDown = errors.New("connection refused")

// conn is a worker of the tests. It knows whether it is closed, and whether two
// borrowers use it at the same time.
type conn struct {
	id     int
	dead   atomic.Bool
	closed atomic.Int32
	users  atomic.Int32
}

// server makes conns and counts them. The zero value works and is instant.
type server struct {
	down    atomic.Bool
	delay   atomic.Int64 // of making a conn
	attempt atomic.Int64
	live    atomic.Int64 // made or being made, and not closed
	peak    atomic.Int64
	closed  atomic.Int64
	checks  atomic.Int64

	mu    sync.Mutex // guards conns
	conns []*conn
}

func (s *server) factory() pool.Factory[*conn] {
	return pool.Factory[*conn]{New: s.dial, Check: s.check, Close: s.hangUp}
}

func (s *server) dial(ctx context.Context) (*conn, error) {
	n := s.attempt.Add(1)
	live := s.live.Add(1)
	s.raise(live)
	if d := time.Duration(s.delay.Load()); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			s.live.Add(-1)
			return nil, ctx.Err()
		}
	}
	if s.down.Load() {
		s.live.Add(-1)
		return nil, errDown
	}
	c := &conn{id: int(n)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, c)
	return c, nil
}

// raise notes the greatest number of conns at one time.
func (s *server) raise(live int64) {
	for {
		peak := s.peak.Load()
		if live <= peak || s.peak.CompareAndSwap(peak, live) {
			return
		}
	}
}

func (s *server) check(_ context.Context, c *conn) error {
	s.checks.Add(1)
	if c.dead.Load() || s.down.Load() {
		return errDown
	}
	return nil
}

func (s *server) hangUp(c *conn) {
	c.closed.Add(1)
	s.closed.Add(1)
	s.live.Add(-1)
}

// crash ends every connection and refuses new ones.
func (s *server) crash() {
	s.down.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.dead.Store(true)
	}
}

// badlyClosed counts conns that were not closed exactly once.
func (s *server) badlyClosed() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		if c.closed.Load() != 1 {
			n++
		}
	}
	return n
}

// use fails if somebody else uses c, or it is closed.
func use(t testing.TB, c *conn) (done func()) {
	if c.users.Add(1) != 1 {
		t.Errorf("conn %d has two users", c.id)
	}
	if c.closed.Load() != 0 {
		t.Errorf("conn %d was lent although it is closed", c.id)
	}
	return func() { c.users.Add(-1) }
}

func open(t testing.TB, cfg pool.Config, s *server, opts ...pool.Option) *pool.Pool[*conn] {
	t.Helper()
	p, err := pool.New("test", cfg, s.factory(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

// shut closes p inside a synctest bubble, where t.Cleanup would come too late.
func shut(t testing.TB, p interface{ Close(context.Context) error }) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // a test that failed may have kept a lease
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func acquire(t testing.TB, p *pool.Pool[*conn]) pool.Lease[*conn] {
	t.Helper()
	l, err := p.Acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func wantCode(t testing.TB, err error, want fault.Code) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("got %v, want a fault %v", err, want)
	}
	if f.Code() != want || f.Component() != "connection_pool" {
		t.Fatalf("got %v of %s, want %v", f.Code(), f.Component(), want)
	}
}
