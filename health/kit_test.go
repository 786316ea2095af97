package health_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/telemetry"
)

var errDown = errors.New("connection refused")

// script is a check that answers as it is told.
type script struct {
	err  atomic.Pointer[error]
	runs atomic.Int64
}

func (s *script) set(err error) { s.err.Store(&err) }

func (s *script) run(context.Context) error {
	s.runs.Add(1)
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}

// served is an aggregator that runs, in a bubble, and the events it has emitted.
type served struct {
	*health.Aggregator

	mu     sync.Mutex
	events []health.StatusChanged
}

func serve(t *testing.T, o health.Options, checks ...health.Check) *served {
	t.Helper()
	s := &served{}
	if o.Bus == nil {
		o.Bus = telemetry.NewBus()
	}
	if _, err := telemetry.Subscribe(o.Bus, "test", func(_ context.Context, e health.StatusChanged) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	}); err != nil {
		t.Fatal(err)
	}
	s.Aggregator = health.New(o)
	if err := s.Add(checks...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

// of lists the statuses that a component came into.
func (s *served) of(component string) (all []health.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Component == component {
			all = append(all, e.To)
		}
	}
	return all
}

func (s *served) component(t *testing.T, name string) health.Component {
	t.Helper()
	c, ok := s.Report().Find(name)
	if !ok {
		t.Fatalf("the report has no component %q", name)
	}
	return c
}

// pass lets virtual time pass until everything that is due has happened.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func check(name string, run func(context.Context) error, c health.Config) health.Check {
	return health.Check{Name: name, Run: run, Config: c}
}
