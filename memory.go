package foundation

import (
	"context"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/pool"
)

const memorySection = "memory"

// cleaning is a section whose parts have something to give up when memory is short. Its
// cleaners look at the parts that are in force when they run.
type cleaning interface {
	cleaners(f *Foundation) []memory.Cleaner
}

func (f *Foundation) memories() *monitor[memory.Config, *memory.Manager] {
	return &monitor[memory.Config, *memory.Manager]{
		f: f, name: memorySection,
		settings: func(c *config.Config) (memory.Config, bool, bool) {
			if c.Memory == nil {
				return memory.Config{}, false, false
			}
			return c.Memory.Config, true, c.Memory.Off
		},
		open: func(c memory.Config) (*memory.Manager, error) {
			return memory.New(c, memory.WithBus(f.bus), memory.WithLogger(f.log), memory.WithCleaners(f.cleaners()...))
		},
		vital: memoryHealth,
		show:  func(s *Status, m *memory.Manager) { now := m.Status(); s.Memory = &now },
	}
}

// cleaners lists what the layer and the program can give up.
func (f *Foundation) cleaners() []memory.Cleaner {
	var all []memory.Cleaner
	for _, s := range f.table {
		if c, ok := s.(cleaning); ok {
			all = append(all, c.cleaners(f)...)
		}
	}
	return append(all, f.options.Cleaners...)
}

// cleaners gives up what a section of parts says that it can.
func (k *parts[S, P]) cleaners(f *Foundation) []memory.Cleaner {
	if k.trim == nil {
		return nil
	}
	return []memory.Cleaner{{Name: k.name, Clean: func(ctx context.Context, target int64) (freed int64, err error) {
		for _, p := range k.all(f.assembly.Load()) {
			if freed >= target || ctx.Err() != nil {
				break
			}
			freed += k.trim(p)
		}
		return freed, ctx.Err()
	}}}
}

// cleaners gives up the older half of the events that are kept in memory: they end with the
// process in any case.
func (r *records) cleaners(*Foundation) []memory.Cleaner {
	return []memory.Cleaner{{Name: "events", MinLevel: memory.High, Estimate: func() int64 {
		if r.recorder == nil || r.kind != storageMemory {
			return 0
		}
		return r.f.onlyIfShort()
	}, Clean: func(ctx context.Context, _ int64) (int64, error) {
		before, err := r.feed.Stats(ctx)
		if err != nil || before.Bytes == 0 {
			return 0, err
		}
		if _, err = r.feed.Prune(ctx, eventstore.Retention{MaxBytes: max(1, before.Bytes/2)}); err != nil {
			return 0, err
		}
		after, err := r.feed.Stats(ctx)
		return max(0, before.Bytes-after.Bytes), err
	}}}
}

// onlyIfShort is the estimate of a cleaner that gives up what was recorded: nothing while
// memory is short in a drill alone, else unknown.
func (f *Foundation) onlyIfShort() int64 {
	if m, err := f.Memory(); err != nil || m.Status().Measured < memory.High {
		return 0
	}
	return -1
}

// cleaners gives up the older part of what the monitor keeps of the operations.
func (p *performances) cleaners(f *Foundation) []memory.Cleaner {
	return []memory.Cleaner{{
		Name: performanceSection, MinLevel: memory.High, Estimate: f.onlyIfShort,
		Clean: func(context.Context, int64) (int64, error) { return p.one.Trim(), nil },
	}}
}

// workerBytes is what a worker is taken to hold, with the buffers of its connection: nobody
// can ask it.
const workerBytes = 64 << 10

// trimPool closes idle workers of a pool that can do so.
func trimPool(p pool.Managed) int64 {
	t, ok := p.(interface{ Trim() int })
	if !ok {
		return 0
	}
	return int64(t.Trim()) * workerBytes
}

// Memory returns the manager that watches the memory, [fault.NotFound] while the section
// "memory" is off. A change of its settings keeps it; after off and on it is another.
func (f *Foundation) Memory() (*memory.Manager, error) { return f.memory.find() }

// admission lets a guard ask the manager.
type admission struct{ *memory.Manager }

// Admit implements [guard.Admitter].
func (a admission) Admit(_ context.Context, c guard.Call) *fault.Error {
	if c.Key.IsZero() {
		return a.Manager.Admit(c.Priority, 0)
	}
	return a.Manager.Admit(c.Priority, c.Key.Hash(key.All).Lo|1)
}

// admitter returns what guards ask under a configuration, nil while memory is not watched.
func admitter(a *assembly) guard.Admitter {
	if m, ok := a.parts[memorySection].(*memory.Manager); ok {
		return admission{m}
	}
	return nil
}
