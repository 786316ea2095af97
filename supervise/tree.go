package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// component names this package in its faults.
const component = "service"

// Tree keeps services running. Make one with [New] and end it with [Tree.Close]. It is
// safe for concurrent use. A service, or a handler of its events, that removes that same
// service or closes the tree is waited for as long as its StopTimeout says, and then left
// behind.
type Tree struct {
	started telemetry.Topic[ServiceStarted]
	failed  telemetry.Topic[ServiceFailed]
	backoff telemetry.Topic[ServiceBackoff]
	names   func(name string, s Service) (release func())

	// mu guards the fields below. No code of the user runs under it, and nothing is
	// waited for.
	mu       sync.Mutex
	children []*child // in the order in which they were added
	closed   bool
}

// Option is an option of [New].
type Option func(*Tree)

// WithNames has a function called for every service that was added, before it starts, as
// one that registers it. What that returns is called, once or more often, when the service
// was removed or the tree closed. Both may call anything; neither may be nil.
func WithNames(names func(name string, s Service) (release func())) Option {
	return func(t *Tree) { t.names = names }
}

// New returns a tree without services. Its events go to bus; nil is silent.
func New(bus *telemetry.Bus, options ...Option) *Tree {
	t := &Tree{
		started: telemetry.TopicOf[ServiceStarted](bus), failed: telemetry.TopicOf[ServiceFailed](bus), backoff: telemetry.TopicOf[ServiceBackoff](bus),
		names: func(string, Service) func() { return func() {} },
	}
	for _, o := range options {
		o(t)
	}
	return t
}

// Add starts a service and keeps it running until it is removed or the tree is closed.
// It does not wait until the service runs. A name that the tree has is refused with
// [fault.AlreadyExists], also if its service has stopped or failed: remove it first. All
// faults of a Spec are found at once.
func (t *Tree) Add(spec Spec) error {
	if err := spec.check(); err != nil {
		return err
	}
	c := &child{tree: t, spec: spec.withDefaults(), done: make(chan struct{}), again: make(chan struct{}, 1), status: Status{Name: spec.Name}}
	c.life, c.stop = context.WithCancel(context.Background())
	if err := t.add(c); err != nil {
		c.stop()
		return err
	}
	defer func() { go c.run() }() // also if a handler of the name ends this goroutine: the tree waits for it
	c.nameBy(t.names(c.spec.Name, c.spec.Service))
	return nil
}

func (t *Tree) add(c *child) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return treeClosed(c.spec.Name)
	}
	if t.findLocked(c.spec.Name) != nil {
		return fault.New(fault.Spec{
			Code: fault.AlreadyExists, Component: component, Name: c.spec.Name, Message: "there is a service with this name; remove it first or choose another",
		})
	}
	t.children = append(t.children, c)
	return nil
}

func treeClosed(name string) error {
	return fault.New(fault.Spec{Code: fault.Closed, Component: component, Name: name, Message: "the tree was closed"})
}

func (t *Tree) findLocked(name string) *child {
	for _, c := range t.children {
		if c.spec.Name == name {
			return c
		}
	}
	return nil
}

func (t *Tree) find(name string) (c *child, closed bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.findLocked(name); c != nil {
		return c, t.closed, nil
	}
	return nil, t.closed, fault.New(fault.Spec{Code: fault.NotFound, Component: component, Name: name, Message: "there is no service with this name"})
}

// Restart starts a service anew at once: one that runs is stopped first, one that pauses
// waits no longer, one that has stopped or failed begins again. Its failures in a row are
// forgotten. Restart does not wait for that. In a closed tree it is refused with
// [fault.Closed].
func (t *Tree) Restart(name string) error {
	c, closed, err := t.find(name)
	if err != nil {
		return err
	}
	if closed {
		return treeClosed(name)
	}
	c.restart()
	return nil
}

// Remove stops a service, waits until it has ended, and forgets it. When ctx ends first
// the service still stops, and Remove returns [fault.Unavailable]. A service that does
// not return within its StopTimeout is forgotten all the same, and is the same error.
func (t *Tree) Remove(ctx context.Context, name string) error {
	c, _, err := t.find(name)
	if err != nil {
		return err
	}
	c.stop()
	err = c.wait(ctx)
	c.unname() // before the name in the tree is free, so that another can have both
	t.mu.Lock()
	defer t.mu.Unlock()
	t.children = slices.DeleteFunc(t.children, func(o *child) bool { return o == c })
	return err
}

// wait waits until the goroutine of a service that was told to stop has ended.
func (c *child) wait(ctx context.Context) error {
	select {
	case <-c.done:
	case <-ctx.Done():
		if c.hasEnded() {
			break
		}
		return fault.New(fault.Spec{
			Code: fault.Unavailable, Component: component, Name: c.spec.Name,
			Message: "the service had not stopped when the caller would wait no longer", Cause: context.Cause(ctx),
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left {
		return nil
	}
	return fault.New(fault.Spec{
		Code: fault.Unavailable, Component: component, Name: c.spec.Name,
		Message: fmt.Sprintf("the service did not stop within %v; its goroutine is left behind", c.spec.StopTimeout),
	})
}

func (c *child) hasEnded() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Status lists the services in the order in which they were added. The result belongs to
// the caller.
func (t *Tree) Status() []Status {
	all := make([]Status, 0)
	for _, c := range t.all() {
		all = append(all, c.look())
	}
	return all
}

func (t *Tree) all() []*child {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.children)
}

// Close stops all services, the last that was added first, each after the one behind it
// has ended. What does not stop in time is named in the error and left behind; when ctx
// ends, all that are left are told to stop at once. A closed tree takes no services; its
// status stays to be looked at. A further Close waits anew, for what the first one left.
func (t *Tree) Close(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true
	all := slices.Clone(t.children)
	t.mu.Unlock()
	var left []error
	for i, c := range slices.Backward(all) {
		if ctx.Err() != nil {
			for _, c := range all[:i+1] {
				c.stop()
			}
		}
		c.stop()
		left = append(left, c.wait(ctx))
		c.unname()
	}
	return errors.Join(left...)
}
