package foundation

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/registry"
	"github.com/elixirscope/foundation/supervise"
	"github.com/elixirscope/foundation/telemetry"
)

// component names this package in its faults.
const component = "foundation"

// Foundation is an open layer. Make one with [Open]; end it with
// [Foundation.Close]. It is safe for concurrent use.
type Foundation struct {
	options Options
	bus     *telemetry.Bus
	log     *slog.Logger
	config  *config.Server // which configuration is in force, and how it changes
	table   []section      // what parts there can be

	own         own
	records     *records
	memory      *monitor[memory.Config, *memory.Manager]
	performance *performances
	health      *health.Aggregator
	opened      atomic.Bool // all fields above are set: services run before that
	registry    *registry.Registry
	services    *supervise.Tree
	endLog      func()          // of edges
	life        context.Context //nolint:containedctx // what the layer has registered lives as long
	end         context.CancelFunc

	// assembly is what is in force. It is replaced, never changed, by the one change
	// of the configuration that config lets through at a time.
	assembly atomic.Pointer[assembly]

	drains   sync.WaitGroup          // pools that are being closed
	drainCtx context.Context         //nolint:containedctx // drains have no caller whose context they could take
	giveUp   context.CancelCauseFunc // ends the waiting of drains
	closing  sync.Once
	closeErr error
}

// Open reads the configuration, checks it, opens what it names, and returns the
// layer. If anything fails nothing stays open. The context bounds the opening
// alone: where it ends while a pool is being opened, Open returns within a moment. A
// kind of worker or a factory that ignores its context is left behind then, and what
// it still opens is closed.
func Open(ctx context.Context, o Options) (*Foundation, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	f := newFoundation(o)
	var err error
	if f.endLog, err = f.logEdges(); err != nil {
		return nil, err
	}
	f.config, err = config.NewServer(ctx, config.ServerOptions{
		Applier: applier{f}, File: o.ConfigFile, Config: o.Config, Bus: f.bus, Logger: f.log, Applied: f.followNames,
		OpenHistory: f.records.openHistory,
		Parse:       config.ParseOptions{LookupEnv: o.LookupEnv, Registry: config.Registry{Kinds: f.options.Kinds, Checks: f.options.Checks, Sections: o.Sections}},
	})
	if err == nil {
		err = f.superviseHistory()
	}
	if err != nil {
		f.undo(ctx)
		f.records.discard()
		return nil, err
	}
	f.opened.Store(true)
	f.name(ownNames, "config", f.config)
	f.name(ownNames, "services", f.services)
	return f, nil
}

func newFoundation(o Options) *Foundation {
	if o.Kinds == nil {
		o.Kinds = map[string]pool.Kind{} // none are known, which is not the same as not knowing them
	}
	o.Checks = maps.Clone(o.Checks)
	if o.Checks == nil {
		o.Checks = make(map[string]health.Kind)
	}
	if o.Checks[config.KindTCP] == nil {
		o.Checks[config.KindTCP] = health.TCP
	}
	f := &Foundation{options: o, bus: o.Bus, log: o.Logger}
	if f.bus == nil {
		f.bus = telemetry.NewBus()
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.health = health.New(health.Options{Bus: f.bus, Logger: f.log, Parts: f.components})
	f.records, f.memory, f.performance = &records{f: f}, f.memories(), f.performances()
	f.table = f.sections()
	f.registry, f.services = registry.New(f.bus), supervise.New(f.bus, supervise.WithNames(f.nameService))
	f.life, f.end = context.WithCancel(context.Background())
	f.assembly.Store(&assembly{Revision: config.Revision{Config: &config.Config{}}})
	// The layer outlives the context that it was opened with.
	f.drainCtx, f.giveUp = context.WithCancelCause(context.Background())
	return f
}

// Bus returns the bus that all parts emit on.
func (f *Foundation) Bus() *telemetry.Bus { return f.bus }

// Config returns the server of the configuration: what is in force, and how to
// change it.
func (f *Foundation) Config() *config.Server { return f.config }

// Close ends the layer, in order: no more changes (one that is opening a pool is
// refused with closed), services are stopped, guards refuse calls with closed, pools are
// drained, which waits for borrowed workers until ctx is done, and what was recorded is
// stored, which may take a moment longer. Closing again waits for the first Close and
// returns what it returned.
func (f *Foundation) Close(ctx context.Context) error {
	f.closing.Do(func() { f.closeErr = f.close(ctx) })
	return f.closeErr
}

func (f *Foundation) close(ctx context.Context) error {
	f.health.Drain()
	f.config.Close() // not bounded by ctx: a change ends, and must not find its layer gone
	stop := context.AfterFunc(ctx, func() { f.giveUp(context.Cause(ctx)) })
	defer stop()
	errs := []error{f.endServices(ctx)}
	for _, s := range slices.Backward(f.table) {
		errs = append(errs, s.close(ctx, f.assembly.Load()))
	}
	f.drains.Wait()
	f.giveUp(nil)
	f.endLog()
	return errors.Join(errs...)
}
