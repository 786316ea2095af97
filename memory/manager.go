package memory

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/telemetry"
)

// Manager watches the memory of the process. Make one with [New] and run it with
// [Manager.Serve]. It is safe for concurrent use.
type Manager struct {
	config  atomic.Pointer[Config]
	changed chan struct{} // holds one when config was replaced
	samples atomic.Uint64
}

// New returns a manager that does not watch yet.
func New(cfg Config) (*Manager, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := &Manager{changed: make(chan struct{}, 1)}
	m.put(cfg)
	return m, nil
}

func (m *Manager) put(cfg Config) {
	cfg = cfg.WithDefaults()
	m.config.Store(&cfg)
}

// Reconfigure gives the manager other settings. What it knows stays.
func (m *Manager) Reconfigure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	m.put(cfg)
	select {
	case m.changed <- struct{}{}:
	default:
	}
	return nil
}

// Serve watches until ctx ends. It is a service for a tree of services.
func (m *Manager) Serve(ctx context.Context) error {
	tick := time.NewTicker(m.config.Load().Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.samples.Add(1)
		case <-m.changed:
			tick.Reset(m.config.Load().Interval)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Status is a manager at one moment.
type Status struct {
	Config  Config // defaults filled in
	Samples uint64
}

// Status returns a picture of the manager.
func (m *Manager) Status() Status {
	return Status{Config: *m.config.Load(), Samples: m.samples.Load()}
}

var descSamples = &telemetry.Desc{Name: "foundation_memory_samples_total", Help: "Samples of the memory that were taken.", Kind: telemetry.Counter}

// Collect implements [telemetry.Source].
func (m *Manager) Collect(emit func(telemetry.Sample)) {
	emit(telemetry.Sample{Desc: descSamples, Value: float64(m.samples.Load())})
}
