package adminapi

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Turns bounds what clients can hold: how many configurations are read and checked at a
// time, because each takes many times its size in memory meanwhile, and how many requests
// follow the events. Make one with [NewTurns]; it outlives the handlers that share it. It
// is safe for concurrent use.
type Turns struct{ places, followers chan struct{} }

const (
	turnsAtOnce     = 2
	followersAtOnce = 64
	// turnPatience is how long one waits for its turn, and is told to wait before the
	// next try.
	turnPatience = 5 * time.Second
)

// NewTurns returns turns of which none is taken.
func NewTurns() *Turns {
	return &Turns{make(chan struct{}, turnsAtOnce), make(chan struct{}, followersAtOnce)}
}

// follow takes a place among those who follow the events, which release ends.
func (t *Turns) follow() (release func(), err error) {
	select {
	case t.followers <- struct{}{}:
		return func() { <-t.followers }, nil
	default:
		return nil, fault.New(fault.Spec{
			Code: fault.Unavailable, Component: "foundation", Name: "admin", RetryAt: time.Now().Add(turnPatience),
			Message: "as many requests follow the events as may: end one, or ask for GET /v1/events",
		})
	}
}

// take waits for a turn, which release ends.
func (t *Turns) take(ctx context.Context) (release func(), err error) {
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	select {
	case t.places <- struct{}{}:
		return func() { <-t.places }, nil
	case <-ctx.Done():
		return nil, gone(ctx)
	case <-patience.C:
		return nil, fault.New(fault.Spec{
			Code: fault.Unavailable, Component: "foundation", Name: "admin", RetryAt: time.Now().Add(turnPatience),
			Message: "other configurations are being read: try again",
		})
	}
}

// gone is nil, or why there is no use in going on: the client has left.
func gone(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fault.New(fault.Spec{Code: fault.Canceled, Component: "foundation", Name: "admin", Message: "the client has left", Cause: ctx.Err()})
}
