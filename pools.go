package foundation

import (
	"context"
	"log/slog"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/pool"
)

const poolSection, poolComponent = "pools", "connection_pool"

func (f *Foundation) pools() section {
	return &parts[config.Pool, pool.Managed]{
		name:     poolSection,
		settings: func(c *config.Config) map[string]config.Pool { return c.Pools },
		open: func(ctx context.Context, t *transition, name string, c config.Pool) (pool.Managed, error) {
			p, err := f.openPool(ctx, name, c)
			if err == nil {
				t.undo = append(t.undo, func() { f.drain(p) })
			}
			return p, err
		},
		change: func(t *transition, p pool.Managed, _ string, c config.Pool) {
			t.steps = append(t.steps, func() error { return p.Reconfigure(c.Config) })
		},
		retire: func(_ string, p pool.Managed) { f.drain(p) },
		end:    func(ctx context.Context, p pool.Managed) error { return p.Close(ctx) },
		vital:  poolHealth,
		trim:   trimPool,
		show: func(s *Status, all []pool.Managed) {
			s.Pools = statuses(all, pool.Managed.Status)
		},
	}
}

// drain closes a pool in the background: its borrowers may take their time.
func (f *Foundation) drain(p pool.Managed) { f.drains.Go(func() { f.closePool(p) }) }

func (f *Foundation) closePool(p pool.Managed) {
	if err := p.Close(f.drainCtx); err != nil {
		f.log.Warn("a pool was closed before all of its workers came back", slog.String("pool", p.Name()), slog.Any("error", err))
	}
}

// Pool returns the pool of a name, whatever its workers are. A pool is another
// one after its kind of worker or its options changed, and the old one refuses
// with closed: ask again then, or use [PoolOf], whose handle follows the name.
func (f *Foundation) Pool(name string) (pool.Managed, error) {
	return find[pool.Managed](f.assembly.Load(), poolSection, poolComponent, name)
}
