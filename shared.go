package foundation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
	"github.com/elixirscope/foundation/telemetry"
)

const (
	sharedSection  = "shared"
	storeComponent = sharedSection + "/store" // of health
)

// SharedStore is an open store of counters that processes share.
type SharedStore struct {
	// Store counts. What it is beside that is used as well: a [shared.Fleet] and a
	// [shared.Inspector].
	Store shared.Store
	// Close ends it; nil where there is nothing to end, as with a client that is the program's own.
	Close func() error
}

// OpenShared opens the store that the section "shared" names, for the counters of one namespace.
// It need not reach the server and must not wait for it: one that is away is asked again for as long as
// the layer is open. An error refuses the configuration.
type OpenShared func(ctx context.Context, s config.Shared, namespace string) (SharedStore, error)

// SharedStatus is how rate limits are shared.
type SharedStatus struct {
	shared.CountersStatus
	InstancesStatus

	// Timeout is how long a call waits for the store.
	Timeout time.Duration
}

// sharing is the section "shared": where rate limits with scope shared are counted.
type sharing struct {
	f      *Foundation
	serves *counting // whose instances are in the tree of services; belongs to whoever follows the configuration
}

// counting is an open store, and what counts by it.
type counting struct {
	f         *Foundation
	place     config.Secret
	store     SharedStore
	counters  *shared.Counters
	instances *instances
}

func (f *Foundation) sharing() *sharing {
	if f.options.Shared != nil {
		if err := f.own.add(f.bus, ownShared); err != nil {
			f.log.Error("the shared store has no guard", slog.Any("error", err)) // its settings are legal
		}
	}
	return &sharing{f: f}
}

// countingOf returns the store that is in force, nil without the section.
func countingOf(a *assembly) *counting {
	c, _ := a.parts[sharedSection].(*counting)
	return c
}

// prepare opens the store, gives the one that goes on its settings, or leaves it out.
func (s *sharing) prepare(ctx context.Context, t *transition) error {
	next, old := t.next.Config.Shared, countingOf(t.old)
	if next != nil && old != nil && old.place == next.Redis {
		t.next.parts[sharedSection] = old
		t.steps = append(t.steps, func() error { old.reconfigure(*next); return nil })
		t.retire = append(t.retire, func() { old.forget(t.next.Config) })
		return nil
	}
	if next == nil {
		return nil // what goes is closed by follow
	}
	c, err := s.open(ctx, *next, t.next.Config.Namespace)
	if err != nil {
		return err
	}
	t.next.parts[sharedSection] = c
	t.undo = append(t.undo, func() { c.drain(s.f.drainCtx) })
	return nil
}

func (s *sharing) open(ctx context.Context, settings config.Shared, namespace string) (*counting, error) {
	if s.f.options.Shared == nil {
		var p fault.Problems
		p.Add("redis", "", "this program has no store of shared counters: give it one in Options.Shared, or leave the section out")
		return nil, p.Err(component, sharedSection)
	}
	store, err := s.f.options.Shared(ctx, settings, namespace)
	if err != nil {
		return nil, err
	}
	if store.Store == nil {
		return nil, fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Name: sharedSection, Message: "Options.Shared opened nothing and gave no error"})
	}
	guarded := newGuardedStore(store.Store, s.f.own.guards[ownShared])
	c := &counting{
		f: s.f, place: settings.Redis, store: store,
		counters: shared.New(guarded, shared.Options{Timeout: timeoutOf(settings), Bus: s.f.bus}),
	}
	c.reconfigure(settings)
	c.instances = newInstances(s.f, guarded, c.counters)
	return c, nil
}

func timeoutOf(s config.Shared) time.Duration {
	if s.Timeout == 0 {
		return config.DefaultSharedTimeout
	}
	return s.Timeout
}

// reconfigure gives the store that goes on its settings.
func (c *counting) reconfigure(s config.Shared) {
	timeout := timeoutOf(s)
	c.counters.SetTimeout(timeout)
	if err := c.f.own.guards[ownShared].Reconfigure(sharedGuard(c.f.own.breakers[ownShared], timeout)); err != nil {
		c.f.log.Error("the guard of the shared store refused settings", slog.Any("error", err))
	}
}

