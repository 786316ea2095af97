package foundation

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/telemetry"
)

// The guards of the layer's own services, through which they do what can fail. The prefix
// is reserved: no configuration can name one so.
const (
	ownPrefix  = "foundation."
	ownEvents  = ownPrefix + "events"
	ownHistory = ownPrefix + "history"
	ownWebhook = ownPrefix + "webhook"
	ownShared  = ownPrefix + "shared"
)

// own are the guards of the layer's own services and their breakers, by name. They are
// there from the start and never change.
type own struct {
	guards   map[string]*guard.Guard
	breakers map[string]*breaker.Breaker
}

// add makes further ones, while the layer is opened.
func (o *own) add(bus *telemetry.Bus, names ...string) error {
	if o.guards == nil {
		o.guards, o.breakers = make(map[string]*guard.Guard), make(map[string]*breaker.Breaker)
	}
	for _, name := range names {
		// A store that is away is asked again soon: what waits for it takes memory.
		b, err := breaker.New(name, breaker.Config{ConsecutiveFailures: 5, Cooldown: time.Second}, breaker.WithBus(bus))
		if err != nil {
			return err
		}
		g, err := guard.New(name, guard.Config{Breaker: b, Timeout: 10 * time.Second, Concurrency: 64}, guard.WithBus(bus))
		if err != nil {
			return err
		}
		o.breakers[name], o.guards[name] = b, g
	}
	return nil
}

// errAway stands for what a store answers when it cannot do its work. A guard would take
// the answer itself, unavailable, for the refusal of a guard further in.
var errAway = fault.New(fault.Spec{Code: fault.OperationFailed, Component: storageComponent, Message: "the store is away"})

// through calls fn through a guard. What counts against the store is what it cannot do, and
// not what it was asked wrongly.
func through(ctx context.Context, g *guard.Guard, fn func(context.Context) error) error {
	var answer error
	err := g.Do(ctx, func(ctx context.Context) error {
		answer = fn(ctx)
		f, ok := errors.AsType[*fault.Error](answer)
		if answer != nil && (!ok || f.Code().Category() != fault.Caller) {
			return errAway
		}
		return answer
	})
	if errors.Is(err, errAway) {
		return answer
	}
	return err
}

func (o own) status(s *Status) {
	for name := range o.guards {
		s.Guards = append(s.Guards, o.guards[name].Status())
		s.Breakers = append(s.Breakers, o.breakers[name].Status())
	}
	slices.SortFunc(s.Guards, func(a, b guard.Status) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Breakers, func(a, b breaker.Status) int { return strings.Compare(a.Name, b.Name) })
}

func (o own) health(emit func(health.Component)) {
	for _, name := range slices.Sorted(maps.Keys(o.breakers)) {
		c := breakerHealth(o.breakers[name].Status())
		if name == ownShared {
			c.DependsOn = []string{storeComponent}
		}
		c.Name = breakerSection + "/" + c.Name
		emit(c)
	}
}

func (o own) collect(emit func(telemetry.Sample)) {
	for _, name := range slices.Sorted(maps.Keys(o.guards)) {
		o.guards[name].Collect(emit)
		o.breakers[name].Collect(emit)
	}
}
