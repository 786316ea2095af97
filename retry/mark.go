package retry

import (
	"errors"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Final returns err marked as not to be retried, because it was retried already or
// because trying again cannot help. Retriers and guards stop at the mark and pass it on;
// they also set it themselves on the error of a call that they have given up. errors.Is and
// errors.As see through it. Final(nil) is nil.
func Final(err error) error {
	if err == nil || IsFinal(err) {
		return err
	}
	return &final{err}
}

// IsFinal reports whether err, or an error that it wraps or joins, was marked by [Final].
func IsFinal(err error) bool {
	_, ok := errors.AsType[*final](err)
	return ok
}

// Ended returns the error of a call that ended for the given reason: marked as [Final]
// where the policy would have retried it, so that a layer further out does not.
func Ended(err error, why Reason) error {
	switch why {
	case Granted, NotListed, NotIdempotent, Canceled:
		return err
	default:
		return Final(err)
	}
}

type final struct{ error }

// Unwrap returns the marked error.
func (f *final) Unwrap() error { return f.error }

// After returns err with the time that the dependency asked to wait before the next
// attempt, as in a Retry-After field. errors.Is and errors.As see through it.
// After(nil, d) is nil.
func After(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &after{err, d}
}

// Delay returns how long to wait before the next attempt according to err: what
// [After] has set, else what remains until a [fault.Error]'s RetryAt, else 0.
func Delay(err error) time.Duration {
	if a, ok := errors.AsType[*after](err); ok {
		return max(0, a.d)
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.RetryAfter()
	}
	return 0
}

type after struct {
	error
	d time.Duration
}

// Unwrap returns the error that [After] was given.
func (a *after) Unwrap() error { return a.error }