// remoteOf is what a rule is counted by under the settings that are prepared, nil for one that counts for
// itself. Its policy is in force from the call on.
func remoteOf(a *assembly, name string, r config.RateLimit) ratelimit.Remote {
	c := countingOf(a)
	if c == nil || r.Scope != config.ScopeShared {
		return nil
	}
	return c.counters.Rule(name, shared.Policy{OnError: r.OnError, Prefetch: r.Prefetch})
}

// forget ends the rules that are not shared any more.
func (c *counting) forget(next *config.Config) {
	for _, r := range c.counters.Status().Rules {
		if next.RateLimits[r.Name].Scope != config.ScopeShared {
			c.counters.Forget(r.Name)
		}
	}
}

// follow implements section: one service beats for the store that is in force, and a store that is not any
// more is closed once its service has said so there.
func (s *sharing) follow(f *Foundation) {
	now := countingOf(f.assembly.Load())
	if now == s.serves {
		return
	}
	if old := s.serves; old != nil {
		if err := f.services.Remove(f.life, instancesService); err != nil {
			f.log.Warn("a service was not stopped cleanly", slog.String("service", instancesService), slog.Any("error", err))
		}
		f.drains.Go(func() { old.drain(f.drainCtx) })
	}
	if s.serves = now; now == nil {
		return
	}
	if err := f.Supervise(instancesService, now.instances); err != nil {
		f.log.Error("other instances are not heard of", slog.Any("error", err))
	}
}

// drain closes a store that no rule counts by any more.
func (c *counting) drain(ctx context.Context) {
	if err := c.close(ctx); err != nil {
		c.f.log.Warn("the shared store was not closed cleanly", slog.Any("error", err))
	}
}

// refundTimeout bounds the sending of the refunds that wait when a store is closed.
const refundTimeout = time.Second

func (c *counting) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refundTimeout)
	defer cancel()
	err := c.counters.Close(ctx)
	if c.store.Close != nil {
		err = errors.Join(err, c.store.Close())
	}
	return err
}

// close implements section. The service has ended by then, and so have the calls.
func (s *sharing) close(ctx context.Context, a *assembly) error {
	c := countingOf(a)
	if c == nil {
		return nil
	}
	ctx, cancel := aMomentLonger(ctx, refundTimeout)
	defer cancel()
	return c.close(ctx)
}

func (s *sharing) status(a *assembly, st *Status) {
	if c := countingOf(a); c != nil {
		st.Shared = &SharedStatus{CountersStatus: c.counters.Status(), InstancesStatus: c.instances.status(), Timeout: timeoutOf(*a.Config.Shared)}
	}
}

func (s *sharing) collect(a *assembly, emit func(telemetry.Sample)) {
	if c := countingOf(a); c != nil {
		c.counters.Collect(emit)
	}
}

// health implements vital.
func (s *sharing) health(a *assembly, emit func(health.Component)) {
	c := countingOf(a)
	if c == nil {
		return
	}
	emit(storeHealth(c.counters.Status()))
	c.instances.health(emit)
}

// storeHealth: a store that is away is trouble that the rules are made for, and decides over nothing by itself.
func storeHealth(s shared.CountersStatus) health.Component {
	h := health.Component{Name: storeComponent, Status: health.Pass, Since: s.Since, See: "status"}
	switch {
	case s.Away:
		h.Status = health.Fail
		h.Output = fmt.Sprintf("it is away: %s; %s", s.Cause, withoutStore(s))
	case s.Fault != "":
		h.Status, h.Output = health.Fail, s.Fault
	case len(s.Warnings) > 0:
		h.Status, h.Output = health.Warn, strings.Join(s.Warnings, "; ")
	}
	return h
}

// withoutStore says what becomes of the calls of the rules while the store is away.
func withoutStore(s shared.CountersStatus) string {
	counts := make(map[shared.OnError]int)
	for i := range s.Rules {
		counts[s.Rules[i].Policy.OnError]++
	}
	var parts []string
	for policy, does := range map[shared.OnError]string{shared.Local: "counted by this process alone", shared.Allow: "not limited", shared.Deny: "refused"} {
		if n := counts[policy]; n > 0 {
			parts = append(parts, fmt.Sprintf("calls of %d of %d rules are %s", n, len(s.Rules), does))
		}
	}
	if len(parts) == 0 {
		return "no rule uses it"
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
