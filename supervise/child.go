package supervise

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// child is a service of a tree, and the goroutine that keeps it running.
type child struct {
	tree *Tree
	spec Spec
	life context.Context //nolint:containedctx // it ends when the service is to stop
	stop context.CancelFunc
	done chan struct{} // closed when the goroutine has ended
	// again asks a service that does not run to begin.
	again chan struct{}

	// mu guards the fields below. No code of the user runs under it.
	mu     sync.Mutex
	status Status
	cancel context.CancelCauseFunc // of the call of Serve that runs, nil without one
	left   bool                    // a call of Serve was left behind when the service was stopped
	gone   bool                    // it was removed: it has no name
	free   func()                  // gives its name back, nil before it has one
}

var errRestart = errors.New("the service is restarted")

// nameBy notes how to give the name back, or does so if the service was removed meanwhile.
func (c *child) nameBy(free func()) {
	c.mu.Lock()
	c.free = free
	gone := c.gone
	c.mu.Unlock()
	if gone {
		free()
	}
}

func (c *child) unname() {
	c.mu.Lock()
	c.gone = true
	free := c.free
	c.mu.Unlock()
	if free != nil {
		free()
	}
}

// run keeps the service running until it is told to stop.
func (c *child) run() {
	defer close(c.done)
	for c.life.Err() == nil {
		ctx, cancel := c.start()
		calls := make(chan ending, 1)
		go c.serve(ctx, calls)
		c.follow(ctx, calls)
		cancel(nil)
		c.pause()
	}
	c.update(func(s Status, now time.Time) Status {
		if s.State == Failed || s.State == Completed {
			return s
		}
		return s.to(Stopped, now)
	})
}

// start begins an incarnation.
func (c *child) start() (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(c.life)
	var recovered uint64
	s := c.update(func(s Status, now time.Time) Status {
		recovered = s.Failures
		c.cancel = cancel
		select {
		case <-c.again: // asked for what happens now
		default:
		}
		return s.started(c.spec, now)
	})
	tell(c, c.tree.started, ServiceStarted{Service: c.spec.Name, Incarnation: s.Incarnation, Recovered: recovered})
	report := func() { c.update(func(now Status, at time.Time) Status { return now.ready(s.Incarnation, at) }) }
	return context.WithValue(ctx, readyKey{}, report), cancel
}

// serve calls the service, on a goroutine of its own: it may end it.
func (c *child) serve(ctx context.Context, calls chan<- ending) {
	e := ending{err: errGoexit, broken: true}
	defer func() {
		if cause := recover(); cause != nil {
			e = ending{err: panicked(c.spec.Name, cause), stack: string(debug.Stack()), broken: true}
		}
		calls <- e
	}()
	e = read(c.spec.Service.Serve(ctx))
}

var errGoexit = errors.New("the service ended its goroutine")

func panicked(name string, cause any) error {
	err, _ := cause.(error)
	return fault.New(fault.Spec{Code: fault.Internal, Component: component, Name: name, Message: fmt.Sprintf("panic: %.500v", cause), Cause: err})
}

// follow waits for the end of a call of Serve, and for one that was to end no longer
// than the service may take. What is late is waited for as long as the service is to go
// on: it is never called twice at a time.
func (c *child) follow(ctx context.Context, calls <-chan ending) {
	select {
	case e := <-calls:
		c.ended(ctx, e)
		return
	case <-ctx.Done():
	}
	late := time.NewTimer(c.spec.StopTimeout)
	defer late.Stop()
	select {
	case e := <-calls:
		c.ended(ctx, e)
		return
	case <-late.C:
	}
	c.stuck()
	select {
	case <-calls:
		c.update(func(s Status, _ time.Time) Status { return s.restarted() })
		c.wake()
	case <-c.life.Done():
		select {
		case <-calls:
		default:
			c.mu.Lock()
			c.left = true
			c.mu.Unlock()
		}
	}
}

// ended notes the end of a call of Serve. One that was told to end may return what it
// likes; a panic is a defect then as well.
func (c *child) ended(ctx context.Context, e ending) {
	if ctx.Err() != nil {
		if e.broken {
			c.broke(e)
		}
		c.wake()
		return
	}
	var ran time.Duration
	s := c.update(func(s Status, now time.Time) Status {
		ran = now.Sub(s.Since)
		c.cancel = nil
		return s.ended(c.spec, e, rand.Float64(), now)
	})
	if e.err == nil {
		return
	}
	c.failed(s, e, ran, s.State == Failed)
	if s.State == BackingOff {
		tell(c, c.tree.backoff, ServiceBackoff{Service: s.Name, Failures: s.Failures, Pause: s.Next.Sub(s.Since)})
	}
}

// broke notes that a call of Serve ended by a panic when it was told to end.
func (c *child) broke(e ending) {
	var ran time.Duration
	s := c.update(func(s Status, now time.Time) Status {
		ran = now.Sub(s.Since)
		return s.broke(e.err, now)
	})
	c.failed(s, e, ran, c.life.Err() != nil)
}

func (c *child) failed(s Status, e ending, ran time.Duration, final bool) {
	tell(c, c.tree.failed, ServiceFailed{Service: s.Name, Incarnation: s.Incarnation, Err: e.err, Stack: e.stack, Ran: ran, Final: final})
}

// stuck notes that a call of Serve did not end in time.
func (c *child) stuck() {
	err := fault.New(fault.Spec{
		Code: fault.Unavailable, Component: component, Name: c.spec.Name,
		Message: fmt.Sprintf("the service did not return within %v of being told to; its goroutine is left behind", c.spec.StopTimeout),
	})
	var ran time.Duration
	s := c.update(func(s Status, now time.Time) Status {
		ran = now.Sub(s.Since)
		c.cancel = nil
		return s.stuck(err, now)
	})
	c.failed(s, ending{err: err}, ran, true)
}

// pause waits until the service is to be started again.
func (c *child) pause() {
	var due <-chan time.Time
	if s := c.look(); s.State == BackingOff {
		timer := time.NewTimer(time.Until(s.Next))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
	case <-c.again:
	case <-c.life.Done():
	}
}

// wake makes pause return.
func (c *child) wake() {
	select {
	case c.again <- struct{}{}:
	default:
	}
}

// restart ends the call of Serve that runs, or the pause.
func (c *child) restart() {
	var cancel context.CancelCauseFunc
	c.update(func(s Status, _ time.Time) Status {
		cancel, c.cancel = c.cancel, nil
		return s.restarted()
	})
	if cancel != nil {
		cancel(errRestart)
		return
	}
	c.wake()
}

// tell emits an event on a goroutine of its own and waits for it: a handler that ends its
// goroutine must not end the one that keeps a service running. A handler may itself wait for
// the end of the service: once that was told to stop, it is waited for as long as the
// service may take, and then left behind.
func tell[E telemetry.Event](c *child, topic telemetry.Topic[E], e E) {
	if !topic.Active() {
		return
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		topic.Emit(context.Background(), e)
	}()
	select {
	case <-told:
		return
	case <-c.life.Done():
	}
	late := time.NewTimer(c.spec.StopTimeout)
	defer late.Stop()
	select {
	case <-told:
	case <-late.C:
	}
}

func (c *child) look() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// update changes the status and returns the new one.
func (c *child) update(step func(s Status, now time.Time) Status) Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = step(c.status, time.Now())
	return c.status
}
