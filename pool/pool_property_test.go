package pool_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// model is a pool as one would explain it: a stack or queue of idle workers and a
// set of borrowed ones.
type model struct {
	size, overflow int
	fifo           bool
	idle           []int
	out            map[int]pool.Lease[*conn]
	ended          []pool.Lease[*conn]
	since          int // workers up to this one are of before the last reset
	made           int
}

func (m *model) next() (id int, ok bool) {
	switch {
	case len(m.idle) > 0 && m.fifo:
		id, m.idle = m.idle[0], m.idle[1:]
	case len(m.idle) > 0:
		id, m.idle = m.idle[len(m.idle)-1], m.idle[:len(m.idle)-1]
	case len(m.out) < m.size+m.overflow:
		m.made++
		id = m.made
	default:
		return 0, false
	}
	return id, true
}

func (m *model) back(id int) {
	delete(m.out, id)
	if id > m.since && len(m.idle)+len(m.out) < m.size {
		m.idle = append(m.idle, id)
	}
}

func (m *model) resize(size, overflow int) {
	m.size, m.overflow = size, overflow
	for len(m.idle) > 0 && len(m.idle)+len(m.out) > size {
		m.idle = m.idle[1:]
	}
}

// Whatever one goroutine does, the pool lends the workers that the plain model
// says, refuses where it says, and counts alike.
func TestPropertyThePoolIsThePlainModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, checkModel)
	})
}

func checkModel(t *rapid.T) {
	zero := func(n int) int { // in a Config, 0 is the default and -1 is none
		if n == 0 {
			return -1
		}
		return n
	}
	sizes := rapid.IntRange(0, 4)
	m := &model{size: sizes.Draw(t, "size"), overflow: sizes.Draw(t, "overflow"), fifo: rapid.Bool().Draw(t, "fifo"), out: map[int]pool.Lease[*conn]{}}
	cfg := pool.Config{Size: zero(m.size), MaxOverflow: zero(m.overflow), CheckoutTimeout: time.Second}
	if m.fifo {
		cfg.Strategy = pool.FIFO
	}
	s := &server{}
	p, err := pool.New("test", cfg, s.factory())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, l := range m.out {
			l.Release()
		}
		if err := p.Close(background); err != nil || s.live.Load() != 0 {
			t.Fatalf("%v, %d workers left", err, s.live.Load())
		}
	}()
	borrow := func(t *rapid.T, acquire func() (pool.Lease[*conn], error), refusal fault.Code) {
		want, ok := m.next()
		l, err := acquire()
		switch {
		case ok && err != nil:
			t.Fatalf("refused: %v", err)
		case !ok && !errors.Is(err, refusal):
			t.Fatalf("got %v, want %v", err, refusal)
		case ok && l.Value().id != want:
			t.Fatalf("lent %d, want %d", l.Value().id, want)
		case ok:
			m.out[want] = l
		}
	}
	borrowed := func(t *rapid.T) (id int, ok bool) {
		if len(m.out) == 0 {
			return 0, false
		}
		ids := make([]int, 0, len(m.out))
		for id := 1; id <= m.made; id++ {
			if _, ok := m.out[id]; ok {
				ids = append(ids, id)
			}
		}
		return rapid.SampledFrom(ids).Draw(t, "worker"), true
	}
	t.Repeat(map[string]func(*rapid.T){
		"acquire": func(t *rapid.T) {
			borrow(t, func() (pool.Lease[*conn], error) { return p.Acquire(background) }, fault.PoolTimeout)
		},
		"try": func(t *rapid.T) {
			borrow(t, func() (pool.Lease[*conn], error) { return p.TryAcquire(background) }, fault.PoolFull)
		},
		"release": func(t *rapid.T) {
			id, ok := borrowed(t)
			if !ok {
				return
			}
			l := m.out[id]
			if !l.Release() {
				t.Fatal("a living lease was refused")
			}
			m.back(id)
			m.ended = append(m.ended, l)
		},
		"destroy": func(t *rapid.T) {
			id, ok := borrowed(t)
			if !ok {
				return
			}
			l := m.out[id]
			if !l.Destroy() {
				t.Fatal("a living lease was refused")
			}
			delete(m.out, id)
			m.ended = append(m.ended, l)
		},
		"again": func(t *rapid.T) {
			if len(m.ended) == 0 {
				return
			}
			l := rapid.SampledFrom(m.ended).Draw(t, "lease")
			if l.Release() || l.Destroy() {
				t.Fatal("a lease ended twice")
			}
		},
		"resize": func(t *rapid.T) {
			m.resize(sizes.Draw(t, "size"), sizes.Draw(t, "overflow"))
			cfg.Size, cfg.MaxOverflow = zero(m.size), zero(m.overflow)
			if err := p.Reconfigure(cfg); err != nil {
				t.Fatal(err)
			}
		},
		"reset": func(*rapid.T) {
			p.Reset()
			m.idle, m.since = nil, m.made
		},
		"": func(t *rapid.T) {
			synctest.Wait()
			st := p.Stats()
			if st.Idle != len(m.idle) || st.InUse != len(m.out) || int(s.live.Load()) != len(m.idle)+len(m.out) {
				t.Fatalf("idle %d, in use %d, alive %d; want %d and %d", st.Idle, st.InUse, s.live.Load(), len(m.idle), len(m.out))
			}
		},
	})
}

// Whatever a configuration says, it is refused with a field or makes a pool that
// can be closed.
func FuzzConfig(f *testing.F) {
	f.Add(5, 2, 0, uint8(0), uint8(0), int64(time.Second), int64(0), int64(0), 0.1)
	f.Add(-1, -1, 1, uint8(1), uint8(2), int64(-1), int64(1), int64(time.Hour), -1.0)
	f.Fuzz(func(t *testing.T, size, overflow, minIdle int, strategy, start uint8, timeout, lifetime, backoff int64, jitter float64) {
		cfg := pool.Config{
			Size: size, MaxOverflow: overflow, MinIdle: minIdle, Strategy: pool.Strategy(strategy), Start: pool.Start(start),
			CheckoutTimeout: time.Duration(timeout), MaxLifetime: time.Duration(lifetime), Backoff: time.Duration(backoff),
			LifetimeJitter: jitter,
		}
		if size > 64 {
			cfg.Start = pool.Lazy // a million of anything would only test patience
		}
		cfg.MinIdle = min(cfg.MinIdle, 64)
		invalid := cfg.Validate()
		p, err := pool.New("test", cfg, new(server).factory())
		if (err == nil) != (invalid == nil) {
			t.Fatalf("Validate says %v and New %v", invalid, err)
		}
		_ = cfg.Warnings()
		if err != nil {
			return
		}
		if l, err := p.TryAcquire(background); err == nil {
			l.Release()
		}
		if err := p.Close(background); err != nil {
			t.Fatal(err)
		}
	})
}
