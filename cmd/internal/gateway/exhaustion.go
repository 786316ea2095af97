package gateway

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/exhausted/dialing"
	"github.com/elixirscope/foundation/internal/sampler"
)

// exhaustionLasts is how long after a connection could not be made, because this
// machine has run out of something, it is taken to be so still. Nothing tells when a
// shortage ends but the next attempt, and an instance that is not ready gets no
// requests to try with: so it comes back by itself, and goes again if it must.
const exhaustionLasts = 10 * time.Second

// exhaustion knows whether this machine lacks what it takes to connect to upstreams.
// It is safe for concurrent use.
type exhaustion struct {
	log     *slog.Logger
	sampler sampler.Sampler
	latest  atomic.Pointer[shortage]
}

// shortage is one connection that was not made.
type shortage struct {
	at     time.Time
	reason string
}

// ownFault tells the errors of a round trip that are about this machine, and not
// about the upstream, which was never asked.
func (e *exhaustion) ownFault(ctx context.Context, upstream string, err error) (*fault.Error, bool) {
	reason, own := dialing.Exhausted(err)
	if !own {
		return nil, false
	}
	now := time.Now()
	e.latest.Store(&shortage{now, reason})
	if omitted, ok := e.sampler.Allow(now); ok {
		e.log.LogAttrs(ctx, slog.LevelError, "this machine cannot connect to an upstream",
			slog.String("upstream", upstream), slog.String("reason", reason), slog.String("error", err.Error()), slog.Uint64("omitted", omitted))
	}
	return fault.New(fault.Spec{
		Code: fault.Unavailable, Component: "gateway", Message: "this machine cannot connect to the upstream: " + reason, Cause: err,
		RetryAt: now.Add(exhaustionLasts),
	}), true
}

// lasting returns of what there is a shortage, "" if of nothing.
func (e *exhaustion) lasting(now time.Time) string {
	if s := e.latest.Load(); s != nil && now.Sub(s.at) < exhaustionLasts {
		return s.reason
	}
	return ""
}

// Exhausted returns what this machine lacks to connect to upstreams, as "too many
// open files", or "" if it lacks nothing that is known of. Requests that need no new
// connection are served all the same.
func (g *Gateway) Exhausted() string { return g.exhaustion.lasting(time.Now()) }
