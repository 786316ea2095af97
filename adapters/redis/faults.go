package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/elixirscope/foundation/fault"
)

const component = "rate_limiter"

func unavailable(name, message string, cause error) error {
	return fault.New(fault.Spec{Code: fault.Unavailable, Component: component, Name: name, Message: message, Cause: cause})
}

// gone is the error of a call whose context has ended: that of a caller that gave up, or
// that of a server which did not answer in time.
func gone(ctx context.Context, name string) error {
	cause := context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return late(name, cause)
	}
	return fault.New(fault.Spec{Code: fault.Canceled, Component: component, Name: name, Cause: cause})
}

func late(name string, cause error) error {
	return unavailable(name, "redis has not answered in time", cause)
}

// isLate reports whether the exchange ended because of the deadline of the call's own
// caller, whose context may end a moment later than the connection notices.
func (c *call) isLate() bool {
	timeout, ok := errors.AsType[net.Error](c.err)
	return ok && timeout.Timeout() && !c.deadline.IsZero() && time.Until(c.deadline) <= time.Millisecond
}

var (
	errClosed = fault.New(fault.Spec{Code: fault.Closed, Component: component, Message: "the store is closed"})
	errFull   = fmt.Errorf("%d calls are waiting for redis already", maxQueue)
)

// problem is the error of a call that the script did not decide, or nil.
func (c *call) problem() error {
	switch {
	case c.isLate():
		return late(c.rule.Name, context.DeadlineExceeded)
	case c.err != nil:
		return unavailable(c.rule.Name, "redis could not be asked", c.err)
	case c.got.state == foreign:
		return fault.New(fault.Spec{
			Code: fault.DataCorrupt, Component: component, Name: c.rule.Name,
			Message: fmt.Sprintf("the value of %q in redis is not a counter of this program: something else writes keys of this form; give the store a namespace of its own, or delete the key", c.key),
		})
	case c.got.state == failed:
		return unavailable(c.rule.Name, "redis could not store the decision", errors.New(c.text))
	}
	return nil
}
