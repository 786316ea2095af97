package registry

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/elixirscope/foundation/fault"
)

// Lookup returns what is registered under a name, as a T. A name that nobody has is
// [fault.NotFound]; a value that is no T is [fault.InvalidArgument] and says what it
// is.
func Lookup[T any](r *Registry, namespace, name string) (T, error) {
	value, ok := r.find(Name{namespace, name})
	if !ok {
		var none T
		return none, fault.New(fault.Spec{
			Code: fault.NotFound, Component: component, Name: Name{namespace, name}.String(), Message: "nothing is registered under this name",
		})
	}
	return as[T](Name{namespace, name}, value)
}

// WaitFor returns what is registered under a name as soon as there is something, as a
// T. When ctx ends first the error is [fault.Unavailable] if its deadline has passed,
// else [fault.Canceled]. A value that is no T is refused as by [Lookup] and not waited
// past.
func WaitFor[T any](ctx context.Context, r *Registry, namespace, name string) (T, error) {
	n := Name{namespace, name}
	for {
		value, news, ok := r.findOrWait(n)
		if ok {
			return as[T](n, value)
		}
		select {
		case <-news:
		case <-ctx.Done():
			r.leave(n, news)
			var none T
			return none, gaveUp(ctx, n)
		}
	}
}

func gaveUp(ctx context.Context, n Name) error {
	spec := fault.Spec{
		Code: fault.Canceled, Component: component, Name: n.String(), Message: "the caller gave up waiting for this name", Cause: context.Cause(ctx),
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		spec.Code, spec.Message = fault.Unavailable, "nothing was registered under this name in time"
	}
	return fault.New(spec)
}

func as[T any](n Name, value any) (T, error) {
	typed, ok := value.(T)
	if !ok {
		return typed, fault.New(fault.Spec{
			Code: fault.InvalidArgument, Component: component, Name: n.String(),
			Message: fmt.Sprintf("what is registered under this name is a %T, not a %s", value, reflect.TypeFor[T]()),
		})
	}
	return typed, nil
}

func (r *Registry) find(n Name) (any, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.findLocked(n)
}

func (r *Registry) findLocked(n Name) (any, bool) {
	e, ok := r.entries[n]
	if !ok || !e.alive() {
		return nil, false
	}
	return e.Value, true
}

// findOrWait returns the value, or else a channel that is closed when there is one.
func (r *Registry) findOrWait(n Name) (value any, news <-chan struct{}, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if value, ok := r.findLocked(n); ok {
		return value, nil, true
	}
	w := r.waiting[n]
	if w == nil {
		w = &waiters{news: make(chan struct{})}
		r.waiting[n] = w
	}
	w.calls++
	return nil, w.news, false
}

// leave forgets a call that waits no longer, and with the last one the name: names that
// never come must not pile up.
func (r *Registry) leave(n Name, news <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.waiting[n]
	if w == nil || w.news != news {
		return // it was registered meanwhile
	}
	if w.calls--; w.calls == 0 {
		delete(r.waiting, n)
	}
}
