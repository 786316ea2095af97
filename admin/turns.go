package admin

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/sampler"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// turns bounds what clients can hold: how many configurations are read and checked at a
// time, because each takes many times its size in memory meanwhile, and how many requests
// follow or search the events, in all and for each actor: one token must leave places to
// the others. It also bounds how fast an actor sends annotations. What it refuses it counts
// and logs. Make one with [newTurns]; it outlives the handlers that share it. It is safe
// for concurrent use.
type turns struct {
	places, followers, watchers, searches chan struct{}
	annotations                           *ratelimit.Limiter

	log     *slog.Logger
	sampler sampler.Sampler
	refused [len(turnNames)]atomic.Uint64

	mu     sync.Mutex        // guards actors and the uses of each
	actors map[string]*share // those that hold something, or wait for it
}

// turn is what a request waits for, or is refused.
type turn int

const (
	turnConfig turn = iota
	turnStream
	turnSearch
	turnAnnotation
)

var turnNames = [...]string{"config", "stream", "search", "annotation"}

var descBusy = &telemetry.Desc{
	Name: "foundation_admin_busy_total", Help: "Requests to the admin API that were refused because of how many there were, by what they wanted.",
	Kind: telemetry.Counter, Labels: []string{"request"},
}

// share is what one actor holds.
type share struct {
	followers, watchers, searches chan struct{}
	uses                          int // requests that hold a place, or wait for one
}

const (
	turnsAtOnce     = 2
	followersAtOnce = 64
	followersShare  = followersAtOnce / 2
	// Whoever watches frames costs a goroutine and its connection: what is sent is the same for
	// all of them.
	watchersAtOnce = 512
	watchersShare  = watchersAtOnce / 2
	searchesAtOnce = 8
	searchesShare  = 2 // a storage directory has four readers
	// turnPatience is how long one waits for its turn, and is told to wait before the
	// next try.
	turnPatience = 5 * time.Second
	// An actor may record so many annotations a second, and so many at once: they are kept
	// beside what the layer itself records, and the oldest of both make room.
	annotationRate, annotationBurst = 10, 100
)

// newTurns returns turns of which none is taken.
func newTurns(log *slog.Logger) *turns {
	limiter, err := ratelimit.New("annotations", ratelimit.Config{Limit: annotationRate, Burst: annotationBurst})
	if err != nil {
		panic(err) // the settings are constants
	}
	return &turns{
		places: make(chan struct{}, turnsAtOnce), followers: make(chan struct{}, followersAtOnce), watchers: make(chan struct{}, watchersAtOnce),
		searches:    make(chan struct{}, searchesAtOnce),
		annotations: limiter, log: log, actors: map[string]*share{},
	}
}

// collect reports the counts.
func (t *turns) collect(emit func(telemetry.Sample)) {
	for i := range t.refused {
		emit(telemetry.Sample{Desc: descBusy, Labels: []string{turnNames[i]}, Value: float64(t.refused[i].Load())})
	}
}

// busy refuses a request, and notes it.
func (t *turns) busy(what turn, actor string, code fault.Code, wait time.Duration, message string) error {
	t.refused[what].Add(1)
	now := time.Now()
	if omitted, ok := t.sampler.Allow(now); ok {
		t.log.Warn("a request was refused: there are too many", slog.String("request", turnNames[what]), slog.String("actor", actor), slog.Uint64("omitted", omitted))
	}
	return fault.New(fault.Spec{Code: code, Component: "foundation", Name: "admin", RetryAt: now.Add(wait), Message: message})
}

// annotate admits an annotation, or says when the next one may come.
func (t *turns) annotate(actor string) error {
	d := t.annotations.Allow(ratelimit.KeyOf(actor))
	if d.OK {
		return nil
	}
	return t.busy(turnAnnotation, actor, fault.RateLimited, d.RetryAfter, fmt.Sprintf("%s may record %d events a second", actor, annotationRate))
}

// enter returns the share of an actor, which is kept until leave.
func (t *turns) enter(actor string) *share {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.actors[actor]
	if s == nil {
		s = &share{followers: make(chan struct{}, followersShare), watchers: make(chan struct{}, watchersShare), searches: make(chan struct{}, searchesShare)}
		t.actors[actor] = s
	}
	s.uses++
	return s
}

func (t *turns) leave(actor string, s *share) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.uses--; s.uses == 0 {
		delete(t.actors, actor)
	}
}

// follow takes a place among those who follow the events, which release ends.
func (t *turns) follow(actor string) (release func(), err error) {
	return t.hold(actor, t.followers, func(s *share) chan struct{} { return s.followers }, "follow the events", "GET /v1/events")
}

// watch takes a place among those who watch frames, which release ends.
func (t *turns) watch(actor string) (release func(), err error) {
	return t.hold(actor, t.watchers, func(s *share) chan struct{} { return s.watchers }, "watch the frames", "GET /v1/frame")
}

// hold takes a place of an actor and one of all for a request that has no end, which release
// ends.
func (t *turns) hold(actor string, all chan struct{}, of func(*share) chan struct{}, do, instead string) (release func(), err error) {
	s := t.enter(actor)
	defer func() {
		if err != nil {
			t.leave(actor, s)
		}
	}()
	own := of(s)
	select {
	case own <- struct{}{}:
	default:
		return nil, t.busy(turnStream, actor, fault.Unavailable, turnPatience, "as many requests of "+actor+" "+do+" as may: end one, or ask for "+instead)
	}
	select {
	case all <- struct{}{}:
		return func() { <-all; <-own; t.leave(actor, s) }, nil
	default:
		<-own
		return nil, t.busy(turnStream, actor, fault.Unavailable, turnPatience, "as many requests "+do+" as may: end one, or ask for "+instead)
	}
}

// search waits for a turn to search the events, which release ends.
func (t *turns) search(ctx context.Context, actor string) (release func(), err error) {
	s := t.enter(actor)
	defer func() {
		if err != nil {
			t.leave(actor, s)
		}
	}()
	own, err := t.await(ctx, turnSearch, actor, s.searches, "other searches of "+actor+" are running: try again when they have ended")
	if err != nil {
		return nil, err
	}
	all, err := t.await(ctx, turnSearch, actor, t.searches, "other searches are running: try again when they have ended")
	if err != nil {
		own()
		return nil, err
	}
	return func() { all(); own(); t.leave(actor, s) }, nil
}

// take waits for a turn to send a configuration, which release ends.
func (t *turns) take(ctx context.Context, actor string) (release func(), err error) {
	return t.await(ctx, turnConfig, actor, t.places, "other configurations are being read: try again")
}

func (t *turns) await(ctx context.Context, what turn, actor string, places chan struct{}, message string) (release func(), err error) {
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, gone(ctx)
	case <-patience.C:
		return nil, t.busy(what, actor, fault.Unavailable, turnPatience, message)
	}
}

// gone is nil, or why there is no use in going on: the client has left.
func gone(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fault.New(fault.Spec{Code: fault.Canceled, Component: "foundation", Name: "admin", Message: "the client has left", Cause: ctx.Err()})
}
