package supervise

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Service runs in the background. Serve returns soon after ctx has ended, whatever it
// returns then. When it returns earlier, or panics, or ends its goroutine, it has failed
// and is started again; see [Permanent] for one that has done its work. Serve may be
// called many times, one call after the other, and each begins anew: what an earlier
// call left behind must not hinder it. Goroutines that it starts end before it returns.
type Service interface {
	Serve(ctx context.Context) error
}

// Func makes a [Service] of a function.
type Func func(ctx context.Context) error

// Serve calls f.
func (f Func) Serve(ctx context.Context) error { return f(ctx) }

// Permanent marks an error after which a service is not started again: it is failed
// until somebody restarts it, see [Tree.Restart]. A nil error says that its work is
// done: it is completed. What errors.Is and errors.As find in err they find in the
// result.
func Permanent(err error) error { return permanent{err} }

type permanent struct{ cause error }

func (p permanent) Unwrap() error { return p.cause }

func (p permanent) Error() string {
	if p.cause == nil {
		return "the service has done its work"
	}
	return p.cause.Error()
}

// Ready says that the service whose context this is serves from now on. A service whose
// [Spec] says that it reports this is starting until then. On any other context Ready
// does nothing.
func Ready(ctx context.Context) {
	if report, ok := ctx.Value(readyKey{}).(func()); ok {
		report()
	}
}

type readyKey struct{}

// Spec describes a service of a [Tree]. Name and Service are required.
type Spec struct {
	// Name is unique in the tree.
	Name    string
	Service Service
	// ReportsReady is set for a service that calls [Ready]. Others run from their start on.
	ReportsReady bool
	// Backoff is how long the service pauses after its first failure, twice as long
	// after each further one, up to BackoffMax, each a fifth more or less by chance. It
	// begins anew once the service has run for BackoffMax. 0 means [DefaultBackoff] and
	// [DefaultBackoffMax].
	Backoff, BackoffMax time.Duration
	// StopTimeout is how long the service may take to return once its context has
	// ended; 0 means [DefaultStopTimeout]. One that takes longer is given up: its
	// goroutine is left behind, and its status and [Tree.Close] say so.
	StopTimeout time.Duration
}

// The defaults of a [Spec].
const (
	DefaultBackoff     = 100 * time.Millisecond
	DefaultBackoffMax  = 30 * time.Second
	DefaultStopTimeout = 5 * time.Second
)

func (s Spec) withDefaults() Spec {
	if s.Backoff == 0 {
		s.Backoff = DefaultBackoff
	}
	if s.BackoffMax == 0 {
		s.BackoffMax = max(DefaultBackoffMax, s.Backoff)
	}
	if s.StopTimeout == 0 {
		s.StopTimeout = DefaultStopTimeout
	}
	return s
}

func (s Spec) check() error {
	var p fault.Problems
	p.CheckName(s.Name)
	p.Require(s.Service != nil, "service", nil, "is nil")
	p.Require(s.Backoff >= 0, "backoff", s.Backoff, "must not be negative")
	p.Require(s.BackoffMax == 0 || s.BackoffMax >= s.Backoff, "backoff_max", s.BackoffMax, "is shorter than backoff, %v", s.Backoff)
	p.Require(s.StopTimeout >= 0, "stop_timeout", s.StopTimeout, "must not be negative")
	return p.Err(component, s.Name)
}

// pause is how long a service pauses after so many failures in a row. The random
// number lies in [0, 1).
func (s Spec) pause(failures int, random float64) time.Duration {
	d := math.Min(float64(s.Backoff)*math.Pow(2, float64(failures-1)), float64(s.BackoffMax))
	return time.Duration(math.Min(d*(0.8+0.4*random), math.MaxInt64/2))
}

// ending is how one call of Serve ended.
type ending struct {
	err    error // nil if its work is done
	last   bool  // it is not to be started again
	broken bool  // by a panic, or with its goroutine
	stack  string
}

// read tells what a service that returned err wants. It runs where the service ran, since
// the methods of err are the user's.
func read(err error) ending {
	if p, ok := errors.AsType[permanent](err); ok {
		e := ending{last: true}
		if p.cause != nil {
			e.err = err
		}
		return e
	}
	if err == nil {
		err = errReturned
	}
	return ending{err: err}
}

var errReturned = errors.New("the service returned, though nobody had stopped it")
