package foundation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// grace is how long the opening and closing of pools may go on once the context that
// bounds them has ended. What obeys its context is over by then and has said why.
const grace = 250 * time.Millisecond

// opening is how the opening of a pool ended.
type opening struct {
	pool     pool.Managed
	err      error
	panicked any
	returned bool // and neither panicked nor ended its goroutine
}

// openPool opens a pool in a goroutine of its own, so that ctx bounds the waiting
// whatever a kind of worker does. Panics and the end of that goroutine are passed
// on.
func (f *Foundation) openPool(ctx context.Context, name string, p config.Pool) (pool.Managed, error) {
	kind := f.options.Kinds[p.Worker]
	ended := make(chan opening, 1)
	go func() {
		var o opening
		defer func() {
			if !o.returned {
				o.panicked = recover()
			}
			ended <- o
		}()
		options := p.Options
		if options == nil {
			options = kind.NewOptions()
		}
		o.pool, o.err = kind.Open(ctx, name, p.Config, options, pool.WithBus(f.bus))
		o.returned = true
	}()
	over := false
	defer func() { // also if the context panics
		if !over {
			f.abandon(name, ended)
		}
	}()
	var o opening
	if o, over = await(ctx, ended); !over {
		return nil, gaveUp(ctx, fmt.Sprintf("the caller gave up while the pool %q was being opened; nothing was changed", name))
	}
	return o.outcome(name, p.Worker)
}

// await waits until an opening has ended; false if ctx ends and the opening does not.
func await(ctx context.Context, ended <-chan opening) (opening, bool) {
	select {
	case o := <-ended:
		return o, true
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case o := <-ended:
		return o, true
	case <-timer.C:
		return opening{}, false
	}
}

func (o opening) outcome(name, worker string) (pool.Managed, error) {
	switch {
	case o.panicked != nil:
		panic(o.panicked)
	case !o.returned:
		runtime.Goexit()
	case o.pool == nil && o.err == nil:
		return nil, fault.New(fault.Spec{
			Code: fault.InvalidArgument, Component: "connection_pool", Name: name,
			Message: fmt.Sprintf("the kind of worker %q opened nothing and gave no error", worker),
		})
	}
	return o.pool, o.err
}

// abandon looks after an opening that nobody waits for any more: the pool that may
// come of it is closed. The end of the layer waits for that as for other drains, and
// then leaves behind what a kind of worker does not return from.
func (f *Foundation) abandon(name string, ended <-chan opening) {
	f.drains.Go(func() {
		select {
		case o := <-ended:
			f.discard(o)
		case <-f.drainCtx.Done():
			f.log.Warn("a pool is still being opened: its kind of worker ignores its context", slog.String("pool", name))
			go func() { f.discard(<-ended) }()
		}
	})
}

func (f *Foundation) discard(o opening) {
	if o.pool != nil {
		f.closePool(o.pool)
	}
}

// undo waits until what a failed Open had opened is closed: as long as ctx allows and
// a moment longer, so that a context that ended the opening does not end this, too.
func (f *Foundation) undo(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			f.giveUp(context.Cause(ctx))
		case <-f.drainCtx.Done():
		}
	})
	defer stop()
	f.drains.Wait()
	f.giveUp(nil)
	f.endLog()
	f.end()
}

// gaveUp answers a change whose context has ended: by its caller, or because the
// layer was closed, which is the cause then.
func gaveUp(ctx context.Context, message string) error {
	if f, ok := errors.AsType[*fault.Error](context.Cause(ctx)); ok && f.Code() == fault.Closed {
		return f
	}
	return fault.New(fault.Spec{Code: fault.Canceled, Component: component, Message: message, Cause: context.Cause(ctx)})
}
