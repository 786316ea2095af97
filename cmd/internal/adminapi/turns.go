package adminapi

import (
	"context"
	"sync"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Turns bounds what clients can hold: how many configurations are read and checked at a
// time, because each takes many times its size in memory meanwhile, and how many requests
// follow or search the events, in all and for each actor: one token must leave places to
// the others. Make one with [NewTurns]; it outlives the handlers that share it. It is safe
// for concurrent use.
type Turns struct {
	places, followers chan struct{}

	mu     sync.Mutex        // guards actors
	actors map[string]*share // never shrinks: there are as many as tokens and certificates
}

// share is what one actor holds.
type share struct{ followers, searches chan struct{} }

const (
	turnsAtOnce     = 2
	followersAtOnce = 64
	followersShare  = followersAtOnce / 2
	searchesShare   = 2 // a storage directory has four readers
	// turnPatience is how long one waits for its turn, and is told to wait before the
	// next try.
	turnPatience = 5 * time.Second
)

// NewTurns returns turns of which none is taken.
func NewTurns() *Turns {
	return &Turns{places: make(chan struct{}, turnsAtOnce), followers: make(chan struct{}, followersAtOnce), actors: map[string]*share{}}
}

func (t *Turns) of(actor string) *share {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.actors[actor]
	if s == nil {
		s = &share{make(chan struct{}, followersShare), make(chan struct{}, searchesShare)}
		t.actors[actor] = s
	}
	return s
}

// follow takes a place among those who follow the events, which release ends.
func (t *Turns) follow(actor string) (release func(), err error) {
	own := t.of(actor).followers
	select {
	case own <- struct{}{}:
	default:
		return nil, busy("as many requests of " + actor + " follow the events as may: end one, or ask for GET /v1/events")
	}
	select {
	case t.followers <- struct{}{}:
		return func() { <-t.followers; <-own }, nil
	default:
		<-own
		return nil, busy("as many requests follow the events as may: end one, or ask for GET /v1/events")
	}
}

// search waits for a turn to search the events, which release ends.
func (t *Turns) search(ctx context.Context, actor string) (release func(), err error) {
	return await(ctx, t.of(actor).searches, "other searches of "+actor+" are running: try again when they have ended")
}

// take waits for a turn, which release ends.
func (t *Turns) take(ctx context.Context) (release func(), err error) {
	return await(ctx, t.places, "other configurations are being read: try again")
}

func await(ctx context.Context, places chan struct{}, message string) (release func(), err error) {
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, gone(ctx)
	case <-patience.C:
		return nil, busy(message)
	}
}

func busy(message string) error {
	return fault.New(fault.Spec{
		Code: fault.Unavailable, Component: "foundation", Name: "admin", RetryAt: time.Now().Add(turnPatience), Message: message,
	})
}

// gone is nil, or why there is no use in going on: the client has left.
func gone(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fault.New(fault.Spec{Code: fault.Canceled, Component: "foundation", Name: "admin", Message: "the client has left", Cause: ctx.Err()})
}
