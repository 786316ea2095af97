package foundation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

// Foundation is an open layer. Make one with [Open]; end it with
// [Foundation.Close]. It is safe for concurrent use.
type Foundation struct {
	options Options
	bus     *telemetry.Bus
	log     *slog.Logger
	news    news

	// revision is what is in force. It is replaced, never changed, by who holds turn.
	revision atomic.Pointer[revision]
	reload   atomic.Pointer[reloadResult]
	file     atomic.Pointer[config.Config] // as it was last read, nil without one; replaced by who holds turn

	// turn admits one change at a time; it is a channel and not a mutex so that who
	// waits for a change can give up. It guards the fields below. No event is
	// emitted while it is held.
	turn    chan struct{}
	handles map[string]*guard.Guard // every guard that there ever was, by name
	closed  bool

	drains   sync.WaitGroup          // pools that are being closed
	hurry    context.Context         //nolint:containedctx // drains have no caller whose context they could take
	hurryUp  context.CancelCauseFunc // ends the waiting of drains
	ending   context.Context         //nolint:containedctx // it ends with the first Close, and the change that runs then with it
	end      context.CancelFunc
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
	cfg, err := o.load()
	if err != nil {
		return nil, err
	}
	f := newFoundation(o)
	if o.ConfigFile != "" {
		f.file.Store(cfg)
	}
	if _, err := f.change(ctx, cfg, o.source()); err != nil {
		f.undo(ctx)
		return nil, err
	}
	return f, nil
}

func newFoundation(o Options) *Foundation {
	if o.Kinds == nil {
		o.Kinds = map[string]pool.Kind{} // none are known, which is not the same as not knowing them
	}
	f := &Foundation{options: o, bus: o.Bus, log: o.Logger, turn: make(chan struct{}, 1), handles: make(map[string]*guard.Guard)}
	if f.bus == nil {
		f.bus = telemetry.NewBus()
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.news.log = f.log
	f.news.applied, f.news.rejected = telemetry.TopicOf[config.Applied](f.bus), telemetry.TopicOf[config.Rejected](f.bus)
	// The layer outlives the context that it was opened with.
	f.hurry, f.hurryUp = context.WithCancelCause(context.Background())
	f.ending, f.end = context.WithCancel(context.Background())
	now := time.Now()
	f.revision.Store(&revision{cfg: &config.Config{}, at: now})
	f.reload.Store(&reloadResult{at: now, success: now}) // it was read; Options.Prepare may look at it before it is in force
	return f
}

// Bus returns the bus that all parts emit on.
func (f *Foundation) Bus() *telemetry.Bus { return f.bus }

// Close ends the layer, in order: no more changes (one that is opening a pool is
// refused with closed), guards refuse calls with closed, pools are drained, which
// waits for borrowed workers until ctx is done.
// Closing again waits for the first Close and returns what it returned.
func (f *Foundation) Close(ctx context.Context) error {
	f.closing.Do(func() { f.closeErr = f.close(ctx) })
	return f.closeErr
}

func (f *Foundation) close(ctx context.Context) error {
	f.end()
	f.turn <- struct{}{} // not bounded by ctx: a change ends, and must not find its layer gone
	f.closed = true
	<-f.turn
	stop := context.AfterFunc(ctx, func() { f.hurryUp(context.Cause(ctx)) })
	defer stop()
	now := f.revision.Load()
	for _, g := range now.guards {
		g.Close()
	}
	errs := make(chan error, len(now.pools))
	for _, p := range now.pools {
		go func() { errs <- p.Close(ctx) }()
	}
	var all []error
	for range now.pools {
		all = append(all, <-errs)
	}
	f.drains.Wait()
	f.hurryUp(nil)
	return errors.Join(all...)
}

// errClosed is the answer of a layer that was closed.
func errClosed() error {
	return fault.New(fault.Spec{Code: fault.Closed, Component: component, Message: "the layer was closed"})
}

// take waits for the turn to change something.
func (f *Foundation) take(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return f.gaveUp(ctx)
	}
	if f.closed {
		<-f.turn
		return errClosed()
	}
	return nil
}

// gaveUp answers a change whose context has ended, if not by its caller, by Close.
func (f *Foundation) gaveUp(ctx context.Context) error {
	if f.ending.Err() != nil {
		return errClosed()
	}
	return fault.New(fault.Spec{
		Code: fault.Canceled, Component: component, Message: "the caller gave up before anything was changed", Cause: context.Cause(ctx),
	})
}
