package breaker

import (
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/errclass"
	"github.com/elixirscope/foundation/internal/errtree"
)

// errAbandoned stands for a call that ended without a return.
var errAbandoned = errors.New("the call panicked or ended its goroutine")

// keptClasses is how many different classes of errors are remembered.
const keptClasses = 8

// class is what is remembered of an error: what went wrong between this process and
// the dependency, its code, or its types. A message may hold anything, secrets
// included; a type cannot.
type class struct {
	named        errclass.Class
	outer, inner reflect.Type
	code         fault.Code
	abandoned    bool
}

// typeOf is what is known of an error without calling it.
func typeOf(err error) class {
	t := reflect.TypeOf(err)
	return class{outer: t, inner: t}
}

// classOf calls the error's own methods, which may panic: it must run neither under
// a lock nor where what follows it must happen.
func classOf(err error) class {
	if err == nil {
		return class{}
	}
	if err == errAbandoned { //nolint:errorlint // identity: nobody else can have this error
		return class{abandoned: true}
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		counts := blamed(err)
		if f, ok := errors.AsType[*fault.Error](counts); ok && f != nil {
			return ofCode(f)
		}
		return ofTypes(err, counts)
	}
	return ofTypes(err, err)
}

// ofCode prefers to the code that says nothing but that the operation failed what its
// cause says.
func ofCode(f *fault.Error) class {
	if f.Code() == fault.OperationFailed {
		if named := errclass.Of(f); named != "" {
			return class{named: named}
		}
	}
	return class{code: f.Code()}
}

// ofTypes is the class of the part of err that counts, by types only if it has no name.
func ofTypes(err, counts error) class {
	if named := errclass.Of(counts); named != "" {
		return class{named: named}
	}
	return class{outer: reflect.TypeOf(err), inner: reflect.TypeOf(innermost(counts))}
}

// blamed is the part of err that counted as a failure, where it joins that with
// refusals, and else err.
func blamed(err error) error {
	counted := err
	errtree.All(err, func(one error) bool {
		refusal := fault.IsRefusal(one)
		if !refusal {
			counted = one
		}
		return refusal
	})
	return counted
}

// innermost goes down to the end of a chain; where errors are joined, by the first.
func innermost(err error) error {
	for {
		var next error
		switch x := err.(type) { //nolint:errorlint // it is the chain itself that is walked
		case interface{ Unwrap() error }:
			next = x.Unwrap()
		case interface{ Unwrap() []error }:
			next = firstOf(x.Unwrap())
		}
		if next == nil {
			return err
		}
		err = next
	}
}

func firstOf(errs []error) error {
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}

// String renders the class, as in "refused" or "*url.Error: *errors.errorString".
func (c class) String() string {
	switch {
	case c.named != "":
		return string(c.named)
	case c.abandoned:
		return "panic or goexit"
	case c.code != 0:
		return c.code.String()
	case c.outer == nil:
		return "unspecified"
	case c.outer == c.inner:
		return c.outer.String()
	default:
		return c.outer.String() + ": " + c.inner.String()
	}
}

// ErrorClass is one kind of failure that the breaker has counted.
type ErrorClass struct {
	// Class is refused, reset, dns, tls, timeout, protocol or eof where the error says what
	// went wrong on the way to the dependency, status_503 and the like where an answer did;
	// else the error's code or its types, never a message.
	Class string
	Count uint64    // since it was first remembered
	Last  time.Time // when it was last counted
}

// classes remembers the last few kinds of errors. It is guarded by the breaker's
// mutex.
type classes struct {
	seen []classEntry // the latest last
}

type classEntry struct {
	class  class
	count  uint64
	recent uint64 // without a pause of a window before one of them
	last   clock.Instant
}

func (c *classes) clear() { c.seen = nil }

func (c *classes) add(of class, window time.Duration, now clock.Instant) {
	entry := classEntry{class: of}
	i := slices.IndexFunc(c.seen, func(e classEntry) bool { return e.class == of })
	switch {
	case i >= 0:
		entry = c.seen[i]
		c.seen = slices.Delete(c.seen, i, i+1)
	case len(c.seen) == keptClasses:
		c.seen = slices.Delete(c.seen, 0, 1)
	}
	if now.Sub(entry.last) >= window {
		entry.recent = 0
	}
	entry.count++
	entry.recent++
	entry.last = now
	c.seen = append(c.seen, entry)
}

// latest names the class that was added last.
func (c *classes) latest() string {
	if len(c.seen) == 0 {
		return ""
	}
	return c.seen[len(c.seen)-1].class.String()
}

// most names the class of most failures of late, the latest of several; "" if the last one
// is not within the window.
func (c *classes) most(now clock.Instant, window time.Duration) string {
	var found classEntry
	for _, e := range slices.Backward(c.seen) {
		if now.Sub(e.last) < window && e.recent > found.recent {
			found = e
		}
	}
	if found.recent == 0 {
		return ""
	}
	return found.class.String()
}

// list returns the classes, the latest first.
func (c *classes) list() []ErrorClass {
	out := make([]ErrorClass, 0, len(c.seen))
	for _, e := range slices.Backward(c.seen) {
		out = append(out, ErrorClass{Class: e.class.String(), Count: e.count, Last: e.last.Time()})
	}
	return out
}
