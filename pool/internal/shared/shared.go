// Package shared keeps a resource that several workers use together: it is opened
// for the first and closed after the last, so that a closed pool leaves nothing.
package shared

import "sync"

// Resource is opened with the first Take and closed with the last Drop. It is
// safe for concurrent use.
type Resource[R any] struct {
	open  func() (R, error)
	close func(R)

	// mu guards the fields below and is held while the resource is opened or closed,
	// so that there is never a second one.
	mu    sync.Mutex
	users int
	value R
}

// New returns a resource that open opens and end closes.
func New[R any](open func() (R, error), end func(R)) *Resource[R] {
	return &Resource[R]{open: open, close: end}
}

// Take returns the resource; a successful Take asks for one Drop.
func (r *Resource[R]) Take() (R, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users == 0 {
		value, err := r.open()
		if err != nil {
			return value, err
		}
		r.value = value
	}
	r.users++
	return r.value, nil
}

// Drop gives the resource back.
func (r *Resource[R]) Drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users--; r.users == 0 {
		value := r.value
		r.value = *new(R)
		r.close(value)
	}
}
